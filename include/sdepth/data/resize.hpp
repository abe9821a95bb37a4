// Pictures of any extents made the network's: bilinear with antialiasing, as torchvision's
// Resize(antialias=True) and Pillow's resize do.
#pragma once

#include <algorithm>
#include <array>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/data/picture.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A part of a picture, in pixels.
struct Box {
  int top = 0, left = 0, height = 0, width = 0;
  friend bool operator==(const Box&, const Box&) = default;
};

/// What each number of a resized row (or column) is made of: `taps` weights from `first` on, which add up to
/// 1.
struct ResizeWeights {
  std::vector<int> first, taps;
  std::vector<float> weights;  // [numbers, most]
  int most = 0;

  /// Numbers [begin, begin + count) of `to` numbers that `from` numbers are resized to. Weights are a
  /// triangle over the source, as wide as the scale where it shrinks, and two pixels where it does not.
  ResizeWeights(int from, int to, int begin, int count)
      : first(static_cast<std::size_t>(count)), taps(first.size()) {
    const double scale = static_cast<double>(from) / to, support = std::max(scale, 1.0);
    most = static_cast<int>(std::ceil(support)) * 2 + 1;
    weights.resize(first.size() * static_cast<std::size_t>(most));
    std::vector<double> of_one(static_cast<std::size_t>(most));
    for (std::size_t i = 0; i < first.size(); ++i) {
      const double centre = scale * (begin + static_cast<double>(i) + 0.5);
      first[i] = std::max(static_cast<int>(centre - support + 0.5), 0);
      taps[i] = std::min(static_cast<int>(centre + support + 0.5), from) - first[i];
      double sum = 0;
      for (int k = 0; k < taps[i]; ++k) {
        const double weight = std::max(0.0, 1.0 - std::abs((first[i] + k - centre + 0.5) / support));
        of_one[static_cast<std::size_t>(k)] = weight;
        sum += weight;
      }
      for (std::size_t k = 0; k < static_cast<std::size_t>(taps[i]); ++k)
        weights[i * static_cast<std::size_t>(most) + k] = static_cast<float>(of_one[k] / sum);
    }
  }
};

/// Memory that one thread uses again and again.
struct ResizeScratch {
  std::vector<float> column_resized, result;
};

/// Resizes the part `from` of a picture to `height` × `width`, of which the part `kept` is made and kept.
/// Numbers are not rounded; where nothing would change, the picture stays as it is. Source: antialiased
/// bilinear interpolation as in PyTorch's interpolate(antialias=True), which is Pillow's.
/// @pre  both parts lie inside and have pixels
inline void resize(Picture& picture, const Box& from, int height, int width, const Box& kept,
                   ResizeScratch& scratch) {
  if (from == kept && kept == Box{0, 0, height, width} && height == picture.shape.height &&
      width == picture.shape.width)
    return;
  if (std::min({from.height, from.width, height, width, kept.height, kept.width}) < 1)
    fail("a part of ", from.height, " x ", from.width, " pixels cannot become one of ", kept.height, " x ",
         kept.width, " of ", height, " x ", width, ", expected 1 or more each way");
  const ResizeWeights down(from.height, height, kept.top, kept.height),
      across(from.width, width, kept.left, kept.width);
  const auto channels = static_cast<std::size_t>(picture.shape.channels),
             row = static_cast<std::size_t>(picture.shape.width) * channels;
  // Only the columns that are needed; down first, since that runs along rows.
  const int first_column = across.first.front(), last_column = across.first.back() + across.taps.back();
  const std::size_t skipped = static_cast<std::size_t>(from.left + first_column) * channels,
                    length = static_cast<std::size_t>(last_column - first_column) * channels;
  scratch.column_resized.resize(length);
  scratch.result.resize(static_cast<std::size_t>(kept.height) * static_cast<std::size_t>(kept.width) *
                        channels);
  float* to = scratch.result.data();
  // Sums of `count` channels from `c` on, side by side: kept in registers, since their number is known.
  const auto resize_across = [&](const float* line, std::size_t c, auto count) {
    for (std::size_t x = 0; x < static_cast<std::size_t>(kept.width); ++x) {
      const float* weights = across.weights.data() + x * static_cast<std::size_t>(across.most);
      const float* source = line + static_cast<std::size_t>(across.first[x] - first_column) * channels + c;
      std::array<float, count()> sums{};
      for (int k = 0; k < across.taps[x]; ++k, source += channels)
        for (std::size_t i = 0; i < count(); ++i) sums[i] += weights[k] * source[i];
      std::copy(sums.begin(), sums.end(), to + x * channels + c);
    }
  };
  const auto resize_rows = [&](const auto* pixels) {
    float* line = scratch.column_resized.data();
    for (std::size_t y = 0; y < static_cast<std::size_t>(kept.height); ++y) {
      std::fill_n(line, length, 0.0F);
      for (int k = 0; k < down.taps[y]; ++k) {
        const float weight =
            down.weights[y * static_cast<std::size_t>(down.most) + static_cast<std::size_t>(k)];
        const auto* source = pixels + static_cast<std::size_t>(from.top + down.first[y] + k) * row + skipped;
        for (std::size_t i = 0; i < length; ++i) line[i] += weight * static_cast<float>(source[i]);
      }
      if (channels == 3)
        resize_across(line, 0, std::integral_constant<std::size_t, 3>());
      else
        for (std::size_t c = 0; c < channels; ++c)
          resize_across(line, c, std::integral_constant<std::size_t, 1>());
      to += static_cast<std::size_t>(kept.width) * channels;
    }
  };
  if (picture.bytes.empty())
    resize_rows(picture.numbers.data());
  else
    resize_rows(picture.bytes.data());
  picture.set_numbers({picture.shape.channels, kept.height, kept.width}, scratch.result);
}

