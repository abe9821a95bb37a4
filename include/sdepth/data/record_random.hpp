// Random numbers for what happens to one record in one epoch, or to one batch: pure functions, so that
// threads and resuming change nothing.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <sdepth/core/philox.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The numbers of (seed, epoch, record) for one step of an augmentation. Steps have streams of their own:
/// what one draws changes no other.
class RecordRandom {
 public:
  /// @param step  from 1 on; 0 is draw_augmentation's, the paper's
  RecordRandom(std::uint64_t seed, int epoch, int record, int step) noexcept
      : seed_(seed),
        major_(static_cast<std::uint32_t>(epoch) | std::uint64_t{static_cast<std::uint16_t>(step)} << 32),
        record_(static_cast<std::uint32_t>(record)) {}

  [[nodiscard]] std::uint32_t word() noexcept {
    if (used_ == words_.size()) {
      words_ = random_words(seed_, Purpose::augment, major_ | block_++ << 48, record_);
      used_ = 0;
    }
    return words_[used_++];
  }
  /// In [low, high).
  [[nodiscard]] double between(double low, double high) noexcept {
    return low + (high - low) * uniform(word());
  }
  /// In 0 … n − 1, equally likely up to n / 2^32.   @pre n > 0
  [[nodiscard]] int below(int n) noexcept {
    return static_cast<int>(std::uint64_t{word()} * static_cast<std::uint32_t>(n) >> 32);
  }
  [[nodiscard]] bool happens(double probability) noexcept { return uniform(word()) < probability; }

  /// λ ~ Beta(α, α), of two gamma variables.   @pre α > 0
  [[nodiscard]] double beta(double alpha) noexcept {
    const double a = gamma(alpha), b = gamma(alpha);
    return a + b > 0 ? a / (a + b) : 0.5;
  }

 private:
  /// Source: Marsaglia, Tsang, "A Simple Method for Generating Gamma Variables", ACM TOMS 26 (2000).
  [[nodiscard]] double gamma(double shape) noexcept {
    if (shape < 1) {
      const double smaller = std::pow(1.0 - uniform(word()), 1.0 / shape);
      return gamma(shape + 1) * smaller;
    }
    const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
    for (;;) {
      const std::uint32_t first = word();
      const double x = normal(first, word()), v = std::pow(1.0 + c * x, 3), u = 1.0 - uniform(word());
      if (v > 0 && std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
    }
  }

  std::uint64_t seed_, major_;
  std::uint32_t record_;
  std::uint64_t block_ = 0;
  std::size_t used_ = 4;
  std::array<std::uint32_t, 4> words_{};
};

}  // namespace sdepth::inline SDEPTH_ISA
