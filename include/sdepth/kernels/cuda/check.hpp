// Errors of the CUDA runtime as sentences: which call failed, for which stage of which shape.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// What is being computed, for the sentence of an error.
struct StageName {
  const char* kernel = "";
  Shape in = {};
  Shape out = {};
  int batch = 0;
};

/// Throws Error naming the call and the stage unless `status` is success.
///
/// Kernels run long after they were launched, so what goes wrong in one is told by a later call; with CUDA_LAUNCH_BLOCKING=1 in the environment it is told by its
/// own launch.
inline void check(cudaError_t status, const char* call, const StageName& stage = {}) {
  if (status == cudaSuccess) return;
  const auto text = [](const Shape& s) {
    return std::to_string(s.channels) + " x " + std::to_string(s.height) + " x " + std::to_string(s.width);
  };
  std::string where;
  if (stage.batch > 0)
    where = std::string(" for ") + stage.kernel + ", " + std::to_string(stage.batch) + " images of " + text(stage.in) + " to " +
            text(stage.out);
  fail("CUDA: ", call, where, " failed: ", cudaGetErrorString(status));
}

/// Throws Error unless there is a device that kernels can run on.
inline void require_device() {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess || devices == 0)
    fail("no CUDA device was found (", status == cudaSuccess ? "there are none" : cudaGetErrorString(status),
         "); run on a machine with an NVIDIA GPU of compute capability 7.5 or later and its driver, or on the CPU");
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
