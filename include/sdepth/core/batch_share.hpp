// How processes that train one network together share a batch: each takes whole parts of the fixed partition,
// so results do not depend on how many there are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <sdepth/core/parallel.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The share of one process, of ranks [0, ranks), in any batch.
struct BatchShare {
  int rank = 0;
  int ranks = 1;
  int parts = 1;  // that a whole batch is cut into at most; a multiple of ranks

  /// Parts of a rank in a batch of so many images; none where there are fewer images than parts and these are
  /// others'.
  [[nodiscard]] constexpr Range parts_of_rank(int images, int of) const noexcept {
    const int count = parts_of(images, parts);
    const auto cut = [&](int r) { return std::min(count, part_of(parts, ranks, r).first); };
    return {cut(of), of + 1 == ranks ? count : cut(of + 1)};
  }
  /// Images of a rank.
  [[nodiscard]] constexpr Range images_of_rank(int images, int of) const noexcept {
    const Range mine = parts_of_rank(images, of);
    const int count = std::max(1, parts_of(images, parts));
    return {part_of(images, count, mine.first).first, part_of(images, count, mine.last).first};
  }
  /// This process's.
  [[nodiscard]] constexpr Range images_of(int images) const noexcept { return images_of_rank(images, rank); }
  /// The most images that it has in batches of up to so many.
  [[nodiscard]] constexpr int most_images(int images) const noexcept {
    int most = 0;
    for (int n = std::max(1, images - parts); n <= images; ++n) most = std::max(most, images_of(n).size());
    return most;
  }
};

/// A batch as kernels go through it: by parts [mine.first, mine.last) of `count`, whose images lie in memory
/// from 0 on. With `cuts` parts may be empty.
struct BatchParts {
  int images = 0;  // of the whole batch
  int count = 0;   // parts of the whole batch
  Range mine;      // those that are here
  int first = 0;   // which image of the whole batch the first one here is
  Range merged;    // parts that batch normalisation counts: all, or those that are here
  // [count + 1], of a batch of which parts have lost images: where each begins; null: nearly equal parts
  const int* cuts = nullptr;

  /// A batch that is here as a whole.
  [[nodiscard]] static constexpr BatchParts whole(int images, int most) noexcept {
    const int count = parts_of(images, most);
    return {images, count, {0, count}, 0, {0, count}};
  }
  /// A share of one. @param local_norms  whether statistics are those of what is here
  [[nodiscard]] static constexpr BatchParts shared(const BatchShare& share, int images,
                                                   bool local_norms) noexcept {
    const int count = parts_of(images, share.parts);
    const Range mine = share.parts_of_rank(images, share.rank);
    return {images, count, mine, share.images_of(images).first, local_norms ? mine : Range{0, count}};
  }
  /// Where the images of one of `mine` lie.
  [[nodiscard]] constexpr Range of(int part) const noexcept {
    const Range range = of_batch(part);
    return {range.first - first, range.last - first};
  }
  /// Images of any part.
  [[nodiscard]] constexpr int size(int part) const noexcept { return of_batch(part).size(); }

 private:
  [[nodiscard]] constexpr Range of_batch(int part) const noexcept {
    return cuts ? Range{cuts[part], cuts[part + 1]} : part_of(images, count, part);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
