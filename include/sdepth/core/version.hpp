// Which sdepth this is. CMake, packages and programs read it here, and here alone.
#pragma once

#include <string_view>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Semantic: a new first number breaks programs, a new second one adds to what there is; below 1.0 the second
/// one may break them, too.
inline constexpr std::string_view version_text = "0.2.0";

/// The same as a number to compare with: 10000 · first + 100 · second + third.
inline constexpr int version_number = [] {
  int number = 0, part = 0;
  for (const char c : version_text) {
    if (c == '.')
      number = 100 * (number + part), part = 0;
    else
      part = 10 * part + (c - '0');
  }
  return number + part;
}();

}  // namespace sdepth::inline SDEPTH_ISA
