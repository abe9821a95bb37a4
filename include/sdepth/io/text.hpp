// How numbers, names and shapes are spelled in the files that a run writes and in the sentences about files
// that are wrong.
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The shortest spelling of `value` rounded to `digits` significant digits (1 to 40), whatever the locale.
/// Nine digits bring a float back exactly. Not-a-number is "nan", infinity "inf" or "-inf".
[[nodiscard]] inline std::string decimal(double value, int digits) {
  if (std::isnan(value)) return "nan";
  char text[64];
  const auto end =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::general, std::clamp(digits, 1, 40))
          .ptr;
  return std::string(text, end);
}

/// `value` with exactly `places` digits (0 to 80) after the point.
[[nodiscard]] inline std::string fixed_point(double value, int places) {
  if (std::isnan(value)) return "nan";
  char text[400];  // the largest double has 309 digits before the point
  const auto end =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::fixed, std::clamp(places, 0, 80))
          .ptr;
  return std::string(text, end);
}

/// 30730000 as "30,730,000".
[[nodiscard]] inline std::string with_commas(std::uint64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t digits = 3; digits < text.size(); digits += 4) text.insert(text.size() - digits, 1, ',');
  return text;
}

/// A shape as Python writes a list: "[16, 3, 3, 3]".
[[nodiscard]] inline std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

/// How many numbers an array of that shape holds; nothing where an extent is negative, or 64 bits cannot
/// count them.
[[nodiscard]] inline std::optional<std::uint64_t> numbers_of(std::span<const std::int64_t> shape) {
  std::uint64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || (extent > 0 && count > UINT64_MAX / static_cast<std::uint64_t>(extent)))
      return std::nullopt;
    count *= static_cast<std::uint64_t>(extent);
  }
  return count;
}

/// Text out of a file, made fit for a sentence: in quotes, control characters as '?', cut off after 60 bytes.
[[nodiscard]] inline std::string in_quotes(std::string_view text) {
  constexpr std::size_t longest = 60;
  std::string shown = "\"";
  for (const char c : text.substr(0, longest))
    shown += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  return shown + (text.size() > longest ? "…\"" : "\"");
}

}  // namespace sdepth::inline SDEPTH_ISA
