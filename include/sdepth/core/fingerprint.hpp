// FNV-1a: 64 bits of any bytes, the same on every machine. Against accidents, not against people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Source: Fowler, Noll, Vo.
class Fingerprint {
 public:
  void add(std::span<const std::byte> bytes) noexcept {
    for (const std::byte b : bytes) value_ = (value_ ^ std::to_integer<std::uint64_t>(b)) * 0x100000001B3;
  }
  void add(std::string_view text) noexcept { add(std::as_bytes(std::span(text))); }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  std::uint64_t value_ = 0xCBF29CE484222325;
};

}  // namespace sdepth::inline SDEPTH_ISA
