// The emulation's asynchronous copies under the name of CUDA's header.
#pragma once

#include "copies.hpp"
