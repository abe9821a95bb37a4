// Kernels with races that ThreadSanitizer must find, each with a twin in which it is mended and where nothing
// must be found:
//
//     planted_races NAME          with the race
//     planted_races NAME mended
#include <cuda_runtime.h>

#include <cstdio>
#include <string_view>
#include <vector>

#include <sdepth/kernels/cuda/instructions.hpp>

namespace {

using namespace sdepth::cuda;

struct Numbers {
  float* out;
  const float* in;
  unsigned* counter;
};

/// Reads what another warp has written.
template <bool mended>
__global__ void barrier_before_reading(const Numbers o) {
  float* numbers = shared_memory();
  numbers[threadIdx.x] = o.in[threadIdx.x];
  if (mended) __syncthreads();
  o.out[blockIdx.x * blockDim.x + threadIdx.x] = numbers[(threadIdx.x + 32) % blockDim.x];
}

/// Writes the next round's numbers while others still read. Shuffles in between order the threads of a warp,
/// not the warps.
template <bool mended>
__global__ void barrier_before_writing(const Numbers o) {
  float* numbers = shared_memory();
  float sum = 0;
  for (int round = 0; round < 3; ++round) {
    numbers[threadIdx.x] = o.in[threadIdx.x];
    __syncthreads();
    sum += __shfl_xor_sync(whole_warp, numbers[(threadIdx.x + 32) % blockDim.x], 1);
    if (mended) __syncthreads();
  }
  o.out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

/// A warp's threads run in step only when they are told to.
template <bool mended>
__global__ void barrier_of_warp(const Numbers o) {
  float* numbers = shared_memory();
  numbers[threadIdx.x] = o.in[threadIdx.x];
  if (mended) __syncwarp();
  o.out[blockIdx.x * blockDim.x + threadIdx.x] = numbers[threadIdx.x ^ 1U];
}

/// copies_done is for the thread's own copies.
template <bool mended>
__global__ void barrier_after_copies(const Numbers o) {
  float* numbers = shared_memory();
  copy_1(numbers + threadIdx.x, o.in + threadIdx.x);
  end_group();
  copies_done();
  if (mended) __syncthreads();
  o.out[blockIdx.x * blockDim.x + threadIdx.x] = numbers[(threadIdx.x + 1) % blockDim.x];
}

/// The last block reads what the others have written.
template <bool mended>
__global__ void fence_before_counting(const Numbers o) {
  float* last = shared_memory();
  if (threadIdx.x == 0) {
    o.out[1 + blockIdx.x] = o.in[blockIdx.x];
    if (mended) __threadfence();
    last[0] = atomicAdd(o.counter, 1U) == gridDim.x - 1 ? 1.0F : 0.0F;
  }
  __syncthreads();
  if (last[0] == 0.0F || threadIdx.x != 0) return;
  for (unsigned i = 0; i < gridDim.x; ++i) o.out[0] += o.out[1 + i];
}

/// Two blocks write one number.
template <bool mended>
__global__ void blocks_apart(const Numbers o) {
  o.out[blockIdx.x * (blockDim.x - (mended ? 0 : 1)) + threadIdx.x] = o.in[threadIdx.x];
}

/// In a cooperative launch, reads what another block has written.
template <bool mended>
__global__ void barrier_of_grid(const Numbers o) {
  o.out[blockIdx.x * blockDim.x + threadIdx.x] = o.in[threadIdx.x];
  __syncthreads();
  if (threadIdx.x == 0) {
    static_cast<void>(count_arrival(o.counter));
    if (mended) wait_for_count(o.counter, gridDim.x);
  }
  __syncthreads();
  float* numbers = shared_memory();
  numbers[threadIdx.x] = o.out[(blockIdx.x + 1) % gridDim.x * blockDim.x + threadIdx.x];
}

struct Planted {
  std::string_view name;
  void (*race)(Numbers);
  void (*mended)(Numbers);
  bool together = false;
};
constexpr Planted all[] = {
    {"barrier_before_reading", barrier_before_reading<false>, barrier_before_reading<true>},
    {"barrier_before_writing", barrier_before_writing<false>, barrier_before_writing<true>},
    {"barrier_of_warp", barrier_of_warp<false>, barrier_of_warp<true>},
    {"barrier_after_copies", barrier_after_copies<false>, barrier_after_copies<true>},
    {"fence_before_counting", fence_before_counting<false>, fence_before_counting<true>},
    {"blocks_apart", blocks_apart<false>, blocks_apart<true>},
    {"barrier_of_grid", barrier_of_grid<false>, barrier_of_grid<true>, true}};

}  // namespace

int main(int count, char** arguments) {
  const std::string_view name = count > 1 ? arguments[1] : "";
  for (const Planted& planted : all) {
    if (planted.name != name) continue;
    constexpr unsigned blocks = 4, threads = 64;
    std::vector<float> out(blocks * threads), in(threads, 1.0F);
    std::vector<unsigned> counter(1);
    Numbers operands{out.data(), in.data(), counter.data()};
    void* parameters[] = {&operands};
    const auto kernel = count > 2 ? planted.mended : planted.race;
    constexpr std::size_t shared = threads * sizeof(float);
    const cudaError_t error = planted.together
                                  ? cudaLaunchCooperativeKernel(kernel, blocks, threads, parameters, shared)
                                  : cudaLaunchKernel(kernel, blocks, threads, parameters, shared);
    std::puts(cudaGetErrorString(error));
    return error != cudaSuccess;
  }
  std::fputs("planted_races: the first argument must be the name of one of the kernels with a race.\n",
             stderr);
  return 2;
}
