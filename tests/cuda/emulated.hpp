// What the tests of the emulation share: launching a kernel in one line.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <string>

namespace sdepth::test {

template <class Operands>
cudaError_t launch(void (*kernel)(Operands), dim3 grid, dim3 threads, Operands operands,
                   std::size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  void* arguments[] = {&operands};
  return cudaLaunchKernel(kernel, grid, threads, arguments, shared_bytes, stream);
}

/// The sentence of a kernel that must fail; empty where it did not.
template <class Operands>
std::string fault(void (*kernel)(Operands), dim3 grid, dim3 threads, Operands operands,
                  std::size_t shared_bytes = 0) {
  return launch(kernel, grid, threads, operands, shared_bytes) == cudaErrorLaunchFailure
             ? cudaGetErrorString(cudaErrorLaunchFailure)
             : "";
}
[[nodiscard]] inline bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

/// Puts the emulated device's settings back at the end of a test.
class Keep {
 public:
  Keep() = default;
  Keep(const Keep&) = delete;
  Keep& operator=(const Keep&) = delete;
  ~Keep() { emulation::settings() = before_; }

 private:
  emulation::Settings before_ = emulation::settings();
};

}  // namespace sdepth::test
