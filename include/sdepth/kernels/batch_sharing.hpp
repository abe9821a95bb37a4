// With whom a batch is shared: what a backend's kernels know of the other processes of a training, on the
// processor and on a device.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sdepth/core/batch_share.hpp>
#include <sdepth/core/communicator.hpp>

namespace sdepth::inline SDEPTH_ISA {

class BatchSharing {
 public:
  /// From now on kernels are given this process's share of a batch of so many images; null: whole batches.
  void share_batch(Communicator* others, const BatchShare& share = {}, int images = 0,
                   bool local_norms = false) noexcept {
    others_ = others;
    share_ = share;
    images_ = images;
    local_norms_ = local_norms;
    selected_ = false;
  }
  /// From now on a shared batch has those images alone whose gate is open, of each part what is left of it.
  /// So survivors stay where they are, and sums over them do not depend on how many processes there are.
  /// @param gates  [whole batch]
  void select(const std::uint8_t* gates) {
    if (!others_) return;
    const int count = parts_of(images_, share_.parts);
    cuts_.assign(1, 0);
    for (int part = 0; part < count; ++part) {
      const Range range = part_of(images_, count, part);
      cuts_.push_back(cuts_.back() +
                      static_cast<int>(std::count(gates + range.first, gates + range.last, std::uint8_t{1})));
    }
    selected_ = true;
  }
  void select_all() noexcept { selected_ = false; }
  [[nodiscard]] Communicator* others() const noexcept { return others_; }
  /// How many images the whole batch has of which so many are here.
  [[nodiscard]] int whole_batch(int here) const noexcept { return others_ ? all_images() : here; }
  /// The same as far as batch normalisation counts.
  [[nodiscard]] int normalised_together(int here) const noexcept {
    return others_ && !local_norms_ ? all_images() : here;
  }
  [[nodiscard]] bool local_norms() const noexcept { return local_norms_; }
  [[nodiscard]] BatchParts parts(int here, int most) const noexcept {
    if (!others_) return BatchParts::whole(here, most);
    BatchParts shared = BatchParts::shared(share_, images_, local_norms_);
    if (selected_) {
      shared.images = cuts_.back();
      shared.first = cuts_[static_cast<std::size_t>(shared.mine.first)];
      shared.cuts = cuts_.data();
    }
    return shared;
  }
  /// Rows of parts, [count][size]: those that are not here are fetched from the processes that have them.
  template <class Number>
  void fetch_rows(Number* rows, std::size_t size) {
    if (!others_) return;
    sizes_of_parts<Number>(size);
    others_->gather(rows, sizes_);
  }
  /// The same for what norms need, unless each process has norms of its own.
  template <class Number>
  void fetch_statistics(Number* rows, std::size_t size) {
    if (!local_norms_) fetch_rows(rows, size);
  }
  /// The same in two halves, between which the caller works.
  template <class Number>
  void begin_statistics(Number* rows, std::size_t size) {
    sizes_of_parts<Number>(size);
    others_->begin_gather(rows, sizes_);
  }
  void finish_statistics() { others_->finish_gather(); }
  /// Whether that pays.
  [[nodiscard]] bool far_from_others() const { return others_ && !local_norms_ && others_->is_far(); }
  /// Rows of images, [whole batch][size].
  template <class Number>
  void fetch_images(Number* rows, std::size_t size) {
    if (!others_) return;
    sizes_of<Number>([&](int rank) { return images_of(rank); }, size);
    others_->gather(rows, sizes_);
  }

 protected:
  BatchSharing() = default;
  ~BatchSharing() = default;

 private:
  [[nodiscard]] int all_images() const noexcept { return selected_ ? cuts_.back() : images_; }
  [[nodiscard]] int images_of(int rank) const noexcept {
    if (!selected_) return share_.images_of_rank(images_, rank).size();
    const Range parts = share_.parts_of_rank(images_, rank);
    return cuts_[static_cast<std::size_t>(parts.last)] - cuts_[static_cast<std::size_t>(parts.first)];
  }
  template <class Number, class RowsOf>
  void sizes_of(const RowsOf& rows_of, std::size_t size) {
    sizes_.clear();
    for (int rank = 0; rank < share_.ranks; ++rank)
      sizes_.push_back(static_cast<std::size_t>(rows_of(rank)) * size * sizeof(Number));
  }
  template <class Number>
  void sizes_of_parts(std::size_t size) {
    sizes_of<Number>([&](int rank) { return share_.parts_of_rank(images_, rank).size(); }, size);
  }

  Communicator* others_ = nullptr;
  BatchShare share_;
  int images_ = 0;
  bool local_norms_ = false;
  bool selected_ = false;
  std::vector<int> cuts_;           // of the selected images: where each part of the whole batch begins
  std::vector<std::size_t> sizes_;  // of the pieces of a gather
};

/// Whether a backend's kernels work on shares of batches, of which a whole one is cut into Backend::parts.
template <class Backend>
concept SharesBatches = requires {
  { Backend::parts } -> std::convertible_to<int>;
} && std::derived_from<typename Backend::Context, BatchSharing>;

}  // namespace sdepth::inline SDEPTH_ISA
