// Scratch memory of the host backends: one block per thread and one shared by all, grown before a parallel
// loop and kept. And with whom the batch is shared.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/batch_share.hpp>
#include <sdepth/core/communicator.hpp>
#include <sdepth/core/memory.hpp>

namespace sdepth::inline SDEPTH_ISA {

template <class T>
class Workspace {
 public:
  /// @param threads  How many threads kernels may use, at least 1.
  explicit Workspace(int threads = available_threads())
      : per_thread_(static_cast<std::size_t>(check_at_least_one("workspace", "threads", threads))) {}

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

  /// From now on kernels are given this process's share of a batch of so many images; null: whole batches.
  void share_batch(Communicator* others, const BatchShare& share = {}, int images = 0,
                   bool local_norms = false) noexcept {
    others_ = others;
    share_ = share;
    images_ = images;
    local_norms_ = local_norms;
  }
  [[nodiscard]] Communicator* others() const noexcept { return others_; }
  /// How many images the whole batch has of which so many are here.
  [[nodiscard]] int whole_batch(int here) const noexcept { return others_ ? images_ : here; }
  /// The same as far as batch normalisation counts.
  [[nodiscard]] int normalised_together(int here) const noexcept {
    return others_ && !local_norms_ ? images_ : here;
  }
  [[nodiscard]] BatchParts parts(int here, int most) const noexcept {
    return others_ ? BatchParts::shared(share_, images_, local_norms_) : BatchParts::whole(here, most);
  }
  /// Rows of parts, [count][size]: those that are not here are fetched from the processes that have them.
  template <class Number>
  void fetch_rows(const BatchParts& parts, Number* rows, std::size_t size) {
    if (others_) gather([&](int rank) { return share_.parts_of_rank(parts.images, rank); }, rows, size);
  }
  /// The same for what norms need, unless each process has norms of its own.
  template <class Number>
  void fetch_statistics(const BatchParts& parts, Number* rows, std::size_t size) {
    if (!local_norms_) fetch_rows(parts, rows, size);
  }
  /// Where each process has norms of its own: makes a gradient the sum over all of them, once finish_sums()
  /// has been called.
  void add_up_norm_gradient([[maybe_unused]] T* gradient, [[maybe_unused]] std::size_t size) {
    if constexpr (std::is_same_v<T, float>)
      if (others_ && local_norms_)
        others_->begin_sum(gradient, share_.parts_of_rank(images_, share_.rank).size() > 0 ? 1 : 0, size,
                           gradient);
  }
  void finish_sums() {
    if (others_) others_->finish_sums();
  }
  /// Rows of images, [whole batch][size].
  template <class Number>
  void fetch_images(Number* rows, std::size_t size) {
    if (others_) gather([&](int rank) { return share_.images_of_rank(images_, rank); }, rows, size);
  }

 private:
  template <class RowsOf, class Number>
  void gather(const RowsOf& rows_of, Number* rows, std::size_t size) {
    sizes_.clear();
    for (int rank = 0; rank < share_.ranks; ++rank)
      sizes_.push_back(static_cast<std::size_t>(rows_of(rank).size()) * size * sizeof(Number));
    others_->gather(rows, sizes_);
  }

  Communicator* others_ = nullptr;
  BatchShare share_;
  int images_ = 0;
  bool local_norms_ = false;
  std::vector<std::size_t> sizes_;  // of the pieces of a gather
  std::vector<Buffer<T>> per_thread_;
  Buffer<T> shared_;
};

}  // namespace sdepth::inline SDEPTH_ISA
