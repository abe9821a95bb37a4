// From bytes to the numbers a network is fed: the paper's mean picture and one standard deviation, or plain bytes / 255.
#pragma once

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

/// (byte − mean) / scale, with a mean for each position of a picture, and one scale.
class Normalization {
 public:
  /// byte / 255, so that pictures lie in [0, 1].
  [[nodiscard]] static Normalization none() { return {{}, 255.0F}; }

  /// The mean picture and the one standard deviation that is left after subtracting it, over all values of `training`.
  /// Sums of integers are exact, so the result does not depend on the order of the records.
  /// Source: Huang et al., ECCV 2016, section 4. (The authors' program takes the deviation before it subtracts the mean; a first
  /// layer followed by BN cannot tell the two apart.)
  /// Throws Error where all pictures are equal: nothing is left to divide by.
  [[nodiscard]] static Normalization paper(const ImageSet& training) {
    training.check();
    constexpr int most = 33'000'000;
    if (training.size() > most)
      fail(training.name, ": ", training.size(), " pictures cannot be summed exactly, at most ", most, " can; use a subset of them");
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
    const double variance = deviations / (static_cast<double>(count) * static_cast<double>(count) * static_cast<double>(positions));
    if (!(deviations > 0))
      fail(training.name, ": the ", training.size(), " training pictures do not differ, so there is no standard deviation to divide by; ",
           "use more pictures or --normalize none");
    return {std::move(mean), static_cast<float>(std::sqrt(variance))};
  }

  /// What values() returned. Throws Error where it does not fit pictures of `shape`.
  [[nodiscard]] static Normalization from_values(std::span<const float> values, Shape shape) {
    if (values.size() != 1 && values.size() != 1 + shape.size())
      fail("normalization: ", values.size(), " values, expected 1 (a scale) or ", 1 + shape.size(), " (a scale and a mean for each of ",
           shape.channels, " x ", shape.height, " x ", shape.width, " values); the weights belong to other pictures");
    for (const float value : values)
      if (!std::isfinite(value)) fail("normalization: a mean or scale is not a finite number; the file is damaged");
    if (!(values[0] > 0)) fail("normalization: the scale is ", values[0], ", expected a positive number; the file is damaged");
    return {{values.begin() + 1, values.end()}, values[0]};
  }

  /// The scale, then the means [H, W, C] if there are any: all there is to keep.
  [[nodiscard]] std::vector<float> values() const {
    std::vector<float> all{scale_};
    all.insert(all.end(), mean_.begin(), mean_.end());
    return all;
  }

  /// Writes a picture's bytes [H, W, C] as normalised numbers to `out`.   @pre mean() is empty or has bytes.size() values
  void apply(std::span<const std::uint8_t> bytes, float* out) const noexcept {
    if (mean_.empty()) {
      for (std::size_t i = 0; i < bytes.size(); ++i) out[i] = static_cast<float>(bytes[i]) / scale_;
    } else {
      for (std::size_t i = 0; i < bytes.size(); ++i) out[i] = (static_cast<float>(bytes[i]) - mean_[i]) / scale_;
    }
  }

  /// In bytes' units, [H, W, C]; empty without subtraction.
  [[nodiscard]] std::span<const float> mean() const noexcept { return mean_; }
  /// What is divided by, in bytes' units: the standard deviation, or 255. A true division, so that bytes / 255 is what others get.
  [[nodiscard]] float scale() const noexcept { return scale_; }

 private:
  Normalization(std::vector<float> mean, float scale) : mean_(std::move(mean)), scale_(scale) {}
  std::vector<float> mean_;
  float scale_;
};

}  // namespace sdepth::inline SDEPTH_ISA
