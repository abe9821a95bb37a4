// The headers of whole programs behind macros of other libraries. The standard library's <variant> and <chrono>
// do not survive one of X11/Xos.h's.
#include "macros.hpp"
#undef index

#include <sdepth/program/infer.hpp>
#include <sdepth/program/train.hpp>
