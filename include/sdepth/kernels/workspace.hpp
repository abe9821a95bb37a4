// Scratch memory of the host backends: one block per thread and one shared by all, grown before a parallel
// loop and kept. And with whom the batch is shared, and how kernels round.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/memory.hpp>
#include <sdepth/kernels/batch_sharing.hpp>
#include <sdepth/kernels/rounding.hpp>

namespace sdepth::inline SDEPTH_ISA {

template <class T>
class Workspace : public BatchSharing {
 public:
  /// @param threads  How many threads kernels may use, 1 to most_threads.
  explicit Workspace(int threads = available_threads())
      : per_thread_(static_cast<std::size_t>(check_threads("workspace", threads))) {}

  [[nodiscard]] int threads() const noexcept { return static_cast<int>(per_thread_.size()); }

  /// Makes room for at least so many numbers; earlier content is lost where memory grows. Not inside a
  /// parallel loop.
  void reserve(std::size_t per_thread, std::size_t shared) {
    for (Buffer<T>& buffer : per_thread_)
      if (buffer.size() < per_thread) buffer = Buffer<T>(per_thread);
    if (shared_.size() < shared) shared_ = Buffer<T>(shared);
  }
  [[nodiscard]] T* of_thread(int thread) noexcept {
    return per_thread_[static_cast<std::size_t>(thread)].data();
  }
  [[nodiscard]] T* shared() noexcept { return shared_.data(); }
  /// How kernels round what they store in bfloat16.
  [[nodiscard]] RoundingOfStep& rounding() noexcept { return rounding_; }

  /// Where each process has norms of its own: makes a gradient the sum over all of them, once finish_sums()
  /// has been called.
  void add_up_norm_gradient([[maybe_unused]] T* gradient, [[maybe_unused]] std::size_t size) {
    if constexpr (std::is_same_v<T, float>)
      if (others() && local_norms())
        others()->begin_sum(gradient, parts(0, 0).mine.size() > 0 ? 1 : 0, size, gradient);
  }
  void finish_sums() {
    if (others()) others()->finish_sums();
  }

 private:
  std::vector<Buffer<T>> per_thread_;
  Buffer<T> shared_;
  RoundingOfStep rounding_;
};

}  // namespace sdepth::inline SDEPTH_ISA
