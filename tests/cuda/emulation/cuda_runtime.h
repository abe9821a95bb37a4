// CUDA's names as kernels and their callers use them, in plain C++ on the CPU: the threads of a block are fibers that take turns, the blocks of a grid come one
// after the other in a shuffled order, or all together where a launch asks for it; device memory is host memory.
//
// A test program is compiled with this directory before all others (-I tests/cuda/emulation). Linux only. Link with -rdynamic, so that faults can name the kernel.
#pragma once

// Qualifiers that say where code runs. Here it all runs in one place.
#define __global__
#define __grid_constant__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

#include "arithmetic.hpp"
#include "atomics.hpp"
#include "barriers.hpp"
#include "device.hpp"
#include "errors.hpp"
#include "graphs.hpp"
#include "kernels.hpp"
#include "memory.hpp"
#include "streams.hpp"
#include "tensor.hpp"
#include "vectors.hpp"
#include "warp.hpp"
