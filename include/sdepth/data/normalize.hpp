// From bytes to the numbers a network is fed: the paper's mean picture and one standard deviation, a mean and
// a deviation for each channel, or plain bytes / 255.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/data/image_set.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// (byte − mean) / scale: a mean for each position of a picture and one scale, or a mean and a scale for each
/// channel.
class Normalization {
 public:
  /// byte / 255, so that pictures lie in [0, 1].
  [[nodiscard]] static Normalization none() { return {{}, {255.0F}}; }

  /// A mean and a standard deviation for each channel, in [0, 1] as torchvision's Normalize has them.
  /// Throws Error unless there are as many of each, finite, and the deviations positive.
  [[nodiscard]] static Normalization channels(std::span<const float> means,
                                              std::span<const float> deviations) {
    if (means.empty() || means.size() != deviations.size())
      fail("normalization: ", means.size(), " means and ", deviations.size(),
           " deviations, expected one of each for every channel");
    std::vector<float> all;
    for (const float mean : means) all.push_back(mean * 255);
    for (const float deviation : deviations) all.push_back(deviation * 255);
    return from_values(all, {static_cast<int>(means.size()), 1, 2});
  }
  /// Those of ImageNet's training pictures, which pretrained networks expect. Source: torchvision's
  /// documentation.
  [[nodiscard]] static Normalization imagenet() {
    return channels(std::vector<float>{0.485F, 0.456F, 0.406F}, std::vector<float>{0.229F, 0.224F, 0.225F});
  }

  /// The mean picture and the one standard deviation that is left after subtracting it, over all values of
  /// `training`. Sums of integers are exact, so the result does not depend on the order of the records.
  /// Source: Huang et al., ECCV 2016, section 4. (The authors' program takes the deviation before it
  /// subtracts the mean; a first layer followed by BN cannot tell the two apart.) Throws Error where all
  /// pictures are equal: nothing is left to divide by.
  [[nodiscard]] static Normalization paper(const ImageSet& training) {
    training.check();
    constexpr int most = 33'000'000;
    if (training.size() > most)
      fail(training.name, ": ", training.size(), " pictures cannot be summed exactly, at most ", most,
           " can; use a subset of them");
    const std::size_t positions = training.shape.size();
    std::vector<std::uint64_t> sums(positions);
    std::vector<std::uint64_t> squares(positions);
    for (int i = 0; i < training.size(); ++i) {
      const auto image = training.image(i);
      for (std::size_t p = 0; p < positions; ++p) {
        sums[p] += image[p];
        squares[p] += std::uint64_t{image[p]} * image[p];
      }
    }
    const auto count = static_cast<std::uint64_t>(training.size());
    std::vector<float> mean(positions);
    double deviations = 0;
    for (std::size_t p = 0; p < positions; ++p) {
      mean[p] = static_cast<float>(static_cast<double>(sums[p]) / static_cast<double>(count));
      // count² times the variance of one position, an integer below 2^64 for so many pictures.
      deviations += static_cast<double>(count * squares[p] - sums[p] * sums[p]);
    }
    const double variance = deviations / (static_cast<double>(count) * static_cast<double>(count) *
                                          static_cast<double>(positions));
    if (!(deviations > 0))
      fail(training.name, ": the ", training.size(),
           " training pictures do not differ, so there is no standard deviation to divide by; ",
           "use more pictures or --normalize none");
    return {std::move(mean), {static_cast<float>(std::sqrt(variance))}};
  }

