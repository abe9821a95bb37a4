// The fixed partition, and the loop that spreads it over threads.
#include <doctest/doctest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cfenv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <iterator>
#include <thread>
#include <vector>

#include <sdepth/core/parallel.hpp>

#include "../signal_for_caller.hpp"

namespace sdepth::test::parallel_test {

namespace {

TEST_CASE("parts cover the range once, in order, and differ by at most one") {
  for (const int count : {0, 1, 2, 7, 8, 9, 127, 128, 129, 1000}) {
    for (const int parts : {1, 2, 3, 8, 16}) {
      int next = 0;
      for (int index = 0; index < parts; ++index) {
        const Range part = part_of(count, parts, index);
        CHECK(part.first == next);
        CHECK(part.size() >= count / parts);
        CHECK(part.size() <= count / parts + 1);
        next = part.last;
      }
      CHECK(next == count);
    }
  }
}

TEST_CASE("parts of a range near the largest int do not overflow") {
  const int count = 2147483647;
  static_assert(part_of(count, 16, 15).last == count);
  CHECK(part_of(count, 16, 15).last == count);
  CHECK(part_of(count, 16, 8).first == 1073741823);
}

TEST_CASE("parallel_for calls the body once for each index, on threads below the number asked for") {
  for (const int threads : {1, 2, 3, 8}) {
    for (const int count : {0, 1, 2, 100}) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(count));
      std::atomic<int> strange_threads = 0;
      parallel_for(count, threads, [&](int index, int thread) {
        ++calls[static_cast<std::size_t>(index)];
        if (thread < 0 || thread >= threads) ++strange_threads;
      });
      CHECK(strange_threads == 0);
      for (const std::atomic<int>& n : calls) CHECK(n == 1);
    }
  }
}

/// Whether `condition` becomes true within 20 s, which keeps a failure from hanging.
template <class Condition>
bool comes_true(const Condition& condition) {
  for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
       std::chrono::steady_clock::now() < end;)
    if (condition()) return true;
  return false;
}

void compute_for(std::chrono::microseconds time) {
  for (const auto end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end;) {
  }
}

/// How many threads this process has.
std::ptrdiff_t threads_of_process() {
  const std::filesystem::directory_iterator threads("/proc/self/task");
  return std::distance(begin(threads), end(threads));
}

TEST_CASE(
    "two indices of one thread never run at the same time, and no thread is beyond the number asked for") {
  constexpr int threads = 4;
  std::vector<std::atomic<int>> running(threads);
  std::atomic<int> overlaps = 0, strange_threads = 0;
  parallel_for(200, threads, [&](int, int thread) {
    if (thread < 0 || thread >= threads) {
      ++strange_threads;
      return;
    }
    std::atomic<int>& mine = running[static_cast<std::size_t>(thread)];
    if (++mine != 1) ++overlaps;
    compute_for(std::chrono::microseconds(100));  // long enough for every thread to take part
    --mine;
  });
  CHECK(overlaps == 0);
  CHECK(strange_threads == 0);
}

