// By this file <sdepth/cuda.hpp> knows that CUDA's names are those of the emulation. It is empty.
#pragma once
