// The main program of the tests on a real device. They hand kernels pointers from vectors, as on the emulated
// one; so whatever is allocated here lies in one slab of the host's pinned memory, which a device reaches on
// every machine (managed memory moves by page faults, which a virtual machine may not have). Not compiled by
// nvcc, to which operator new would be a function of the device as well.
//
// A fault of a kernel is the end of the device for this process: every later call returns it. The test in
// which it happens fails, and so do all after it, with the reason. None may crash instead, so memory is given
// back without asking the runtime.
#define DOCTEST_CONFIG_IMPLEMENT
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>

#include <sdepth/core/error.hpp>
#include <sdepth/cuda/device.hpp>

#include "slab.hpp"

namespace {

sdepth::test::Slab* slab = nullptr;  // from the beginning of main to its end

/// Fails each test that begins after the device was lost.
struct LostDevice : doctest::IReporter {
  explicit LostDevice(const doctest::ContextOptions&) {}
  void report_query(const doctest::QueryData&) override {}
  void test_run_start() override {}
  void test_run_end(const doctest::TestRunStats&) override {}
  void test_case_start(const doctest::TestCaseData& test) override {
    static_cast<void>(cudaGetLastError());  // an error that passes was the business of the test before
    if (const cudaError_t lost = cudaDeviceSynchronize(); lost != cudaSuccess)
      FAIL_CHECK(doctest::String(test.m_name),
                 ": an earlier test has lost the device: ", doctest::String(cudaGetErrorString(lost)));
  }
  void test_case_reenter(const doctest::TestCaseData&) override {}
  void test_case_end(const doctest::CurrentTestCaseStats&) override {}
  void test_case_exception(const doctest::TestCaseException&) override {}
  void subcase_start(const doctest::SubcaseSignature&) override {}
  void subcase_end() override {}
  void log_assert(const doctest::AssertData&) override {}
  void log_message(const doctest::MessageData&) override {}
  void test_case_skipped(const doctest::TestCaseData&) override {}
};
REGISTER_LISTENER("lost_device", 1, LostDevice);

}  // namespace

void* operator new(std::size_t bytes) {
  void* p = slab ? slab->take(bytes) : nullptr;
  // Where the slab is full: most of what a test allocates no kernel reads.
  if (!p) p = std::malloc(std::max<std::size_t>(bytes, 1));
  if (!p) throw std::bad_alloc();
  return p;
}
void operator delete(void* p) noexcept {
  if (slab && slab->owns(p))
    slab->give(p);
  else
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { operator delete(p); }

/// 77 where there is no device: ctest then says "skipped".
int main(int count, char** words) {
  std::size_t bytes = 0;
  try {
    const sdepth::CudaDevice device = sdepth::cuda_device();
    std::printf("on %s, compute capability %d.%d\n", device.name.c_str(), device.major, device.minor);
    bytes = std::min(device.total / 8, std::size_t{1} << 30);
  } catch (const sdepth::Error& error) {
    std::printf("skipped: %s\n", error.what());
    return 77;
  }
  void* memory = nullptr;
  if (const cudaError_t status = cudaMallocHost(&memory, bytes); status != cudaSuccess) {
    std::printf("the host has no %zu MiB of pinned memory for the tests: %s\n", bytes >> 20,
                cudaGetErrorString(status));
    return 1;
  }
  sdepth::test::Slab all(memory, bytes);
  slab = &all;
  doctest::Context context(count, words);
  const int failed = context.run();
  std::fflush(nullptr);
  static_cast<void>(cudaDeviceReset());  // with it a sanitizer tells what it has found
  std::_Exit(failed);                    // the runtime would be gone before the last memory is given back
}