/// The whole picture, to exactly these extents.
inline void resize(Picture& picture, int height, int width, ResizeScratch& scratch) {
  resize(picture, {0, 0, picture.shape.height, picture.shape.width}, height, width, {0, 0, height, width},
         scratch);
}

/// Where a part of these extents lies in the middle, as torchvision's CenterCrop has it: halves go to the
/// even number.
[[nodiscard]] inline Box middle_of(int height, int width, int part_height, int part_width) {
  const auto first = [](int whole, int part) {
    return static_cast<int>(std::nearbyint((whole - part) / 2.0));
  };
  return {first(height, part_height), first(width, part_width), part_height, part_width};
}

/// Resizes, keeping proportions, so that the picture just covers cover_height × cover_width, and keeps the
/// middle height × width. Of equal extents to cover, that is torchvision's Resize(extent) and CenterCrop.
/// Throws Error where the middle is larger than what there is.
inline void resize_to_cover(Picture& picture, int cover_height, int cover_width, int height, int width,
                            ResizeScratch& scratch) {
  const long long h = picture.shape.height, w = picture.shape.width;
  const bool wide = w * cover_height >= h * cover_width;  // relative to what is to be covered
  const long long new_height = wide ? cover_height : cover_width * h / w,
                  new_width = wide ? cover_height * w / h : cover_width;
  if (new_height < height || new_width < width || new_height > INT_MAX || new_width > INT_MAX)
    fail("a picture of ", h, " x ", w, " becomes ", new_height, " x ", new_width, ", of which the middle ",
         height, " x ", width, " cannot be kept; resize to more, or crop less");
  resize(picture, {0, 0, picture.shape.height, picture.shape.width}, static_cast<int>(new_height),
         static_cast<int>(new_width),
         middle_of(static_cast<int>(new_height), static_cast<int>(new_width), height, width), scratch);
}

/// Three channels to one by the luma of ITU-R BT.601, as Pillow's convert("L"), or one to three.
inline void set_channels(Picture& picture, int channels) {
  if (picture.shape.channels == channels) return;
  const auto change = [&](auto& values) {
    auto old = std::move(values);
    values.resize(picture.shape.pixels() * static_cast<std::size_t>(channels));
    for (std::size_t i = 0; i < picture.shape.pixels(); ++i)
      if (channels == 1) {
        if constexpr (std::is_same_v<decltype(old), std::vector<std::uint8_t>>)
          values[i] = static_cast<std::uint8_t>(
              (old[3 * i] * 19595U + old[3 * i + 1] * 38470U + old[3 * i + 2] * 7471U + 0x8000U) >> 16);
        else
          values[i] = old[3 * i] * 0.299F + old[3 * i + 1] * 0.587F + old[3 * i + 2] * 0.114F;
      } else {
        for (std::size_t c = 0; c < 3; ++c) values[3 * i + c] = old[i];
      }
  };
  if (!((picture.shape.channels == 3 && channels == 1) || (picture.shape.channels == 1 && channels == 3)))
    fail("pictures of ", picture.shape.channels, " channels cannot be given to a network that reads ",
         channels);
  if (picture.bytes.empty())
    change(picture.numbers);
  else
    change(picture.bytes);
  picture.shape.channels = channels;
}

}  // namespace sdepth::inline SDEPTH_ISA