TEST_CASE("several threads work at the same time") {
  for (int loop = 0; loop < 3; ++loop) {  // the helper is started, is awake, and has fallen asleep
    std::atomic<int> arrived = 0, met = 0;
    // Each of two indices waits for the other, which only a second thread can run.
    parallel_for(2, 2, [&](int, int) {
      ++arrived;
      met += comes_true([&] { return arrived == 2; });
    });
    CHECK(met == 2);
    if (loop == 1) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

TEST_CASE("many short loops, one after the other, with changing numbers of threads: every index once") {
  std::int64_t sum = 0;
  for (int loop = 0; loop < 20'000; ++loop) {
    std::atomic<int> of_loop = 0;
    parallel_for(1 + loop % 9, 1 + loop % 4, [&](int index, int) { of_loop += index + 1; });
    sum += of_loop - (1 + loop % 9) * (2 + loop % 9) / 2;
  }
  CHECK(sum == 0);
}

TEST_CASE(
    "no more threads are started than there are indices, and they end with the thread that they helped") {
  const std::ptrdiff_t before = threads_of_process();
  std::ptrdiff_t most = 0;
  std::thread([&] {
    parallel_for(3, 64, [](int, int) {});
    most = threads_of_process();
  }).join();
  CHECK(most == before + 1 + 2);  // the caller, which is the third of its loop's threads, and two helpers
  CHECK(comes_true([&] { return threads_of_process() == before; }));
}

TEST_CASE("a loop inside a loop's body runs where it is met") {
  const auto caller = std::this_thread::get_id();
  std::atomic<int> elsewhere = 0, inner = 0;
  parallel_for(4, 2, [&](int, int) {
    const auto outer = std::this_thread::get_id();
    parallel_for(10, 4, [&](int, int thread) {
      ++inner;
      if (std::this_thread::get_id() != outer || thread != 0) ++elsewhere;
    });
  });
  CHECK(inner == 40);
  CHECK(elsewhere == 0);
  CHECK(std::this_thread::get_id() == caller);
}

TEST_CASE("threads of a program may run loops at the same time") {
  std::atomic<int> sum = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int loop = 0; loop < 500; ++loop) parallel_for(8, 3, [&](int, int) { ++sum; });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(sum == 4 * 500 * 8);
}

TEST_CASE("helpers round, and flush to zero, as their caller does at that moment") {
  const auto environments = [](int rounding) {
    std::fesetround(rounding);
    std::atomic<int> others = 0;
    parallel_for(8, 4, [&](int, int) {
      if (std::fegetround() != rounding) ++others;
      compute_for(std::chrono::microseconds(200));
    });
    return others.load();
  };
  CHECK(environments(FE_TONEAREST) == 0);
  CHECK(environments(FE_UPWARD) == 0);
  CHECK(environments(FE_TONEAREST) == 0);
#if defined(__SSE2__)
  constexpr unsigned flush_to_zero = 0x8040;  // results and operands
  const unsigned before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(before | flush_to_zero);
  std::atomic<int> not_flushed = 0;
  parallel_for(8, 4, [&](int, int) {
    if ((__builtin_ia32_stmxcsr() & flush_to_zero) != flush_to_zero) ++not_flushed;
    compute_for(std::chrono::microseconds(200));
  });
  __builtin_ia32_ldmxcsr(before);
  CHECK(not_flushed == 0);
#endif
}

#if !defined(__SANITIZE_THREAD__)  // which does not know threads in a child of a process with threads
TEST_CASE("after fork a child's loops end, and use threads of its own") {
  parallel_for(8, 3, [](int, int) {});  // helpers that the child will not have
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    alarm(20);  // a child that hangs ends by a signal
    std::atomic<int> calls = 0;
    for (int loop = 0; loop < 100; ++loop) parallel_for(8, 3, [&](int, int) { ++calls; });
    _exit(calls == 800 ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  std::atomic<int> calls = 0;
  parallel_for(8, 3, [&](int, int) { ++calls; });
  CHECK(calls == 8);
}

TEST_CASE("helpers take no signals: they are the program's") {
  CHECK(signal_reaches_the_caller([] {
    std::atomic<int> begun = 0;
    parallel_for(3, 3, [&](int, int) {
      for (++begun; begun < 3;) std::this_thread::yield();  // both helpers run
    });
    return 0;
  }));
}
#endif

/// Runs a loop when the thread that made it ends.
struct LoopAtTheEnd {
  std::atomic<int>*calls, *helped;
  ~LoopAtTheEnd() {
    parallel_for(16, 4, [&](int, int thread) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      ++*calls;
      if (thread > 0) ++*helped;
    });
  }
};

TEST_CASE(
    "a loop of what is destroyed after its thread's helpers, as static objects are, runs on the thread") {
  std::atomic<int> calls = 0, helped = 0;
  std::thread([&] {
    static thread_local LoopAtTheEnd late{&calls,
                                          &helped};  // made before the helpers, so destroyed after them
    static_cast<void>(late);
    parallel_for(2, 2, [](int, int) {});
  }).join();
  CHECK(calls == 16);
  CHECK(helped == 0);
}

TEST_CASE("helpers that have nothing to do sleep") {
  parallel_for(8, 4, [](int, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const std::clock_t before = std::clock();  // processor time of all threads
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  // three that watch would take 600 ms, or all that there is
  CHECK(std::clock() - before < CLOCKS_PER_SEC / 20);
}

}  // namespace

}  // namespace sdepth::test::parallel_test
