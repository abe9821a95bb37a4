// Batch normalisation's mean and variance, from values on their way to memory.
//
// Each block of pixels gives its own mean and squared deviations; blocks, and then parts of the batch, are
// merged by Chan's formula. No E[x²] − E[x]², whose digits cancel where the mean is large against the
// deviation. Source: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample
// Variances", 1979.
#pragma once

#include <cstddef>

#include <sdepth/kernels/cpu/stored.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Count, means and sums of squared deviations [padded(C)] of one part of the batch.
class Moments {
 public:
  Moments(float* mean, float* squares) : mean_(mean), squares_(squares) {}

  /// The next block has so many pixels: tile() or block() follows for each vector of channels.
  void begin(int pixels) {
    const float m = static_cast<float>(pixels), n = static_cast<float>(count_);
    per_pixel_ = 1.0F / m;
    share_ = m / (n + m);
    between_ = n * share_;
    count_ += pixels;
  }
  /// A block in registers.
  template <class Arch, std::size_t Rows, std::size_t Columns>
  SDEPTH_INLINE void tile(int channel, const Vector<Arch> (&values)[Rows][Columns]) {
    Vector<Arch> sum = values[0][0];
    SDEPTH_UNROLL(16)
    for (std::size_t i = 1; i < Rows * Columns; ++i) sum = sum + values[i / Columns][i % Columns];
    const Vector<Arch> mean = sum * all<Arch>(per_pixel_);
    Vector<Arch> squares = all<Arch>(0.0F);
    SDEPTH_UNROLL(16)
    for (std::size_t i = 0; i < Rows * Columns; ++i) {
      const Vector<Arch> deviation = values[i / Columns][i % Columns] - mean;
      squares = fma<Arch>(deviation, deviation, squares);
    }
    merge<Arch>(channel, mean, squares);
  }
  /// A block in memory: pixels `step` numbers apart, rows of `columns` pixels `row_step` numbers apart.
  template <class Arch, class Stored>
  void block(int channel, const Stored* values, int rows, int columns, int row_step, int step) {
    const auto sum_up = [&](const auto& term) SDEPTH_INLINE_LAMBDA {
      // Two chains of additions hide half of their latency; more would not pay for blocks this small.
      Vector<Arch> even = all<Arch>(0.0F), odd = even;
      for (int r = 0; r < rows; ++r) {
        const Stored* p = values + r * row_step;
        int i = 0;
        for (; i + 1 < columns; i += 2, p += 2 * step) {
          even = term(even, load<Arch>(p));
          odd = term(odd, load<Arch>(p + step));
        }
        if (i < columns) even = term(even, load<Arch>(p));
      }
      return even + odd;
    };
    const Vector<Arch> mean = sum_up([](const Vector<Arch>& sum, const Vector<Arch>& v)
                                         SDEPTH_INLINE_LAMBDA { return sum + v; }) *
                              all<Arch>(per_pixel_);
    merge<Arch>(channel, mean,
                sum_up([&](const Vector<Arch>& sum, const Vector<Arch>& v)
                           SDEPTH_INLINE_LAMBDA { return fma<Arch>(v - mean, v - mean, sum); }));
  }

 private:
  template <class Arch>
  SDEPTH_INLINE void merge(int channel, const Vector<Arch>& mean, const Vector<Arch>& squares) {
    const Vector<Arch> old = load<Arch>(mean_ + channel), delta = mean - old;
    store<Arch>(mean_ + channel, fma<Arch>(delta, all<Arch>(share_), old));
    store<Arch>(squares_ + channel,
                fma<Arch>(delta * delta, all<Arch>(between_), load<Arch>(squares_ + channel) + squares));
  }
  float* mean_;
  float* squares_;
  long count_ = 0;
  float per_pixel_ = 0, share_ = 0, between_ = 0;
};

/// Where parts keep their moments: [parts][2][channels] in shared memory, zero before use.
class MomentsOfParts {
 public:
  MomentsOfParts(float* memory, int channels) : memory_(memory), channels_(channels) {}
  [[nodiscard]] static constexpr std::size_t size(int parts, int channels) {
    return static_cast<std::size_t>(parts) * 2 * static_cast<std::size_t>(channels);
  }
  [[nodiscard]] Moments of(int part) const { return {at(part, 0), at(part, 1)}; }

  /// Merges the parts in their order, in double. @param pixels  of an image
  void merge(Workspace<float>& context, const BatchParts& parts, std::size_t pixels,
             const Statistics<float>& result) const {
    context.fetch_statistics(memory_, size(1, channels_));
    for (int c = 0; c < channels_; ++c) {
      double n = 0, mean = 0, squares = 0;
      for (int part = parts.merged.first; part < parts.merged.last; ++part) {
        const double m = static_cast<double>(parts.size(part)) * static_cast<double>(pixels);
        if (m <= 0) continue;
        const double delta = static_cast<double>(at(part, 0)[c]) - mean;
        mean += delta * m / (n + m);
        squares += static_cast<double>(at(part, 1)[c]) + delta * delta * n * m / (n + m);
        n += m;
      }
      result.mean[c] = static_cast<float>(mean);
      result.variance[c] = static_cast<float>(n > 0 ? squares / n : 0);
    }
  }

 private:
  [[nodiscard]] float* at(int part, int which) const {
    return memory_ + static_cast<std::size_t>(part * 2 + which) * static_cast<std::size_t>(channels_);
  }
  float* memory_;
  int channels_;
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
