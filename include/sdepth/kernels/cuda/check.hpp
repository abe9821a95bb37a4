// Errors of the CUDA runtime as sentences: which call failed, for which stage of which shape, or that an
// earlier kernel did. And which device a thread uses.
#pragma once

#include <cuda_runtime.h>

#include <cstdlib>
#include <new>
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

/// Whether this tells of a kernel that went wrong while it ran. From then on every call returns it, whatever
/// it is asked for.
[[nodiscard]] inline bool is_fault_of_kernel(cudaError_t status) noexcept {
  for (const cudaError_t fault :
       {cudaErrorECCUncorrectable, cudaErrorIllegalAddress, cudaErrorLaunchTimeout, cudaErrorAssert,
        cudaErrorHardwareStackError, cudaErrorIllegalInstruction, cudaErrorMisalignedAddress,
        cudaErrorInvalidAddressSpace, cudaErrorInvalidPc, cudaErrorLaunchFailure})
    if (status == fault) return true;
  return false;
}

/// Throws Error naming the call and the stage unless `status` is success.
///
/// Kernels run long after they were launched, so what goes wrong in one is told by a later call, whose stage
/// then has no part in it; with CUDA_LAUNCH_BLOCKING=1 in the environment it is told by its own launch.
inline void check(cudaError_t status, const char* call, const StageName& stage = {}) {
  if (status == cudaSuccess) return;
  // told here: whoever asks the runtime next must not take it for an error of their own
  static_cast<void>(cudaGetLastError());
  const auto text = [](const Shape& s) {
    return std::to_string(s.channels) + " x " + std::to_string(s.height) + " x " + std::to_string(s.width);
  };
  std::string where;
  if (stage.batch > 0)
    where = std::string(" for ") + stage.kernel + ", " + std::to_string(stage.batch) + " images of " +
            text(stage.in) + " to " + text(stage.out);
  const char* const blocking = std::getenv("CUDA_LAUNCH_BLOCKING");
  if (is_fault_of_kernel(status) && !(blocking && std::string(blocking) == "1"))
    fail(
        "CUDA: a kernel failed before ", call, where, ", which found it out: ", cudaGetErrorString(status),
        "; the device can do no more in this process, run it with CUDA_LAUNCH_BLOCKING=1 in the environment to learn which kernel it was");
  fail("CUDA: ", call, where, " failed: ", cudaGetErrorString(status));
}

/// Throws Error unless there is a device that kernels can run on.
inline void require_device() {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (is_fault_of_kernel(status)) check(status, "cudaGetDeviceCount");  // there is one, or was
  if (status != cudaSuccess) static_cast<void>(cudaGetLastError());
  if (status != cudaSuccess || devices == 0)
    fail(
        "no CUDA device was found (", status == cudaSuccess ? "there are none" : cudaGetErrorString(status),
        "); run on a machine with an NVIDIA GPU of compute capability 7.5 or later and its driver, or on the CPU");
}

/// The calling thread's device. Throws Error where there is none.
[[nodiscard]] inline int current_device() {
  require_device();
  int device = 0;
  check(cudaGetDevice(&device), "cudaGetDevice");
  return device;
}

/// Makes `device` the calling thread's while this lives; afterwards it has the one that it had. Every thread
/// begins with device 0, whatever the others use, so whoever has memory, events or launches of a device makes
/// it the thread's first.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    check(cudaGetDevice(&before_), "cudaGetDevice");
    if (before_ != device) check(cudaSetDevice(device), "cudaSetDevice");
    changed_ = before_ != device;
  }
  /// For destructors: a device that cannot be had is left alone.
  OnDevice(int device, std::nothrow_t) noexcept {
    if (cudaGetDevice(&before_) == cudaSuccess && before_ != device)
      changed_ = cudaSetDevice(device) == cudaSuccess;
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  ~OnDevice() {
    if (changed_) cudaSetDevice(before_);
  }

 private:
  int before_ = 0;
  bool changed_ = false;
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
