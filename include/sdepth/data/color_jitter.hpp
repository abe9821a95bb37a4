// A step that changes a picture's colours as light and cameras do.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include <sdepth/data/transforms.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Brightness, contrast, saturation and hue by random factors, in random order: torchvision's ColorJitter.
/// Put it before Normalize.
///
/// Each of the first three takes a factor from [max(0, 1 − x), 1 + x]; hue a part of the circle from [−x, x],
/// x ≤ 0.5. Pictures without colours keep saturation and hue. Results lie in 0 … 255 and are not rounded.
/// Source: torchvision.transforms.ColorJitter; Howard, "Some Improvements on Deep CNN Based Image
/// Classification", 2013.
struct ColorJitter {
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;

  void check() const {
    constexpr double most = 1e6;
    check_step_number("ColorJitter", "brightness", brightness, 0, most);
    check_step_number("ColorJitter", "contrast", contrast, 0, most);
    check_step_number("ColorJitter", "saturation", saturation, 0, most);
    check_step_number("ColorJitter", "hue", hue, 0, 0.5);
  }

  void apply(Picture& picture, RecordContext& context, int place) const {
    RecordRandom random = context.random(place);
    std::array<int, 4> order{0, 1, 2, 3};
    for (int left = 4; left > 1; --left)
      std::swap(order[static_cast<std::size_t>(left - 1)],
                order[static_cast<std::size_t>(random.below(left))]);
    const auto factor = [&](double x) {
      return static_cast<float>(random.between(std::max(0.0, 1 - x), 1 + x));
    };
    const float by_brightness = factor(brightness), by_contrast = factor(contrast),
                by_saturation = factor(saturation);
    const double by_hue = random.between(-hue, hue);
    std::vector<float>& numbers = picture.as_numbers();
    const bool colours = picture.shape.channels == 3;
    for (const int what : order) {
      if (what == 0 && brightness > 0) change_brightness(numbers, by_brightness);
      if (what == 1 && contrast > 0) change_contrast(numbers, colours, by_contrast);
      if (what == 2 && saturation > 0 && colours) change_saturation(numbers, by_saturation);
      if (what == 3 && hue > 0 && colours) change_hue(numbers, by_hue);
    }
  }

  static float within(float value) noexcept { return std::clamp(value, 0.0F, 255.0F); }
  static float grey(const float* rgb) noexcept {
    return 0.2989F * rgb[0] + 0.587F * rgb[1] + 0.114F * rgb[2];
  }

  static void change_brightness(std::vector<float>& numbers, float factor) {
    for (float& value : numbers) value = within(factor * value);
  }
  /// Away from, or towards, the mean of the grey picture.
  static void change_contrast(std::vector<float>& numbers, bool colours, float factor) {
    double sum = 0;
    for (std::size_t i = 0; i < numbers.size(); i += colours ? 3 : 1)
      sum += static_cast<double>(colours ? grey(&numbers[i]) : numbers[i]);
    const auto mean = static_cast<float>(sum / (static_cast<double>(numbers.size()) / (colours ? 3 : 1)));
    for (float& value : numbers) value = within(factor * value + (1 - factor) * mean);
  }
  /// Away from, or towards, the grey picture.
  static void change_saturation(std::vector<float>& numbers, float factor) {
    for (std::size_t i = 0; i < numbers.size(); i += 3) {
      const float base = (1 - factor) * grey(&numbers[i]);
      for (std::size_t c = 0; c < 3; ++c) numbers[i + c] = within(factor * numbers[i + c] + base);
    }
  }
  /// Around the circle of HSV's hues. @param turn  part of the circle
  static void change_hue(std::vector<float>& numbers, double turn) {
    for (std::size_t i = 0; i < numbers.size(); i += 3) {
      const float r = numbers[i], g = numbers[i + 1], b = numbers[i + 2];
      const float most = std::max({r, g, b}), least = std::min({r, g, b}), chroma = most - least;
      if (chroma <= 0) continue;  // grey has no hue
      const float sixth = most <= r   ? (g - b) / chroma
                          : most <= g ? 2 + (b - r) / chroma
                                      : 4 + (r - g) / chroma;
      double h = static_cast<double>(sixth) / 6 + turn;
      h = (h - std::floor(h)) * 6;
      for (std::size_t c = 0; c < 3; ++c) {
        // Each channel is `most` for a third of the circle, `least` for a third, and slopes between.
        const double at = std::fmod(h + (c == 0 ? 5 : c == 1 ? 3 : 1), 6.0);
        numbers[i + c] = most - chroma * static_cast<float>(std::clamp(std::min(at, 4 - at), 0.0, 1.0));
      }
    }
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
