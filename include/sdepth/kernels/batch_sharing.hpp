// With whom a batch is shared: what a backend's kernels know of the other processes of a training, on the
// processor and on a device.
#pragma once

#include <concepts>
#include <cstddef>
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
  }
  [[nodiscard]] Communicator* others() const noexcept { return others_; }
  /// How many images the whole batch has of which so many are here.
  [[nodiscard]] int whole_batch(int here) const noexcept { return others_ ? images_ : here; }
  /// The same as far as batch normalisation counts.
  [[nodiscard]] int normalised_together(int here) const noexcept {
    return others_ && !local_norms_ ? images_ : here;
  }
  [[nodiscard]] bool local_norms() const noexcept { return local_norms_; }
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
  /// Rows of images, [whole batch][size].
  template <class Number>
  void fetch_images(Number* rows, std::size_t size) {
    if (others_) gather([&](int rank) { return share_.images_of_rank(images_, rank); }, rows, size);
  }

 protected:
  BatchSharing() = default;
  ~BatchSharing() = default;

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
};

/// Whether a backend's kernels work on shares of batches, of which a whole one is cut into Backend::parts.
template <class Backend>
concept SharesBatches = requires {
  { Backend::parts } -> std::convertible_to<int>;
} && std::derived_from<typename Backend::Context, BatchSharing>;

}  // namespace sdepth::inline SDEPTH_ISA
