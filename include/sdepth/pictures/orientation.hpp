// Which way up a camera held a picture: read from its EXIF data, and obeyed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <sdepth/data/picture.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// The orientation 1 … 8 in EXIF data as it follows "Exif\0\0": a TIFF header and its first directory. 1,
/// which changes nothing, where it is absent or damaged: such data are no reason to refuse a picture. Source:
/// CIPA DC-008 (Exif 2.32), 4.5.4; TIFF 6.0, section 2.
[[nodiscard]] inline int exif_orientation(std::span<const std::uint8_t> tiff) noexcept {
  if (tiff.size() < 8) return 1;
  const bool big = tiff[0] == 'M' && tiff[1] == 'M';
  if (!big && !(tiff[0] == 'I' && tiff[1] == 'I')) return 1;
  const auto number = [&](std::size_t at, std::size_t bytes) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | tiff[big ? at + i : at + bytes - 1 - i];
    return value;
  };
  const std::size_t directory = number(4, 4);
  if (directory > tiff.size() - 2) return 1;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * i;
    if (at + 12 > tiff.size()) return 1;
    if (number(at, 2) != 0x0112 || number(at + 2, 2) != 3) continue;  // the tag Orientation, a 16-bit number
    const std::uint32_t orientation = number(at + 8, 2);
    return 1 <= orientation && orientation <= 8 ? static_cast<int>(orientation) : 1;
  }
  return 1;
}

/// Turns and mirrors a picture's bytes so that its first row is the top one: where the file's rows go is what
/// the number says.
///
///     1 as it is   2 mirrored   3 by 180°   4 upside down   5 transposed   6 by 90° clockwise   7 transverse   8 by 270° clockwise
inline void turn_upright(Picture& picture, int orientation) {
  if (orientation <= 1 || orientation > 8) return;
  const auto height = static_cast<std::size_t>(picture.shape.height),
             width = static_cast<std::size_t>(picture.shape.width),
             channels = static_cast<std::size_t>(picture.shape.channels);
  const bool swaps = orientation >= 5;
  const std::size_t new_height = swaps ? width : height, new_width = swaps ? height : width;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  std::vector<std::uint8_t> turned(picture.bytes.size());
  std::uint8_t* to = turned.data();
  for (std::size_t y = 0; y < new_height; ++y)
    for (std::size_t x = 0; x < new_width; ++x) {
      std::size_t h = swaps ? x : y, w = swaps ? y : x;
      if (from_bottom) h = height - 1 - h;
      if (from_right) w = width - 1 - w;
      for (std::size_t c = 0; c < channels; ++c) *to++ = picture.bytes[(h * width + w) * channels + c];
    }
  picture.bytes = std::move(turned);
  if (swaps) std::swap(picture.shape.height, picture.shape.width);
}

}  // namespace sdepth::inline SDEPTH_ISA::detail
