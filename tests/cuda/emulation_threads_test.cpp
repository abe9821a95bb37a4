// The emulation's threads: who is who, barriers, shuffles, votes, atomics; and what is said of kernels whose
// threads do not meet.
#include "emulated.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sdepth/kernels/cuda/instructions.hpp>

namespace sdepth::test::emulation_threads_test {

// No namespace without a name: a kernel's name is then not known at run time.
namespace sdepth::test::threads {

using cuda::shared_memory;
using cuda::whole_warp;

struct Numbers {
  float* out = nullptr;
  const float* in = nullptr;
  unsigned* counter = nullptr;
  int* found = nullptr;
};

template <int dummy>
__global__ void who(const Numbers o) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  o.out[block * blockDim.x * blockDim.y * blockDim.z + thread] += static_cast<float>(block * 1000 + thread);
}

TEST_CASE("each thread of each block runs once and knows its number") {
  for (const auto order :
       {emulation::Order::shuffled, emulation::Order::reversed, emulation::Order::ascending}) {
    const Keep keep;
    emulation::settings().order = order;
    std::vector<float> out(2 * 3 * 2 * 5 * 4 * 3, 0.0F);
    REQUIRE(launch(who<0>, dim3(2, 3, 2), dim3(5, 4, 3), Numbers{.out = out.data()}) == cudaSuccess);
    for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == static_cast<float>(i / 60 * 1000 + i % 60));
  }
}

template <int rounds>
__global__ void rotate(const Numbers o) {
  float* numbers = shared_memory();
  numbers[threadIdx.x] = o.in[threadIdx.x];
  for (int i = 0; i < rounds; ++i) {
    __syncthreads();
    const float next = numbers[(threadIdx.x + 1) % blockDim.x];
    __syncthreads();
    numbers[threadIdx.x] = next;
  }
  o.out[threadIdx.x] = numbers[threadIdx.x];
}

TEST_CASE("a barrier holds back every thread of a block") {
  for (const unsigned threads : {1U, 32U, 33U, 256U}) {
    std::vector<float> in(threads), out(threads);
    for (unsigned i = 0; i < threads; ++i) in[i] = static_cast<float>(i);
    REQUIRE(launch(rotate<20>, 1, threads, Numbers{.out = out.data(), .in = in.data()},
                   threads * sizeof(float)) == cudaSuccess);
    for (unsigned i = 0; i < threads; ++i) CHECK(out[i] == in[(i + 20) % threads]);
  }
}

template <int dummy>
__global__ void count(const Numbers o) {
  const auto thread = static_cast<int>(threadIdx.x);
  for (int i = 0; i < 5; ++i) {
    const int n = __syncthreads_count(thread < i * 10);
    if (thread == i) o.found[i] = n;
  }
  const int any = __syncthreads_or(thread == 39);
  const int none = __syncthreads_or(0);
  const int all = __syncthreads_and(1);
  const int not_all = __syncthreads_and(thread != 7);
  if (thread == 0) o.found[5] = any * 1000 + none * 100 + all * 10 + not_all;
}

TEST_CASE("barriers count votes") {
  std::vector<int> found(6);
  REQUIRE(launch(count<0>, 1, 40, Numbers{.found = found.data()}) == cudaSuccess);
  CHECK(found == std::vector<int>{0, 10, 20, 30, 40, 1010});
}

template <int width>
__global__ void shuffles(const Numbers o) {
  const auto thread = static_cast<int>(threadIdx.x);
  const float own = o.in[thread];
  float* out = o.out + thread * 6;
  out[0] = __shfl_sync(whole_warp, own, 3, width);
  out[1] = __shfl_xor_sync(whole_warp, own, 2, width);
  out[2] = __shfl_down_sync(whole_warp, own, 3, width);
  out[3] = __shfl_up_sync(whole_warp, own, 3, width);
  out[4] = static_cast<float>(__ballot_sync(whole_warp, thread % 3 == 0) % 65536);
  out[5] =
      static_cast<float>(__any_sync(whole_warp, thread == 40) * 10 + __all_sync(whole_warp, thread < 40));
}

