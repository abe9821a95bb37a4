// The fixed partition, and the loop that spreads it over threads.
#include <doctest/doctest.h>

#include <atomic>
#include <vector>

#include <sdepth/core/parallel.hpp>

namespace {

using namespace sdepth;

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

#if defined(_OPENMP)

TEST_CASE("two indices of one thread never run at the same time, and no thread is beyond the number asked for") {
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
    for (const double end = omp_get_wtime() + 1e-4; omp_get_wtime() < end;) {
    }  // long enough for every thread to take part
    --mine;
  });
  CHECK(overlaps == 0);
  CHECK(strange_threads == 0);
}

TEST_CASE("several threads work at the same time") {
  std::atomic<int> arrived = 0, met = 0;
  // Each of two indices waits for the other, which only a second thread can run; a bound keeps a failure from hanging.
  parallel_for(2, 2, [&](int, int) {
    ++arrived;
    const double give_up = omp_get_wtime() + 20;
    while (arrived < 2 && omp_get_wtime() < give_up) {
    }
    if (omp_get_wtime() < give_up) ++met;
  });
  CHECK(met == 2);
}

#endif

TEST_CASE("the machine offers at least one thread") { CHECK(hardware_threads() >= 1); }

}  // namespace
