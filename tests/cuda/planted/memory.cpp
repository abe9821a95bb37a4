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

/// Calls itself until there is no stack left.
template <int dummy>
__global__ void recurse(float* const number) {
  volatile float many[1000];
  many[0] = *number;
  if (many[0] >= 0) recurse<dummy>(number);
  *number = many[0];
}

}  // namespace planted

int main(int count, char** arguments) {
  const std::string_view name = count > 1 ? arguments[1] : "";
  constexpr std::size_t numbers = 1024;
  float* device = nullptr;
  if (cudaMalloc(&device, numbers * sizeof(float)) != cudaSuccess) return 1;
  float* at = name == "beyond_end" ? device + numbers : device + numbers - 1;
  void* operands[] = {&at};
  if (name == "stack") cudaMemset(device, 0, numbers * sizeof(float));
  const cudaError_t error =
      cudaLaunchKernel(name == "stack" ? planted::recurse<0> : planted::touch<0>, 1, 1, operands);
  std::puts(cudaGetErrorString(error));
  if (name == "host") *device = 1;
  cudaFree(device);
  return error != cudaSuccess;
}