template <int width>
void check_shuffles() {
  std::vector<float> in(64), out(64 * 6);
  for (unsigned i = 0; i < 64; ++i) in[i] = static_cast<float>(i);
  REQUIRE(launch(shuffles<width>, 1, 64, Numbers{.out = out.data(), .in = in.data()}) == cudaSuccess);
  for (int i = 0; i < 64; ++i) {
    CAPTURE(i);
    const float* found = out.data() + i * 6;
    const int part = i / width * width;
    CHECK(found[0] == static_cast<float>(part + 3 % width));
    CHECK(found[1] == static_cast<float>((i % width ^ 2) < width ? i ^ 2 : i));
    CHECK(found[2] == static_cast<float>(i % width + 3 < width ? i + 3 : i));
    CHECK(found[3] == static_cast<float>(i % width >= 3 ? i - 3 : i));
    unsigned ballot = 0;
    for (int lane = 0; lane < 32; ++lane) ballot |= (i / 32 * 32 + lane) % 3 == 0 ? 1U << lane : 0U;
    CHECK(found[4] == static_cast<float>(ballot % 65536));
    CHECK(found[5] == (i < 32 ? 1.0F : 10.0F));
  }
}

TEST_CASE("shuffles and votes are of a warp, or of a part of it") {
  check_shuffles<32>();
  check_shuffles<8>();
  check_shuffles<2>();
}

template <int dummy>
__global__ void atomics(const Numbers o) {
  atomicAdd(o.counter, 2U);
  atomicMax(o.found, static_cast<int>(threadIdx.x + blockIdx.x * blockDim.x));
  atomicMin(o.found + 1, static_cast<int>(threadIdx.x) - 5);
  if (threadIdx.x == 0) atomicInc(o.counter + 1, 2);
}

TEST_CASE("atomic operations are atomic") {
  std::vector<unsigned> counter(2);
  std::vector<int> found(2);
  REQUIRE(launch(atomics<0>, 5, 64, Numbers{.counter = counter.data(), .found = found.data()}) ==
          cudaSuccess);
  CHECK(counter == std::vector<unsigned>{2 * 5 * 64, 5 % 3});
  CHECK(found == std::vector<int>{5 * 64 - 1, -5});
}

/// Each block's sum to global memory; the last block adds them, in their order.
template <int dummy>
__global__ void merge(const Numbers o) {
  float* last = shared_memory();
  if (threadIdx.x == 0) {
    o.out[1 + blockIdx.x] = o.in[blockIdx.x];
    __threadfence();
    last[0] = atomicAdd(o.counter, 1U) == gridDim.x - 1 ? 1.0F : 0.0F;
  }
  __syncthreads();
  if (last[0] == 0.0F || threadIdx.x != 5) return;
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) sum = sum * 2 + o.out[1 + i];
  o.out[0] = sum;
  *o.counter = 0;
}

TEST_CASE("the last block finds what all have written") {
  const std::vector<float> in{1, 2, 3, 4, 5, 6, 7};
  std::vector<float> out(8);
  std::vector<unsigned> counter(1);
  for (int round = 0; round < 2; ++round) {
    REQUIRE(launch(merge<0>, 7, 32, Numbers{.out = out.data(), .in = in.data(), .counter = counter.data()},
                   sizeof(float)) == cudaSuccess);
    CHECK(out[0] == 1 * 64 + 2 * 32 + 3 * 16 + 4 * 8 + 5 * 4 + 6 * 2 + 7);
    CHECK(counter[0] == 0);
  }
}

template <int mistake>
__global__ void divergent(const Numbers) {
  if (mistake == 0) {  // two barriers
    if (threadIdx.x < 64)
      __syncthreads();
    else
      __syncthreads();
  } else if (mistake == 1) {  // some have left
    if (threadIdx.x >= 100) return;
    __syncthreads();
  } else if (mistake == 2) {  // a lane is missing
    if (threadIdx.x != 37) __shfl_xor_sync(whole_warp, 1, 1);
  } else if (mistake == 3) {  // a warp waits for itself, the others for all
    if (threadIdx.x / 32 == 1) {
      if (threadIdx.x % 32 < 16) __syncwarp();
    }
    __syncthreads();
  } else if (mistake == 4) {  // two different exchanges of one warp
    if (threadIdx.x % 2)
      __shfl_xor_sync(whole_warp, 1.0F, 2);
    else
      __shfl_down_sync(whole_warp, 1.0F, 2);
  } else {
    __shfl_xor_sync(0xFFFFU, 1, 1);
  }
}

