// Steps that move a picture about: the paper's shift and flip, crops, flips, and what is cut out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/augment.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/data/transforms.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// From bytes' units to the network's: see Normalization.
struct Normalize {
  Normalization by = Normalization::none();

  void apply(Picture& picture, RecordContext&, int) const {
    if (!by.fits(picture.shape))
      fail("normalization: the means are of other pictures than ", extents_text(picture.shape));
    if (picture.bytes.empty()) {
      by.apply(std::span<const float>(picture.numbers), picture.numbers.data());
    } else {
      picture.numbers.resize(picture.bytes.size());
      by.apply(std::span<const std::uint8_t>(picture.bytes), picture.numbers.data());
      picture.bytes.clear();
    }
  }
};

/// The paper's augmentation, with the numbers that draw_augmentation draws, wherever the step stands: shift
/// by up to 4 pixels, flip.
struct PaperAugmentation {
  void apply(Picture& picture, RecordContext& context, int) const {
    std::vector<float>& from = picture.as_numbers();
    context.scratch.result.resize(from.size());
    augment(from.data(), picture.shape, draw_augmentation(context.seed, context.epoch, context.record),
            context.scratch.result.data());
    from.swap(context.scratch.result);
  }
};

/// Moved by up to `pixels` each way, zeros coming in: torchvision's RandomCrop(padding=pixels). Zero is the
/// mean behind Normalize, black before it.
struct Shift {
  int pixels = 4;

  void check() const { check_step_number("Shift", "pixels", pixels, 0, most_pixels_each_way); }

  void apply(Picture& picture, RecordContext& context, int place) const {
    RecordRandom random = context.random(place);
    const int down = random.below(2 * pixels + 1) - pixels, right = random.below(2 * pixels + 1) - pixels;
    std::vector<float>& from = picture.as_numbers();
    context.scratch.result.resize(from.size());
    augment(from.data(), picture.shape, {down, right, false}, context.scratch.result.data());
    from.swap(context.scratch.result);
  }
};

/// A part of these extents, anywhere in a picture that is at least as large: torchvision's RandomCrop without
/// padding.
struct RandomCrop {
  int height = 224, width = 224;

  void check() const { check_step_extents("RandomCrop", height, width); }

  void apply(Picture& picture, RecordContext& context, int place) const {
    if (picture.shape.height < height || picture.shape.width < width)
      fail("RandomCrop: a picture of ", picture.shape.height, " x ", picture.shape.width, " has no part of ",
           height, " x ", width, "; resize it before, or pad it by Shift");
    RecordRandom random = context.random(place);
    const int top = random.below(picture.shape.height - height + 1),
              left = random.below(picture.shape.width - width + 1);
    resize(picture, {top, left, height, width}, height, width, {0, 0, height, width}, context.scratch);
  }
};

/// Left and right exchanged.
struct HorizontalFlip {
  double probability = 0.5;

  void check() const { check_step_number("HorizontalFlip", "probability", probability, 0, 1); }

  void apply(Picture& picture, RecordContext& context, int place) const {
    if (!context.random(place).happens(probability)) return;
    const auto flip = [&](auto& values) {
      const auto channels = static_cast<std::ptrdiff_t>(picture.shape.channels),
                 row = channels * picture.shape.width;
      for (auto line = values.begin(); line != values.end(); line += row)
        for (auto left = line, right = line + row - channels; left < right;
             left += channels, right -= channels)
          std::swap_ranges(left, left + channels, right);
    };
    if (picture.bytes.empty())
      flip(picture.numbers);
    else
      flip(picture.bytes);
  }
};

/// Resized to exactly these extents, whatever that does to proportions.
struct ResizeTo {
  int height = 224, width = 224;

  void check() const { check_step_extents("ResizeTo", height, width); }
  void apply(Picture& picture, RecordContext& context, int) const {
    resize(picture, height, width, context.scratch);
  }
};

/// For tests: the shorter edge becomes `shorter`, and the middle is kept: torchvision's Resize(shorter),
/// CenterCrop((height, width)).
struct ResizeAndCrop {
  int shorter = 256, height = 224, width = 224;

  void check() const {
    check_step_number("ResizeAndCrop", "shorter", shorter, 1, most_pixels_each_way);
    check_step_extents("ResizeAndCrop", height, width);
  }

