// Text for files that must be UTF-8, such as JSON and HTML. A path is any bytes, so what comes out of one
// need not be.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Bytes of the character that `text` begins with, 1 to 4; 0 where these bytes are none.
/// Source: The Unicode Standard, table 3-7, "Well-Formed UTF-8 Byte Sequences".
[[nodiscard]] inline std::size_t utf8_length(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned char lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  // The second byte has a smaller range behind some first ones: no character has two spellings, is half of a
  // pair, or lies beyond the last.
  const unsigned char least = lead == 0xE0   ? 0xA0
                              : lead == 0xF0 ? 0x90
                                             : 0x80,
                      most = lead == 0xED   ? 0x9F
                             : lead == 0xF4 ? 0x8F
                                            : 0xBF;
  if (byte(1) < least || byte(1) > most) return 0;
  for (std::size_t i = 2; i < length; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  return length;
}

/// Whether all of `text` is UTF-8.
[[nodiscard]] inline bool is_utf8(std::string_view text) noexcept {
  while (const std::size_t length = utf8_length(text)) text.remove_prefix(length);
  return text.empty();
}

/// `text` to be shown: each byte that is no UTF-8, and each control character but tab and line end, as
/// U+FFFD, the replacement character.
[[nodiscard]] inline std::string shown_as_utf8(std::string_view text) {
  std::string shown;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const bool control =
        (length == 1 && text[0] >= 0 && text[0] < 0x20 && text[0] != '\t' && text[0] != '\n') ||
        text[0] == 0x7F;
    if (length == 0 || control)
      shown += "\xEF\xBF\xBD";
    else
      shown += text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return shown;
}

}  // namespace sdepth::inline SDEPTH_ISA
