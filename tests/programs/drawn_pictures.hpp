// Pictures in folders for tests of programs, which nothing but zlib is needed for.
#pragma once

#include <doctest/doctest.h>
#include <zlib.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "../io/scratch_folder.hpp"

namespace sdepth::test {
namespace {

/// An RGB picture of one colour, 20 x 24, as the bytes of a PNG.
inline std::string png_of(std::array<std::uint8_t, 3> colour) {
  const auto number = [](std::uint32_t value) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
    return text;
  };
  const auto chunk = [&](const std::string& content) {  // its four letters, and what is behind them
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    return number(static_cast<std::uint32_t>(content.size() - 4)) + content +
           number(static_cast<std::uint32_t>(crc));
  };
  std::string rows, packed(1000, '\0');
  for (int y = 0; y < 20; ++y) {
    rows += '\0';
    for (int x = 0; x < 24; ++x)
      for (const std::uint8_t value : colour) rows += static_cast<char>(value + (x + y) % 8);
  }
  uLongf size = packed.size();
  REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                   reinterpret_cast<const Bytef*>(rows.data()), rows.size()) == Z_OK);
  packed.resize(size);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR" + number(24) + number(20) + std::string("\x08\x02\0\0\0", 5)) +
         chunk("IDAT" + packed) + chunk("IEND");
}

/// A folder for each class, of pictures that are red, green, blue or yellow.
[[maybe_unused]] void draw_classes(const std::filesystem::path& folder, int classes) {
  for (int c = 0; c < classes; ++c) {
    const std::filesystem::path directory = folder / ("class " + std::to_string(c));
    std::filesystem::create_directories(directory);
    for (int i = 0; i < 12; ++i) {
      std::array<std::uint8_t, 3> colour{40, 40, 40};
      const auto bright = static_cast<std::uint8_t>(120 + 8 * i);
      colour[static_cast<std::size_t>(c % 3)] = bright;
      if (c >= 3) colour[1] = bright;
      put(directory / (std::to_string(i) + ".png"), png_of(colour));
    }
  }
}

}  // namespace
}  // namespace sdepth::test
