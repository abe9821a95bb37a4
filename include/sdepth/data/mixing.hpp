// Steps that mix each picture of a batch with the one before it, and what is to be learned of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <sdepth/data/batch.hpp>
#include <sdepth/data/transforms.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// values_i ← share·values_i + (1 − share)·values_(i−1), the first one's neighbour being the last.
/// @param share(i)  of number i of a row, in [0, 1]
template <class Share>
void mix_rows(std::vector<float>& values, int rows, const Share& share) {
  const std::size_t row = rows > 0 ? values.size() / static_cast<std::size_t>(rows) : 0;
  if (row == 0 || rows < 2) return;
  const std::vector<float> last(values.end() - static_cast<std::ptrdiff_t>(row), values.end());
  for (std::size_t n = static_cast<std::size_t>(rows); n-- > 0;) {
    const float* before = n > 0 ? values.data() + (n - 1) * row : last.data();
    float* own = values.data() + n * row;
    for (std::size_t i = 0; i < row; ++i) {
      const float part = share(i);
      own[i] = part * own[i] + (1 - part) * before[i];
    }
  }
}

/// Of Beta(α, α): outside of these a share is 0, 1 or a half to the bit.
inline constexpr double least_alpha = 1e-6, most_alpha = 1e6;

/// Convex combinations: λ ~ Beta(α, α) of one picture and 1 − λ of another, the same λ for a batch, as
/// torchvision's MixUp. Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018.
struct Mixup {
  double alpha = 0.2;
  static constexpr int reach = 1;

  void check() const { check_step_number("Mixup", "alpha", alpha, least_alpha, most_alpha); }

  void mix(Batch& batch, Shape, int classes, RecordRandom& random) const {
    const auto share = static_cast<float>(random.beta(alpha));
    batch.make_probabilities(classes);
    mix_rows(batch.images, batch.size, [&](std::size_t) { return share; });
    mix_rows(batch.targets, batch.size, [&](std::size_t) { return share; });
  }
};

/// A rectangle of another picture, of about 1 − λ of the area, λ ~ Beta(α, α); the targets are mixed by the
/// area that it has in the end. Source: Yun et al., "CutMix: Regularization Strategy to Train Strong
/// Classifiers with Localizable Features", ICCV 2019.
struct CutMix {
  double alpha = 1.0;
  static constexpr int reach = 1;

  void check() const { check_step_number("CutMix", "alpha", alpha, least_alpha, most_alpha); }

  [[nodiscard]] static Box draw(Shape shape, double alpha, RecordRandom& random) {
    const double edge = 0.5 * std::sqrt(1 - random.beta(alpha));
    const int x = random.below(shape.width), y = random.below(shape.height);
    const int half_width = static_cast<int>(edge * shape.width),
              half_height = static_cast<int>(edge * shape.height);
    const int left = std::max(x - half_width, 0), top = std::max(y - half_height, 0);
    return {top, left, std::min(y + half_height, shape.height) - top,
            std::min(x + half_width, shape.width) - left};
  }
  void mix(Batch& batch, Shape shape, int classes, RecordRandom& random) const {
    const Box box = draw(shape, alpha, random);
    batch.make_probabilities(classes);
    std::vector<float> own(shape.size(), 1.0F);
    for (int y = box.top; y < box.top + box.height; ++y)
      std::fill_n(own.begin() + (y * shape.width + box.left) * shape.channels, box.width * shape.channels,
                  0.0F);
    mix_rows(batch.images, batch.size, [&](std::size_t i) { return own[i]; });
    const double cut = static_cast<double>(box.height) * box.width / static_cast<double>(shape.pixels());
    mix_rows(batch.targets, batch.size, [&](std::size_t) { return static_cast<float>(1 - cut); });
  }
};

/// One of two for each batch, equally likely: torchvision's RandomChoice([MixUp, CutMix]).
template <BatchStep First, BatchStep Second>
struct OneOf {
  First first{};
  Second second{};
  static constexpr int reach = std::max(reach_of<First>, reach_of<Second>);

  void check() const {
    check_step(first);
    check_step(second);
  }

  void mix(Batch& batch, Shape shape, int classes, RecordRandom& random) const {
    if (random.happens(0.5))
      first.mix(batch, shape, classes, random);
    else
      second.mix(batch, shape, classes, random);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
