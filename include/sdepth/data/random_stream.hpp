// Random numbers in sequence from Philox's random access: for shuffling and drawing, where how many are
// needed is not known beforehand.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <sdepth/core/philox.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Successive 32-bit words of one stream: (seed, purpose, major), read from its first word on.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t major) noexcept
      : seed_(seed), purpose_(purpose), major_(major) {}

  [[nodiscard]] std::uint32_t word() noexcept {
    if (used_ == words_.size()) {
      words_ = random_words(seed_, purpose_, major_, block_++);
      used_ = 0;
    }
    return words_[used_++];
  }

  /// A number in [0, n), each exactly equally likely.   @pre n > 0
  /// Source: Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29 (2019), algorithm 5.
  [[nodiscard]] std::uint32_t below(std::uint32_t n) noexcept {
    std::uint64_t product = std::uint64_t{word()} * n;
    if (static_cast<std::uint32_t>(product) < n) {
      // so many of the 2^32 words would make some numbers likelier: drawn again
      const std::uint32_t uneven = (0U - n) % n;
      while (static_cast<std::uint32_t>(product) < uneven) product = std::uint64_t{word()} * n;
    }
    return static_cast<std::uint32_t>(product >> 32);
  }

 private:
  std::uint64_t seed_;
  Purpose purpose_;
  std::uint64_t major_;
  std::uint32_t block_ = 0;
  std::size_t used_ = 4;
  std::array<std::uint32_t, 4> words_{};
};

}  // namespace sdepth::inline SDEPTH_ISA
