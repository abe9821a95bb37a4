// Pictures in memory: what every reader returns and the loader draws batches from. Bytes stay bytes until a
// batch is made.
#pragma once

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/data/picture.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Labelled pictures of one shape, in the order of their files.
struct ImageSet {
  Shape shape;                       ///< of one picture
  int classes = 0;                   ///< labels lie in [0, classes)
  std::vector<std::uint8_t> pixels;  ///< [N, H, W, C]
  std::vector<std::uint8_t> labels;  ///< [N]
  std::string name;                  ///< for messages: "cifar10 training set"

  [[nodiscard]] int size() const noexcept { return static_cast<int>(labels.size()); }

  /// Throws Error where shape, labels and pixels do not fit together. Labels are looked at when they are
  /// used.
  void check() const {
    const double picture = static_cast<double>(shape.channels) * shape.height * shape.width;
    if (shape.channels < 1 || shape.height < 1 || shape.width < 1 || picture > UINT32_MAX)
      fail(name, ": pictures of ", shape.channels, " x ", shape.height, " x ", shape.width,
           " were given, expected 1 or more of each and less than 4 GiB");
    if (labels.size() > std::size_t{INT_MAX})
      fail(name, ": ", labels.size(), " records are more than can be counted, at most ", INT_MAX);
    if (pixels.size() != labels.size() * shape.size())
      fail(name, ": ", pixels.size(), " bytes of pixels do not fit ", labels.size(), " records of ",
           shape.size());
  }

  /// Picture i, [H, W, C].   @pre 0 ≤ i < size()
  [[nodiscard]] std::span<const std::uint8_t> image(int i) const noexcept {
    return {pixels.data() + static_cast<std::size_t>(i) * shape.size(), shape.size()};
  }

  /// A copy of records [first, first + count). Throws Error where the set has fewer.
  [[nodiscard]] ImageSet subset(int first, int count) const {
    if (first < 0 || count < 0 || first > size() - count)
      fail(name, ": records ", first, " to ", static_cast<long long>(first) + count,
           " were asked for, but there are ", size());
    check();
    const auto from = static_cast<std::ptrdiff_t>(first);
    const auto to = from + count;
    const auto bytes = static_cast<std::ptrdiff_t>(shape.size());
    return {.shape = shape,
            .classes = classes,
            .pixels = {pixels.begin() + from * bytes, pixels.begin() + to * bytes},
            .labels = {labels.begin() + from, labels.begin() + to},
            .name = name};
  }

  /// Keeps the first `count` records, all where there are fewer. Copies nothing. Throws Error for a negative
  /// count.
  void limit(int count) {
    if (count < 0) fail(name, ": cannot be limited to ", count, " records, expected 0 or more");
    const auto kept = static_cast<std::size_t>(std::min(count, size()));
    pixels.resize(kept * shape.size());
    labels.resize(kept);
  }

  /// Moves the last `count` records into a set of their own: the validation part of a training set. Copies
  /// those only. Throws Error where nothing would be left.
  [[nodiscard]] ImageSet split_off(int count) {
    if (labels.empty()) fail(name, ": there are no records to hold ", count, " of them out for validation");
    if (count < 0 || count >= size())
      fail(name, ": cannot hold out ", count, " of ", size(),
           " records for validation; hold out between 0 and ", size() - 1);
    ImageSet held_out = subset(size() - count, count);
    held_out.name = name + ", held out";
    limit(size() - count);
    return held_out;
  }
};

/// An ImageSet as a DataSource; the set must outlive it.
struct ImageRecords {
  const ImageSet& set;

  [[nodiscard]] int size() const noexcept { return set.size(); }
  [[nodiscard]] int classes() const noexcept { return set.classes; }
  [[nodiscard]] const std::string& name() const noexcept { return set.name; }
  void read(int record, Picture& picture) const {
    const auto image = set.image(record);
    picture.shape = set.shape;
    picture.bytes.assign(image.begin(), image.end());
    picture.numbers.clear();
    picture.label = set.labels[static_cast<std::size_t>(record)];
  }
};

/// What a data set's files hold.
struct DataSet {
  ImageSet train;
  ImageSet test;
};

/// Writes planes [C, H, W], the order of CIFAR's files, as [H, W, C].   @pre `to` does not overlap `planes`.
inline void planes_to_pixels(const std::uint8_t* planes, Shape shape, std::uint8_t* to) noexcept {
  const auto channels = static_cast<std::size_t>(shape.channels);
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t i = 0; i < shape.pixels(); ++i) to[i * channels + c] = planes[c * shape.pixels() + i];
}

}  // namespace sdepth::inline SDEPTH_ISA
