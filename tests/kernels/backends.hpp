// What the kernel tests share: the backends that this build can run, operands in each backend's layout, and
// comparison with the reference.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/kernels/rounding.hpp>
#if !defined(__CUDACC__)  // nvcc compiles the tests of the device alone
#include <sdepth/kernels/cpu/cpu.hpp>
#endif

namespace sdepth::test {

#if !defined(__CUDACC__)
/// The backend for the instructions that this program is compiled for. The same tests are compiled for every
/// level of x86-64: vectors of 16, 8 and 4 lanes, with and without fused multiply-add.
using Backends = std::tuple<Cpu<>>;
#endif

[[nodiscard]] inline std::vector<float> random_numbers(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(count);
  for (float& number : numbers) number = normal(random);
  return numbers;
}

/// A tensor [pixels, channels] in backend B's layout. Made from dense numbers, with zeros in the further
/// lanes; or, as an output, full of NaN.
template <class B, class Number = float>
class Packed {
 public:
  Packed(std::size_t pixels, int channels, bool padded = true)
      : channels_(static_cast<std::size_t>(channels)),
        pitch_(padded ? static_cast<std::size_t>(B::padded(channels)) : channels_),
        numbers_(pixels * pitch_, Number(std::numeric_limits<float>::quiet_NaN())) {}
  Packed(const std::vector<float>& dense, int channels, bool padded = true)
      : Packed(dense.size() / static_cast<std::size_t>(channels), channels, padded) {
    for (std::size_t i = 0; i < numbers_.size(); ++i)
      numbers_[i] = Number(i % pitch_ < channels_ ? dense[i / pitch_ * channels_ + i % pitch_] : 0.0F);
  }
  [[nodiscard]] Number* data() noexcept { return numbers_.data(); }

  /// The numbers without padding, whose lanes must be zero.
  [[nodiscard]] std::vector<float> dense() const {
    std::vector<float> result;
    bool zero = true;
    for (std::size_t i = 0; i < numbers_.size(); ++i)
      if (i % pitch_ < channels_)
        result.push_back(numbers_[i]);
      else
        zero = zero && numbers_[i] == 0.0F;
    CHECK_MESSAGE(zero, "the lanes beyond the channels must be zero");
    return result;
  }

 private:
  std::size_t channels_;
  std::size_t pitch_;
  std::vector<Number> numbers_;
};
/// Activations as the backend stores them.
template <class B>
using Activations = Packed<B, typename B::Stored>;

/// A norm with random numbers.
template <class B>
class RandomNorm {
 public:
  RandomNorm(int channels, unsigned seed) {
    for (unsigned i = 0; i < 7; ++i)
      parts_.emplace_back(random_numbers(static_cast<std::size_t>(channels), seed + i), channels);
    norm_ = {parts_[0].data(), parts_[1].data(), parts_[2].data(), parts_[3].data(),
             parts_[4].data(), parts_[5].data(), parts_[6].data()};
  }
  [[nodiscard]] const Norm<float>* get() const noexcept { return &norm_; }

 private:
  std::vector<Packed<B>> parts_;
  Norm<float> norm_;
};

/// What is pending on a Source.
struct Pending {
  bool norm = false;
  bool shortcut = false;
  bool shortcut_norm = false;
  bool activated = false;
  bool finished = false;
};

/// Pending activations: behind a norm, and behind a block's sum, with finished values and without.
inline constexpr Pending few_activated[] = {
    {.norm = true, .activated = true},
    {.norm = true, .activated = true, .finished = true},
    {.norm = true, .shortcut = true, .shortcut_norm = true, .activated = true},
    {.norm = true, .shortcut = true, .shortcut_norm = true, .activated = true, .finished = true},
};

/// A Source over random numbers; `finished` is an output for forward stages, and holds the values for
/// backward ones.
template <class B>
class RandomSource {
 public:
  RandomSource(std::size_t pixels, int channels, const Pending& pending, unsigned seed, bool padded = true)
      : x_(random_numbers(pixels * static_cast<std::size_t>(channels), seed), channels, padded),
        shortcut_(random_numbers(pixels * static_cast<std::size_t>(channels), seed + 1), channels, padded),
        finished_(pixels, channels, padded),
        norm_(channels, seed + 10),
        shortcut_norm_(channels, seed + 20) {
    source_.x = x_.data();
    if (pending.norm) source_.norm = norm_.get();
    if (pending.shortcut) source_.shortcut = shortcut_.data();
    if (pending.shortcut_norm) source_.shortcut_norm = shortcut_norm_.get();
    source_.activated = pending.activated;
    if (pending.finished) source_.finished = finished_.data();
  }
  [[nodiscard]] const Source<float, typename B::Stored>& get() const noexcept { return source_; }
  [[nodiscard]] const Activations<B>& finished() const noexcept { return finished_; }

  /// Replaces the values by given ones: a backward stage must then use these, not those it could compute.
  void set_finished(const std::vector<float>& dense, int channels) {
    finished_ = Activations<B>(dense, channels);
    source_.finished = finished_.data();
  }

 private:
  Activations<B> x_, shortcut_, finished_;
  RandomNorm<B> norm_, shortcut_norm_;
  Source<float, typename B::Stored> source_;
};

/// All combinations that mean something.
[[nodiscard]] inline std::vector<Pending> all_pending() {
  std::vector<Pending> all;
  for (int bits = 0; bits < 32; ++bits) {
    const Pending pending{(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0,
                          (bits & 16) != 0};
    if (pending.shortcut || !pending.shortcut_norm) all.push_back(pending);
  }
  return all;
}

/// Whether the cases' kernels round stochastically what they store in bfloat16, where the backend can.
inline bool rounds_stochastically = false;
template <class B>
void choose_rounding([[maybe_unused]] typename B::Context& context) {
  if constexpr (RoundsStochastically<B>)
    if (rounds_stochastically) {
      context.rounding().stochastic(123456789012345, 7);
      context.rounding().begin(3);
    }
}

/// Named outputs of a kernel, without padding.
using Results = std::map<std::string, std::vector<float>>;

/// ‖a − b‖ / ‖b‖.
[[nodiscard]] inline double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    error += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return norm > 0 ? std::sqrt(error / norm) : std::sqrt(error);
}

/// Every result within the relative error, and within 20 times it number by number (against the largest).
inline void check_close(const Results& results, const Results& expected, double tolerance) {
  for (const auto& [name, values] : expected) {
    CAPTURE(name);
    const std::vector<float>& found = results.at(name);
    REQUIRE(found.size() == values.size());
    CHECK(relative_error(found, values) <= tolerance);
    double largest = 1e-30, worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(values[i])));
      worst = std::max(worst, std::abs(static_cast<double>(found[i]) - static_cast<double>(values[i])));
    }
    CHECK(worst <= 20 * tolerance * largest);
  }
}

}  // namespace sdepth::test
