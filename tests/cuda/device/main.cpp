// The main program of the tests on a real device. They hand kernels pointers from vectors, as on the emulated one; so whatever is allocated here is managed
// memory, which both sides reach. Not compiled by nvcc, to which operator new would be a function of the device as well.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <sdepth/core/error.hpp>
#include <sdepth/cuda/device.hpp>

namespace {

bool managed = false;  // from the beginning of main to its end

}  // namespace

void* operator new(std::size_t bytes) {
  void* p = nullptr;
  if (!managed)
    p = std::malloc(bytes > 0 ? bytes : 1);
  else if (cudaMallocManaged(&p, bytes > 0 ? bytes : 1) != cudaSuccess)
    p = nullptr;
  if (!p) throw std::bad_alloc();
  return p;
}
void operator delete(void* p) noexcept {
  if (!p) return;
  cudaPointerAttributes attributes;
  if (cudaPointerGetAttributes(&attributes, p) == cudaSuccess && attributes.type == cudaMemoryTypeManaged)
    cudaFree(p);
  else
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

/// 77 where there is no device: ctest then says "skipped".
int main(int count, char** words) {
  try {
    const sdepth::CudaDevice device = sdepth::cuda_device();
    std::printf("on %s, compute capability %d.%d\n", device.name.c_str(), device.major, device.minor);
  } catch (const sdepth::Error& error) {
    std::printf("skipped: %s\n", error.what());
    return 77;
  }
  managed = true;
  doctest::Context context(count, words);
  const int failed = context.run();
  std::fflush(nullptr);
  std::_Exit(failed);  // the runtime would be gone before the last managed memory is given back
}
