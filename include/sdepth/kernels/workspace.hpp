// Scratch memory of the host backends: one block per thread and one shared by all, grown before a parallel loop and kept.
#pragma once

#include <cstddef>
#include <vector>

#include <sdepth/core/memory.hpp>
#include <sdepth/core/available_threads.hpp>

namespace sdepth::inline SDEPTH_ISA {

template <class T>
class Workspace {
 public:
  /// @param threads  How many threads kernels may use, at least 1.
  explicit Workspace(int threads = available_threads())
      : per_thread_(static_cast<std::size_t>(check_at_least_one("workspace", "threads", threads))) {}

  [[nodiscard]] int threads() const noexcept { return static_cast<int>(per_thread_.size()); }

  /// Makes room for at least so many numbers; earlier content is lost where memory grows. Not inside a parallel loop.
  void reserve(std::size_t per_thread, std::size_t shared) {
    for (Buffer<T>& buffer : per_thread_)
      if (buffer.size() < per_thread) buffer = Buffer<T>(per_thread);
    if (shared_.size() < shared) shared_ = Buffer<T>(shared);
  }
  [[nodiscard]] T* of_thread(int thread) noexcept { return per_thread_[static_cast<std::size_t>(thread)].data(); }
  [[nodiscard]] T* shared() noexcept { return shared_.data(); }

 private:
  std::vector<Buffer<T>> per_thread_;
  Buffer<T> shared_;
};

}  // namespace sdepth::inline SDEPTH_ISA
