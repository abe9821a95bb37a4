// Pictures for benchmarks of whole networks: real values (smooth patterns with noise), not zeros, in [−1, 1]
// as after normalisation.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <sdepth/core/philox.hpp>

namespace sdepth::bench {

/// `count` images of 32 × 32 × 3 in [N, H, W, C] with their labels.
class Pictures {
 public:
  explicit Pictures(int count)
      : images_(static_cast<std::size_t>(count) * size), labels_(static_cast<std::size_t>(count)) {
    for (std::size_t n = 0; n < labels_.size(); ++n) {
      labels_[n] = static_cast<int>(n * 7 % 10);
      for (std::size_t i = 0; i < size; ++i) {
        const auto words = random_words(3, Purpose::synthetic, n, static_cast<std::uint32_t>(i));
        const double wave =
            std::sin(0.002 * static_cast<double>(i * static_cast<std::size_t>(labels_[n] + 1)));
        images_[n * size + i] = static_cast<float>(0.6 * wave + 0.4 * (2 * uniform(words[0]) - 1));
      }
    }
  }
  [[nodiscard]] std::span<const float> images(std::size_t first, std::size_t count) const {
    return std::span(images_).subspan(first * size, count * size);
  }
  [[nodiscard]] std::span<const int> labels(std::size_t first, std::size_t count) const {
    return std::span(labels_).subspan(first, count);
  }

 private:
  static constexpr std::size_t size = 32 * 32 * 3;
  std::vector<float> images_;
  std::vector<int> labels_;
};

}  // namespace sdepth::bench