TEST_CASE("threads that do not meet end the launch with a sentence that says where each waits") {
  const auto sentence = [](void (*kernel)(Numbers)) {
    return fault(kernel, dim3(1, 1, 1), dim3(128), Numbers{});
  };
  const std::string two = sentence(divergent<0>);
  CHECK_MESSAGE(contains(two, "block (0, 0, 0): threads 0-63 wait at __syncthreads in "), two);
  CHECK_MESSAGE(contains(two, "emulation_threads_test.cpp:"), two);
  CHECK_MESSAGE(contains(two, ", threads 64-127 wait at __syncthreads in "), two);
  CHECK_MESSAGE(contains(two, "divergent<0>"), two);
  const std::string left = sentence(divergent<1>);
  CHECK_MESSAGE(contains(left, "threads 0-99 wait at __syncthreads in "), left);
  CHECK_MESSAGE(contains(left, "threads 100-127 have left"), left);
  const std::string lane = sentence(divergent<2>);
  CHECK_MESSAGE(contains(lane, "have left, threads 32-36, 38-63 wait at __shfl_xor_sync in "), lane);
  const std::string warp = sentence(divergent<3>);
  CHECK_MESSAGE(contains(warp, "threads 0-31, 48-127 wait at __syncthreads in "), warp);
  CHECK_MESSAGE(contains(warp, "threads 32-47 wait at __syncwarp in "), warp);
  const std::string exchanges = sentence(divergent<4>);
  CHECK_MESSAGE(contains(exchanges, "wait at __shfl_xor_sync in "), exchanges);
  CHECK_MESSAGE(contains(exchanges, "wait at __shfl_down_sync in "), exchanges);
  CHECK_MESSAGE(contains(sentence(divergent<5>), "__shfl_xor_sync of a part of a warp is not emulated"), "");

  // And the next launch is as good as ever.
  std::vector<float> in(128, 3.0F), out(128);
  REQUIRE(launch(rotate<3>, 1, 128, Numbers{.out = out.data(), .in = in.data()}, 512) == cudaSuccess);
  CHECK(out == in);
}

/// Every block waits until all have come.
template <int dummy>
__global__ void gather(const Numbers o) {
  if (threadIdx.x == 0) {
    static_cast<void>(cuda::count_arrival(o.counter));
    cuda::wait_for_count(o.counter, gridDim.x);
  }
  __syncthreads();
  o.out[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<float>(blockIdx.x);
}

TEST_CASE(
    "blocks of a cooperative launch wait for each other; those of others would for ever, and it is said") {
  std::vector<unsigned> counter(1);
  std::vector<float> out(16 * 33);
  Numbers operands{.out = out.data(), .counter = counter.data()};
  void* arguments[] = {&operands};
  REQUIRE(cudaLaunchCooperativeKernel(gather<0>, 16, 33, arguments) == cudaSuccess);
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == static_cast<float>(i / 33));
  CHECK(cudaLaunchCooperativeKernel(gather<0>, 17, 33, arguments) == cudaErrorCooperativeLaunchTooLarge);
  counter[0] = 0;
  CHECK(contains(fault(gather<0>, 2, 33, operands), "waits for a count of 2 that nobody reaches"));
}

/// Which thread comes when.
template <int dummy>
__global__ void arrive(const Numbers o) {
  o.found[threadIdx.x] = static_cast<int>(atomicAdd(o.counter, 1U));
}

TEST_CASE("threads come in an order that is drawn") {
  std::vector<unsigned> counter(1);
  std::vector<int> found(64), sorted(64);
  REQUIRE(launch(arrive<0>, 1, 64, Numbers{.counter = counter.data(), .found = found.data()}) == cudaSuccess);
  for (int i = 0; i < 64; ++i) sorted[static_cast<std::size_t>(i)] = i;
  CHECK(found != sorted);
  CHECK(std::is_permutation(found.begin(), found.end(), sorted.begin()));
}

template <int at>
__global__ void write_outside(const Numbers) {
  if (threadIdx.x == 3) shared_memory()[at] = 1.0F;
}
template <int at>
__global__ void read_outside(const Numbers o) {
  *o.out = shared_memory()[at];
}

TEST_CASE("writing outside of shared memory is found, and what was never written is no number") {
  std::vector<float> out(1);
  REQUIRE(launch(read_outside<24>, 1, 1, Numbers{.out = out.data()}, 100) == cudaSuccess);
  CHECK(out[0] != out[0]);
  if (emulation::thread_sanitizer || emulation::address_sanitizer) return;  // they end the program themselves
  CHECK(contains(fault(write_outside<25>, 1, 32, Numbers{}, 100),
                 "wrote to byte 100 of its shared memory of 100 bytes"));
  CHECK(contains(fault(write_outside<-1>, 1, 32, Numbers{}, 100), "before its beginning"));
  CHECK(launch(write_outside<24>, 1, 32, Numbers{}, 100) == cudaSuccess);
  REQUIRE(launch(read_outside<25>, 1, 1, Numbers{.out = out.data()}, 100) == cudaSuccess);
  CHECK(out[0] != out[0]);
}

}  // namespace sdepth::test::threads

}  // namespace sdepth::test::emulation_threads_test
