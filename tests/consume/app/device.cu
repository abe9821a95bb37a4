// What a user's source for GPUs begins with. nvcc reads the whole door; without a device the program says so.
#include <sdepth/cuda.hpp>

#include <cstdio>

int main() {
  try {
    std::printf("%s\n", sdepth::cuda_device().name.c_str());
  } catch (const sdepth::Error& error) {
    std::printf("%s\n", error.what());
  }
  return 0;
}
