// The door to the GPU: Trainer<Net, Cuda<>>. For sources that nvcc compiles; it needs
// --expt-relaxed-constexpr, which the CMake target sdepth::cuda passes.
//
// Everything of net.hpp but the CPU's own kernels, for which include that from an ordinary source.
#pragma once

#if !defined(__CUDACC__) && !__has_include(<sdepth_cuda_emulation.hpp>)
#error \
    "sdepth/cuda.hpp is for sources that nvcc compiles, NAME.cu; a source for the CPU's compiler includes sdepth/net.hpp"
#elif defined(__CUDACC__) && !defined(__CUDACC_RELAXED_CONSTEXPR__)
#error \
    "sdepth/cuda.hpp: kernels call constexpr functions; compile with nvcc --expt-relaxed-constexpr, or link the CMake target sdepth::cuda, which passes it"
#else

#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/hardswish.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/activations/relu.hpp>
#include <sdepth/activations/silu.hpp>
#include <sdepth/cuda/device.hpp>
#include <sdepth/cuda/folded_weights.hpp>
#include <sdepth/cuda/inference.hpp>
#include <sdepth/kernels/cuda/cuda.hpp>
#include <sdepth/losses/cross_entropy.hpp>
#include <sdepth/losses/mean_squared_error.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/network/survival_over_time.hpp>
#include <sdepth/optimizers/adamw.hpp>
#include <sdepth/optimizers/lion.hpp>
#include <sdepth/optimizers/sgd.hpp>
#include <sdepth/schedule/fixed_gates.hpp>
#include <sdepth/schedule/over_time.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>
#include <sdepth/train/weight_average.hpp>

#endif
