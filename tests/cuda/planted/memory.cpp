// Accesses to device memory that end the program on a machine with a device, and must here: planted_memory
// NAME.
#include <cuda_runtime.h>

#include <cstdio>
#include <string_view>

namespace planted {

/// number[at] += 1.
template <int dummy>
__global__ void touch(float* const number) {
  *number += 1;
}

}  // namespace planted

int main(int count, char** arguments) {
  const std::string_view name = count > 1 ? arguments[1] : "";
  constexpr std::size_t numbers = 1024;
  float* device = nullptr;
  if (cudaMalloc(&device, numbers * sizeof(float)) != cudaSuccess) return 1;
  float* at = name == "beyond_end" ? device + numbers : device + numbers - 1;
  void* operands[] = {&at};
  const cudaError_t error = cudaLaunchKernel(planted::touch<0>, 1, 1, operands);
  std::puts(cudaGetErrorString(error));
  if (name == "host") *device = 1;
  cudaFree(device);
  return error != cudaSuccess;
}
