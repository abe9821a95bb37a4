// Which GPU kernels will run on.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <string>

#include <sdepth/core/error.hpp>
#include <sdepth/kernels/cuda/check.hpp>

namespace sdepth::inline SDEPTH_ISA {

struct CudaDevice {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  std::size_t free = 0;      // bytes of memory
  std::size_t total = 0;
};

/// The current device: the first one, unless cudaSetDevice or CUDA_VISIBLE_DEVICES says otherwise.
/// Throws Error where there is none, or it is older than the kernels.
[[nodiscard]] inline CudaDevice cuda_device() {
  cuda::require_device();
  int index = 0;
  cudaDeviceProp properties;
  cuda::check(cudaGetDevice(&index), "cudaGetDevice");
  cuda::check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  CudaDevice device{properties.name, properties.major, properties.minor, 0, 0};
  if (10 * device.major + device.minor < 75)
    fail("the GPU ", device.name, " has compute capability ", device.major, ".", device.minor,
         ", expected 7.5 or later; choose another by CUDA_VISIBLE_DEVICES");
  cuda::check(cudaMemGetInfo(&device.free, &device.total), "cudaMemGetInfo");
  return device;
}

/// Makes a device the calling thread's: of several processes on a machine, or threads, each says which one it
/// is, and as many as there are devices have one of their own. A process that sees one device alone
/// (CUDA_VISIBLE_DEVICES) has that one. Throws Error where there is none.
inline void use_cuda_device(int process) {
  cuda::require_device();
  int devices = 0;
  cuda::check(cudaGetDeviceCount(&devices), "cudaGetDeviceCount");
  cuda::check(cudaSetDevice(process % devices), "cudaSetDevice");
}

}  // namespace sdepth::inline SDEPTH_ISA
