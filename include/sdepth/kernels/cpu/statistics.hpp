// Batch normalisation's mean and variance, from rows that are still in L1 when they are written.
//
// Each run of rows gives its own mean and squared deviations; runs, and then parts of the batch, are merged by Chan's formula. No E[x²] − E[x]², whose
// digits cancel where the mean is large against the deviation.
// Source: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
#pragma once

#include <cstddef>

#include <sdepth/kernels/cpu/source.hpp>

namespace sdepth::cpu {

/// Count, means and sums of squared deviations [padded(C)] of one part of the batch.
class Moments {
 public:
  Moments(float* mean, float* squares) : mean_(mean), squares_(squares) {}

  /// Merges a run of pixels; values points at its first number.
  template <class Arch>
  void add(const float* values, int pixels, int channels) {
    const auto step = static_cast<std::size_t>(channels);
    const auto size = static_cast<std::size_t>(pixels) * step;
    const float share = static_cast<float>(pixels) / static_cast<float>(count_ + pixels);
    const float between = static_cast<float>(count_) * share;
    for (std::size_t c = 0; c < step; c += lanes<Arch>) {
      // Two chains of additions hide half of their latency; more would not pay for runs this short.
      Vector<Arch> even = all<Arch>(0.0F), odd = even;
      std::size_t i = c;
      for (; i + step < size; i += 2 * step) {
        even = even + load<Arch>(values + i);
        odd = odd + load<Arch>(values + i + step);
      }
      if (i < size) even = even + load<Arch>(values + i);
      const Vector<Arch> mean = (even + odd) * all<Arch>(1.0F / static_cast<float>(pixels));
      even = odd = all<Arch>(0.0F);
      for (i = c; i + step < size; i += 2 * step) {
        const Vector<Arch> a = load<Arch>(values + i) - mean, b = load<Arch>(values + i + step) - mean;
        even = fma<Arch>(a, a, even);
        odd = fma<Arch>(b, b, odd);
      }
      if (i < size) {
        const Vector<Arch> a = load<Arch>(values + i) - mean;
        even = fma<Arch>(a, a, even);
      }
      const Vector<Arch> delta = mean - load<Arch>(mean_ + c);
      store<Arch>(mean_ + c, fma<Arch>(delta, all<Arch>(share), load<Arch>(mean_ + c)));
      store<Arch>(squares_ + c, load<Arch>(squares_ + c) + even + odd + delta * delta * all<Arch>(between));
    }
    count_ += pixels;
  }

 private:
  float* mean_;
  float* squares_;
  long count_ = 0;
};

/// Where parts keep their moments: [parts][2][channels] in shared memory, zero before use.
class MomentsOfParts {
 public:
  MomentsOfParts(float* memory, int channels) : memory_(memory), channels_(channels) {}
  [[nodiscard]] static constexpr std::size_t size(int parts, int channels) {
    return static_cast<std::size_t>(parts) * 2 * static_cast<std::size_t>(channels);
  }
  [[nodiscard]] Moments of(int part) const { return {at(part, 0), at(part, 1)}; }

  /// Merges the parts in their order, in double. count(part): its numbers per channel.
  template <class Count>
  void merge(int parts, const Count& count, const Statistics<float>& result) const {
    for (int c = 0; c < channels_; ++c) {
      double n = 0, mean = 0, squares = 0;
      for (int part = 0; part < parts; ++part) {
        const double m = static_cast<double>(count(part));
        if (m == 0) continue;
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

}  // namespace sdepth::cpu
