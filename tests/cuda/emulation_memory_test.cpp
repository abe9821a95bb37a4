// The emulation's devices and their memory: which addresses a kernel may be given, and what belongs to which
// device. And the slab that tests get theirs from.
#include "emulated.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "device/slab.hpp"

namespace sdepth::test::emulation_memory_test {
namespace {

struct Numbers {
  const float* from = nullptr;
  float* out = nullptr;
};
template <int dummy>
__global__ void copy_first(const Numbers o) {
  if (threadIdx.x == 0) *o.out = *o.from;
}
[[nodiscard]] std::string refused(const Numbers& operands) {
  const cudaError_t status = launch(copy_first<0>, 1, 1, operands);
  static_cast<void>(cudaGetLastError());
  return status == cudaErrorIllegalAddress ? cudaGetErrorString(status) : "";
}

TEST_CASE("a kernel is refused addresses of memory that no device reaches") {
  if (!emulation::clears_padding) return;
  float *device = nullptr, *pinned = nullptr, *managed = nullptr;
  REQUIRE(cudaMalloc(&device, 4) == cudaSuccess);
  REQUIRE(cudaMemset(device, 0, 4) == cudaSuccess);
  REQUIRE(cudaMallocHost(&pinned, 4) == cudaSuccess);
  REQUIRE(cudaMallocManaged(&managed, 4) == cudaSuccess);
  *pinned = *managed = 0;
  CHECK(refused({device, device}).empty());
  CHECK(refused({pinned, device}).empty());
  CHECK(refused({device, managed}).empty());
  float on_stack = 1;
  CHECK(contains(refused({&on_stack, device}),
                 "is given an address of the host's memory (byte 0 of its operands)"));
  CHECK(contains(refused({device, &on_stack}), "(byte 8 of its operands)"));
  static float of_program = 1;
  CHECK(contains(refused({device, &of_program}), "the host's memory"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const std::unique_ptr<void, decltype(&std::free)> from_malloc(std::malloc(sizeof(float)), &std::free);
  CHECK(contains(refused({device, static_cast<float*>(from_malloc.get())}), "the host's memory"));
#endif
  std::vector<float> managed_vector(1);
  CHECK(refused({device, managed_vector.data()}).empty());
  cudaFree(device);
  cudaFree(managed);
  cudaFreeHost(pinned);
}

TEST_CASE("memory, streams, events and limits belong to a device, and every thread begins with the first") {
  const Keep keep;
  emulation::settings().devices = 2;
  const auto current = [] {
    int device = -1;
    CHECK(cudaGetDevice(&device) == cudaSuccess);
    return device;
  };
  CHECK(cudaSetDevice(2) == cudaErrorInvalidDevice);
  REQUIRE(cudaSetDevice(1) == cudaSuccess);
  int of_thread = -1;
  std::thread([&] { of_thread = current(); }).join();
  CHECK(of_thread == 0);
  CHECK(current() == 1);
  float* second = nullptr;
  cudaEvent_t event = nullptr;
  cudaStream_t stream = nullptr;
  REQUIRE(cudaMalloc(&second, 4) == cudaSuccess);
  REQUIRE(cudaMemset(second, 0, 4) == cudaSuccess);
  REQUIRE(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
  REQUIRE(cudaStreamCreate(&stream) == cudaSuccess);
  CHECK(refused({second, second}).empty());
  CHECK(cudaFuncSetAttribute(copy_first<0>, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 << 10) ==
        cudaSuccess);
  CHECK(launch(copy_first<0>, 1, 1, Numbers{second, second}, 64 << 10) == cudaSuccess);
  CHECK(cudaEventRecord(event) == cudaSuccess);
  REQUIRE(cudaSetDevice(0) == cudaSuccess);
  if (emulation::clears_padding)
    CHECK(contains(refused({second, second}),
                   "of device 1 (byte 0 of its operands), but launched on device 0"));
  CHECK(launch(copy_first<0>, 1, 1, Numbers{}, 64 << 10) == cudaErrorInvalidValue);
  CHECK(launch(copy_first<0>, 1, 1, Numbers{}, 0, stream) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventRecord(event) == cudaErrorInvalidResourceHandle);
  CHECK(cudaEventDestroy(event) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
  CHECK(cudaFree(second) == cudaSuccess);
  cudaGetLastError();
}

TEST_CASE("after a fault every call returns it, where a test wants that") {
  const Keep keep;
  emulation::settings().sticky = true;
  float on_stack = 1;
  const bool seen = launch(copy_first<0>, 1, 1, Numbers{&on_stack, &on_stack}) == cudaErrorIllegalAddress;
  void* memory = nullptr;
  if (seen) {
    CHECK(cudaMalloc(&memory, 4) == cudaErrorIllegalAddress);
    CHECK(cudaGetLastError() == cudaErrorIllegalAddress);
    CHECK(cudaGetLastError() == cudaErrorIllegalAddress);
  }
  emulation::settings().sticky = false;
  emulation::broken() = cudaSuccess;
  cudaFree(memory);
  cudaGetLastError();
}

TEST_CASE("a slab hands out pieces that do not touch, takes them back, and knows its own") {
  constexpr std::size_t bytes = std::size_t{4} << 20;
  struct alignas(64) Line {
    unsigned char all[64];
  };
  std::vector<Line> memory(bytes / sizeof(Line));
  Slab slab(memory.data(), bytes);
  CHECK_FALSE(slab.owns(&memory));
  CHECK_FALSE(slab.owns(memory.data() + memory.size()));
  CHECK_FALSE(slab.owns(nullptr));
  std::mt19937 random(1);
  std::vector<std::pair<unsigned char*, std::size_t>> taken;
  const auto give = [&](std::size_t i) {
    const auto [p, size] = taken[i];
    const auto mark = static_cast<unsigned char>(size % 251);
    CHECK(std::all_of(p, p + size, [&](unsigned char byte) { return byte == mark; }));
    slab.give(p);
    taken[i] = taken.back();
    taken.pop_back();
  };
  for (int turn = 0; turn < 3000; ++turn) {
    const std::size_t size = turn % 50 == 0 ? random() % 300000 : random() % 2000;
    auto* const p = static_cast<unsigned char*>(slab.take(size));
    if (!p) {
      REQUIRE_FALSE(taken.empty());
      give(random() % taken.size());
      continue;
    }
    CHECK(slab.owns(p));
    CHECK(reinterpret_cast<std::uintptr_t>(p) % 64 == 0);
    std::memset(p, static_cast<int>(size % 251), size);
    taken.emplace_back(p, size);
    if (taken.size() > 200) give(random() % taken.size());
  }
  while (!taken.empty()) give(taken.size() - 1);
  void* const all = slab.take(bytes);
  CHECK(all == memory.data());
  CHECK(slab.take(1) == nullptr);
  slab.give(all);
  Slab none(nullptr, 0);
  CHECK(none.take(1) == nullptr);
  CHECK_FALSE(none.owns(nullptr));
}

}  // namespace
}  // namespace sdepth::test::emulation_memory_test
