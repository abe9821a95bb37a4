// Threads over a fixed partition: results depend on the number of parts, never on the number of threads.
#pragma once

#if defined(_OPENMP)
#include <omp.h>
#endif

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Images [first, last) of a batch.
struct Range {
  int first = 0;
  int last = 0;
  [[nodiscard]] constexpr int size() const noexcept { return last - first; }
};

/// Part `index` of `parts` nearly equal parts of [0, count); the same for any number of threads.
[[nodiscard]] constexpr Range part_of(int count, int parts, int index) noexcept {
  const auto cut = [&](int i) { return static_cast<int>(static_cast<long long>(count) * i / parts); };
  return {cut(index), cut(index + 1)};
}

/// Threads the machine offers; 1 without OpenMP.
[[nodiscard]] inline int hardware_threads() noexcept {
#if defined(_OPENMP)
  return omp_get_num_procs();
#else
  return 1;
#endif
}

/// Calls body(index, thread) for index in [0, count), each exactly once, on up to `threads` threads; thread < threads.
/// The body must not throw. Indices are handed out as threads become free, so nothing may depend on which thread runs which.
template <class Body>
void parallel_for(int count, [[maybe_unused]] int threads, Body&& body) {
#if defined(_OPENMP)
  if (threads > 1 && count > 1) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int index = 0; index < count; ++index) body(index, omp_get_thread_num());
    return;
  }
#endif
  for (int index = 0; index < count; ++index) body(index, 0);
}

}  // namespace sdepth::inline SDEPTH_ISA
