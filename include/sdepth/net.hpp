// The door: everything for building, training and running a network on a CPU. No data sets, files, CUDA or
// MPI.
#pragma once

// Without optimisation a network compiles and runs many times as long, and CMake without a build type asks
// for none. Said once for each source, in the way in which each compiler says it from an installed header,
// too, and makes no error of it with -Werror.
#if !defined(__OPTIMIZE__) && !defined(SDEPTH_WITHOUT_OPTIMISATION)
#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic warning "-W#warnings"
#pragma clang diagnostic ignored "-Wpedantic"
#warning sdepth is compiled without optimisation, many times slower: add -O3 (CMake: CMAKE_BUILD_TYPE=Release), or define SDEPTH_WITHOUT_OPTIMISATION
#pragma clang diagnostic pop
#else
#pragma message( \
    "sdepth is compiled without optimisation, many times slower: add -O3 (CMake: CMAKE_BUILD_TYPE=Release), or define SDEPTH_WITHOUT_OPTIMISATION")
#endif
#endif

#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/hardswish.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/activations/relu.hpp>
#include <sdepth/activations/silu.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/losses/cross_entropy.hpp>
#include <sdepth/losses/mean_squared_error.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/network/survival_over_time.hpp>
#include <sdepth/optimizers/adamw.hpp>
#include <sdepth/optimizers/lion.hpp>
#include <sdepth/optimizers/sgd.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/schedule/fixed_gates.hpp>
#include <sdepth/schedule/over_time.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/block_removal.hpp>
#include <sdepth/train/norm_estimate.hpp>
#include <sdepth/train/trainer.hpp>
#include <sdepth/train/weight_average.hpp>