  /// What values() returned. Throws Error where it does not fit pictures of `shape`.
  [[nodiscard]] static Normalization from_values(std::span<const float> values, Shape shape) {
    const auto of_channels = static_cast<std::size_t>(shape.channels);
    const bool by_channel = values.size() == 2 * of_channels && values.size() != 1 + shape.size();
    if (values.size() != 1 && values.size() != 1 + shape.size() && !by_channel)
      fail("normalization: ", values.size(), " values, expected 1 (a scale) or ", 1 + shape.size(),
           " (a scale and a mean for each of ", shape.channels, " x ", shape.height, " x ", shape.width,
           " values) or ", 2 * of_channels,
           " (a mean and a scale for each channel); the weights belong to other pictures");
    for (const float value : values)
      if (!std::isfinite(value))
        fail("normalization: a mean or scale is not a finite number; the file is damaged");
    const auto scales = by_channel ? values.subspan(of_channels) : values.first(1),
               means = by_channel ? values.first(of_channels) : values.subspan(1);
    for (const float scale : scales)
      if (!(scale > 0))
        fail("normalization: the scale is ", scale, ", expected a positive number; the file is damaged");
    return {{means.begin(), means.end()}, {scales.begin(), scales.end()}};
  }

  /// The scale, then the means [H, W, C] if there are any; or the channels' means, then their scales: all
  /// there is to keep.
  [[nodiscard]] std::vector<float> values() const {
    std::vector<float> all = by_channel() ? mean_ : scales_;
    const std::vector<float>& rest = by_channel() ? scales_ : mean_;
    all.insert(all.end(), rest.begin(), rest.end());
    return all;
  }

  /// Whether there is a mean and a scale for each channel.
  [[nodiscard]] bool by_channel() const noexcept { return !mean_.empty() && mean_.size() == scales_.size(); }
  /// Whether it is for pictures of that shape.
  [[nodiscard]] bool fits(Shape shape) const noexcept {
    return mean_.empty() || (by_channel() ? mean_.size() == static_cast<std::size_t>(shape.channels)
                                          : mean_.size() == shape.size());
  }

  /// Writes a picture's bytes [H, W, C] as normalised numbers to `out`.   @pre it fits the picture
  void apply(std::span<const std::uint8_t> bytes, float* out) const {
    apply_to(bytes.data(), bytes.size(), out);
  }
  /// The same for numbers in bytes' units; `out` may be `numbers`.
  void apply(std::span<const float> numbers, float* out) const {
    apply_to(numbers.data(), numbers.size(), out);
  }

  /// In bytes' units, [H, W, C] or one for each channel; empty without subtraction.
  [[nodiscard]] std::span<const float> mean() const noexcept { return mean_; }
  /// What is divided by, in bytes' units: the standard deviation, of the first channel where each has its
  /// own, or 255. A true division, so that bytes / 255 is what others get.
  [[nodiscard]] float scale() const noexcept { return scales_[0]; }

 private:
  Normalization(std::vector<float> mean, std::vector<float> scales)
      : mean_(std::move(mean)), scales_(std::move(scales)) {}

  template <class Number>
  void apply_to(const Number* from, std::size_t count, float* out) const {
    if (by_channel()) {
      // Many pixels' means and scales in a row, so that whole vectors are divided.
      constexpr std::size_t pixels = 16;
      const std::size_t channels = mean_.size(), row = pixels * channels;
      std::vector<float> means, scales;
      for (std::size_t p = 0; p < pixels; ++p) {
        means.insert(means.end(), mean_.begin(), mean_.end());
        scales.insert(scales.end(), scales_.begin(), scales_.end());
      }
      const float *mean = means.data(), *scale = scales.data();
      for (; count > 0; count -= std::min(row, count), from += row, out += row)
        for (std::size_t i = 0; i < std::min(row, count); ++i)
          out[i] = (static_cast<float>(from[i]) - mean[i]) / scale[i];
      return;
    }
    const float scale = scales_[0];
    if (mean_.empty()) {
      for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<float>(from[i]) / scale;
    } else {
      for (std::size_t i = 0; i < count; ++i) out[i] = (static_cast<float>(from[i]) - mean_[i]) / scale;
    }
  }

  std::vector<float> mean_;
  std::vector<float> scales_;  // one, or one for each channel
};

}  // namespace sdepth::inline SDEPTH_ISA
