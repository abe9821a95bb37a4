// A procedural data set that needs no file: a patch of stripes in random colours on a noisy ground; the class
// is the stripes' angle and period. Position, size, phase, colours, slope of the ground and noise are random,
// so no pixel and no colour tells the class: it takes filters and a pooled decision. All classes are their
// own mirror image, so flipping does not change a label.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <numbers>
#include <string>

#include <sdepth/core/error.hpp>
#include <sdepth/core/philox.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/random_stream.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Which of a data set's two parts a synthetic picture belongs to; each has pictures of its own.
enum class Part : std::uint32_t { train, test };

/// What the classes look like: class k has angle k mod angles and period k div angles.
struct StripeClasses {
  int angles;
  int periods;

  /// For 10 classes 5 angles and 2 periods, for 100 classes 15 and 7.
  [[nodiscard]] static StripeClasses of(int classes) noexcept {
    const int periods = std::max(1, static_cast<int>(std::sqrt(classes / 2.0)));
    return {(classes + periods - 1) / periods, periods};
  }
  /// Of the stripes' normal against the x axis, in radians, in (0, π/2); half a step away from the axes,
  /// which have no mirror image.
  [[nodiscard]] double angle(int label) const noexcept {
    return (label % angles + 0.5) / angles * (std::numbers::pi / 2);
  }
  /// In pixels: from 3, about the finest that a 3 x 3 filter sees whole, to 7, which still repeats within a
  /// patch.
  [[nodiscard]] double period(int label) const noexcept {
    return 3.0 *
           std::pow(7.0 / 3.0, periods == 1 ? 0.5 : static_cast<double>(label / angles) / (periods - 1));
  }
};

/// Draws picture `index` of a part into `to` [H, W, C]; its label is index mod classes. A pure function of
/// its arguments, in integer arithmetic after the stripes' direction is rounded to 1/65536, so that every
/// compiler and machine draws the same bytes.
inline void draw_synthetic(Shape shape, int classes, Part part, int index, std::uint64_t seed,
                           std::uint8_t* to) {
  const std::uint64_t major = static_cast<std::uint64_t>(part) << 32 | static_cast<std::uint32_t>(index);
  RandomStream random(seed, Purpose::synthetic, major);
  const auto between = [&](int low, int high) {
    return low + static_cast<int>(random.below(static_cast<std::uint32_t>(high - low + 1)));
  };
  const auto sign = [&] { return (random.word() >> 31) != 0 ? -1 : 1; };

  const StripeClasses look = StripeClasses::of(classes);
  const int label = index % classes;
  const int mirror = sign();
  // Phase per pixel to the right and down; 2^16 is one period.
  const int phase_x =
      mirror * static_cast<int>(std::lround(65536 * std::cos(look.angle(label)) / look.period(label)));
  const int phase_y = static_cast<int>(std::lround(65536 * std::sin(look.angle(label)) / look.period(label)));
  const int phase = between(0, 65535);
  const int extent = std::min(shape.height, shape.width);
  const int radius = between(extent * 3 / 8, extent * 5 / 8);
  const int centre_x = between(shape.width / 4, shape.width * 3 / 4);
  const int centre_y = between(shape.height / 4, shape.height * 3 / 4);
  const int slope_x = between(-48, 48);  // grey levels from the middle to the edge
  const int slope_y = between(-48, 48);

  for (int c = 0; c < shape.channels; ++c) {
    const int ground = between(88, 168);
    const int contrast = between(24, 64) * sign();
    for (int y = 0; y < shape.height; ++y) {
      for (int x = 0; x < shape.width; ++x) {
        const int dx = x - centre_x;
        const int dy = y - centre_y;
        // 256 at the centre, 0 outside
        const int fade = std::max(0, 256 - 256 * (dx * dx + dy * dy) / (radius * radius));
        const auto turn = static_cast<std::uint32_t>(phase + phase_x * x + phase_y * y) & 0xFFFFU;
        const int wave = std::abs(static_cast<int>(turn) - 32768) / 64 - 256;  // a triangle, −256 … 256
        const int slope = (slope_x * (2 * x - shape.width) / shape.width +
                           slope_y * (2 * y - shape.height) / shape.height) /
                          2;
        const std::uint32_t bits = random.word();
        // −51 … 51, mostly small
        const int noise = (static_cast<int>(bits & 0xFFU) + static_cast<int>(bits >> 8 & 0xFFU) - 255) / 5;
        const int value = ground + slope + contrast * wave / 256 * fade / 256 + noise;
        const auto pixel =
            static_cast<std::size_t>(y) * static_cast<std::size_t>(shape.width) + static_cast<std::size_t>(x);
        to[pixel * static_cast<std::size_t>(shape.channels) + static_cast<std::size_t>(c)] =
            static_cast<std::uint8_t>(std::clamp(value, 0, 255));
      }
    }
  }
}

/// `train` and `test` pictures with the labels 0, 1, … classes − 1, 0, … in turn. A picture depends on (seed,
/// part, index) only, not on how many there are. Throws Error for pictures below 8 x 8 or above 1,024 x
/// 1,024, for classes outside 2 … 256, and for more bytes than memory holds, 2^40 at most.
[[nodiscard]] inline DataSet synthetic(Shape shape, int classes, int train, int test, std::uint64_t seed) {
  if (shape.channels < 1 || std::min(shape.height, shape.width) < 8 ||
      std::max(shape.height, shape.width) > 1024)
    fail("synthetic: pictures of ", shape.channels, " x ", shape.height, " x ", shape.width,
         " cannot be drawn; choose at least one channel and 8 to 1,024 pixels each way");
  if (classes < 2 || classes > 256)
    fail("synthetic: ", classes, " classes were asked for, expected 2 to 256");
  if (train < 0 || test < 0)
    fail("synthetic: ", train, " training and ", test,
         " test pictures were asked for, expected none or more");
  const double bytes =
      static_cast<double>(shape.size()) * (static_cast<double>(train) + static_cast<double>(test));
  const auto draw = [&](Part part, int count, const char* name) {
    ImageSet set{.shape = shape,
                 .classes = classes,
                 .pixels = {},
                 .labels = {},
                 .name = std::string("synthetic ") + name};
    set.pixels.resize(static_cast<std::size_t>(count) * shape.size());
    for (int i = 0; i < count; ++i) {
      draw_synthetic(shape, classes, part, i, seed,
                     set.pixels.data() + static_cast<std::size_t>(i) * shape.size());
      set.labels.push_back(static_cast<std::uint8_t>(i % classes));
    }
    return set;
  };
  try {
    if (bytes > 0x1p40) throw std::bad_alloc();
    return {draw(Part::train, train, "training set"), draw(Part::test, test, "test set")};
  } catch (const std::bad_alloc&) {
    fail("synthetic: ", train, " training and ", test, " test pictures of ", shape.size(),
         " bytes each are more than memory holds; draw fewer");
  }
}

}  // namespace sdepth::inline SDEPTH_ISA
