// The usual rows of steps by name, for programs that let a person choose.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include <sdepth/core/error.hpp>
#include <sdepth/data/augmentations.hpp>
#include <sdepth/data/transforms.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The names that training_transforms() knows, for a program's help text.
inline constexpr std::array<std::string_view, 3> augmentation_names{"paper", "imagenet", "none"};

/// What pictures go through when a network is tested: made as large as its input, by the shorter edge, and of
/// that the middle.
/// @param fraction  of the shorter edge that is kept: 0.875 for ImageNet's 224 of 256
[[nodiscard]] inline Transforms test_transforms(Shape input, const Normalization& normalization,
                                                double fraction = 1.0) {
  return Compose{Channels{input.channels}, FitInput{input, fraction}, Normalize{normalization}};
}

/// What they go through when it is trained, by name:
///
///     paper      as in a test, then shifted by up to 4 pixels and flipped: for small pictures of which all matters
///     imagenet   a part of random area and proportions, flipped: RandomResizedCrop, as torchvision's references
///     none       as in a test
///
/// Throws Error for another name.
[[nodiscard]] inline Transforms training_transforms(std::string_view name, Shape input,
                                                    const Normalization& normalization) {
  const Channels channels{input.channels};
  if (name == "none") return test_transforms(input, normalization);
  if (name == "paper")
    return Compose{channels, FitInput{input}, Normalize{normalization}, PaperAugmentation{}};
  if (name == "imagenet")
    return Compose{channels, RandomResizedCrop{.height = input.height, .width = input.width},
                   HorizontalFlip{}, Normalize{normalization}};
  fail("there is no augmentation named ", std::string(name), "; choose paper, imagenet or none");
}

}  // namespace sdepth::inline SDEPTH_ISA
