// Built where libpng and libjpeg-turbo are: pictures in files.
#include <sdepth/program/pictures/infer.hpp>