  void apply(Picture& picture, RecordContext& context, int) const {
    resize_to_cover(picture, shorter, shorter, height, width, context.scratch);
  }
};

/// For tests at any input: the picture just covers the input divided by `fraction`, keeping proportions, and
/// the middle is kept. Pictures of the input's extents stay as they are; 0.875 is ImageNet's 224 of 256.
struct FitInput {
  Shape input;
  double fraction = 1.0;

  void check() const {
    check_step_number("FitInput", "fraction", fraction, 0.001, 1);
    check_step_extents("FitInput", input.height, input.width);
  }

  void apply(Picture& picture, RecordContext& context, int) const {
    const auto covered = [&](int extent) { return static_cast<int>(std::lround(extent / fraction)); };
    resize_to_cover(picture, covered(input.height), covered(input.width), input.height, input.width,
                    context.scratch);
  }
};

/// A part of random area and proportions, resized: torchvision's RandomResizedCrop, the usual augmentation of
/// ImageNet. Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, section 6.
struct RandomResizedCrop {
  int height = 224, width = 224;
  double smallest_area = 0.08, largest_area = 1.0;   // of the picture's
  double narrowest = 3.0 / 4.0, widest = 4.0 / 3.0;  // width by height

  void check() const {
    check_step_extents("RandomResizedCrop", height, width);
    check_step_number("RandomResizedCrop", "largest_area", largest_area, 0, 1);
    check_step_number("RandomResizedCrop", "smallest_area", smallest_area, 0, largest_area);
    check_step_number("RandomResizedCrop", "widest", widest, 0.001, 1000);
    check_step_number("RandomResizedCrop", "narrowest", narrowest, 0.001, widest);
  }

  [[nodiscard]] Box draw(Shape shape, RecordRandom& random) const {
    const double area = static_cast<double>(shape.pixels());
    for (int attempt = 0; attempt < 10; ++attempt) {
      const double part = area * random.between(smallest_area, largest_area);
      const double ratio = std::exp(random.between(std::log(narrowest), std::log(widest)));
      const int w = static_cast<int>(std::nearbyint(std::sqrt(part * ratio))),
                h = static_cast<int>(std::nearbyint(std::sqrt(part / ratio)));
      if (w < 1 || h < 1 || w > shape.width || h > shape.height) continue;
      const int top = random.below(shape.height - h + 1), left = random.below(shape.width - w + 1);
      return {top, left, h, w};
    }
    // The middle, as much of it as has a wanted proportion.
    const double ratio = static_cast<double>(shape.width) / shape.height;
    int h = shape.height, w = shape.width;
    if (ratio < narrowest) h = std::min(h, static_cast<int>(std::nearbyint(w / narrowest)));
    if (ratio > widest) w = std::min(w, static_cast<int>(std::nearbyint(h * widest)));
    return {(shape.height - h) / 2, (shape.width - w) / 2, h, w};
  }
  void apply(Picture& picture, RecordContext& context, int place) const {
    RecordRandom random = context.random(place);
    resize(picture, draw(picture.shape, random), height, width, {0, 0, height, width}, context.scratch);
  }
};

/// A square of zeros around a random pixel: put it behind Normalize, where zero is the mean.
/// Source: DeVries, Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
struct Cutout {
  int size = 16;

  void check() const { check_step_number("Cutout", "size", size, 0, most_pixels_each_way); }

  void apply(Picture& picture, RecordContext& context, int place) const {
    RecordRandom random = context.random(place);
    const int y = random.below(picture.shape.height) - size / 2,
              x = random.below(picture.shape.width) - size / 2;
    std::vector<float>& numbers = picture.as_numbers();
    const int left = std::max(x, 0), right = std::min(x + size, picture.shape.width);
    for (int row = std::max(y, 0); row < std::min(y + size, picture.shape.height); ++row) {
      const auto at = [&](int column) {
        return numbers.begin() + (row * picture.shape.width + column) * picture.shape.channels;
      };
      std::fill(at(left), at(right), 0.0F);
    }
  }
};

/// As many channels as the network reads: colours to grey, or grey thrice.
struct Channels {
  int count = 3;
  void apply(Picture& picture, RecordContext&, int) const { set_channels(picture, count); }
};

}  // namespace sdepth::inline SDEPTH_ISA
