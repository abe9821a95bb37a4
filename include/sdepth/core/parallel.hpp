// Threads over a fixed partition: results depend on the number of parts, never on the number of threads.
#pragma once

#include <algorithm>

#include <sdepth/core/thread_team.hpp>

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

/// Parts that a batch is cut into: no part is empty, and their number depends on the batch alone.
[[nodiscard]] constexpr int parts_of(int batch, int most) noexcept { return std::min(batch, most); }

/// Calls body(index, thread) for index in [0, count), each exactly once, on up to `threads` threads; thread <
/// threads. The body must not throw. Indices are handed out as threads become free, so nothing may depend on
/// which thread runs which. A loop inside another one's body runs on the thread that meets it.
template <class Body>
void parallel_for(int count, int threads, const Body& body) {
  const bool divided = threads > 1 && count > 1 && !ThreadTeam::inside_loop();
  ThreadTeam::run(count, divided ? std::min(count, threads) - 1 : 0, body);
}

}  // namespace sdepth::inline SDEPTH_ISA
