// JSON out of a file or out of a text in it. What is wrong with it is the caller's sentence: the library's
// exceptions are no words for a person.
#pragma once

#include <optional>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// `text` as JSON, all of it; nothing where it is none, holds a number beyond a double, or goes on behind the
/// value.
[[nodiscard]] inline std::optional<nlohmann::json> parse_json(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;  // which the library takes for the end
  nlohmann::json value = nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  // In place: the library converts its values to anything, an optional among it.
  return std::optional<nlohmann::json>(std::in_place, std::move(value));
}

}  // namespace sdepth::inline SDEPTH_ISA
