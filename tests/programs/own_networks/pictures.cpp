// Built where libpng and libjpeg-turbo are: --data folder.
#include <sdepth/program/pictures.hpp>
