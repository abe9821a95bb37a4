// Small pictures inside a page: data: URIs of bitmaps, which every browser shows and no library is needed
// for.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/data/picture.hpp>
#include <sdepth/data/resize.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Bytes as text. Source: RFC 4648, section 4.
[[nodiscard]] inline std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t j) -> std::uint32_t {
      return j < bytes.size() ? static_cast<std::uint8_t>(bytes[j]) : 0;
    };
    const std::uint32_t three = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (std::size_t j = 0; j < 4; ++j)
      text += i + j > bytes.size() ? '=' : digits[three >> (18 - 6 * j) & 63];
  }
  return text;
}

/// A picture of one or three channels in 0 … 255 as the bytes of a .bmp file, 24 bits a pixel. Source:
/// Microsoft, BITMAPFILEHEADER and BITMAPINFOHEADER. Rows go upwards, colours are blue, green, red, and a row
/// is padded to four bytes.
[[nodiscard]] inline std::string bitmap(Picture picture) {
  set_channels(picture, 3);
  const std::vector<float>& numbers = picture.as_numbers();
  const auto width = static_cast<std::size_t>(picture.shape.width),
             height = static_cast<std::size_t>(picture.shape.height);
  const std::size_t row = (3 * width + 3) / 4 * 4, header = 54;
  std::string bytes = "BM";
  const auto number = [&](std::size_t value, int size) {
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * i & 255);
  };
  for (const auto& [value, size] : {std::pair(header + row * height, 4),
                                    {0, 4},
                                    {header, 4},
                                    {40, 4},
                                    {width, 4},
                                    {height, 4},
                                    {1, 2},
                                    {24, 2},
                                    {0, 4},
                                    {row * height, 4},
                                    {3780, 4},
                                    {3780, 4},
                                    {0, 4},
                                    {0, 4}})  // 3780: pixels of a metre
    number(value, size);
  for (std::size_t y = height; y-- > 0;) {
    for (std::size_t x = 0; x < width; ++x)
      for (std::size_t c = 3; c-- > 0;)
        bytes += static_cast<char>(static_cast<std::uint8_t>(
            std::lround(std::clamp(numbers[(y * width + x) * 3 + c], 0.0F, 255.0F))));
    bytes.append(row - 3 * width, '\0');
  }
  return bytes;
}

/// A picture as a data: URI, its longer edge made `most` pixels where it is longer.
[[nodiscard]] inline std::string thumbnail(Picture picture, int most = 64) {
  const int height = picture.shape.height, width = picture.shape.width, longer = std::max(height, width);
  if (longer > most) {
    ResizeScratch scratch;
    const auto shrunk = [&](int edge) {
      return std::max(1, static_cast<int>(std::lround(static_cast<double>(edge) * most / longer)));
    };
    resize(picture, shrunk(height), shrunk(width), scratch);
  }
  return "data:image/bmp;base64," + base64(bitmap(std::move(picture)));
}

}  // namespace sdepth::inline SDEPTH_ISA::program
