// The way out of a backward stage: raw gradient rows from scratch, plus `add`, masked by the Source's ReLU, to memory; with the sums its norms need.
#pragma once

#include <cstddef>

#include <sdepth/kernels/cpu/source.hpp>

namespace sdepth::cpu {

/// Sums of one part of the batch, per channel [padded(C)]; null: not wanted. The x̂ sums lack the factor inverse_deviation until the parts are merged.
struct PartialSums {
  float* dz = nullptr;
  float* dz_x = nullptr;         // Σ dz·(x − mean)
  float* dz_shortcut = nullptr;  // Σ dz·(shortcut − its mean)
};

/// Σ dz·(x − mean) of one vector of channels.
template <class Arch, bool Wanted>
struct CentredSum {
  Vector<Arch> mean, sum;
  CentredSum(const Norm<float>* norm, std::size_t c) {
    if constexpr (Wanted) {
      mean = load<Arch>(norm->mean + c);
      sum = all<Arch>(0.0F);
    }
  }
  SDEPTH_INLINE void add(const Vector<Arch>& dz, const float* x) {
    if constexpr (Wanted) sum = fma<Arch>(dz, load<Arch>(x) - mean, sum);
  }
  void add_to(float* total) const {
    if constexpr (Wanted) store<Arch>(total, load<Arch>(total) + sum);
  }
};

template <class Arch, bool Add, bool Mask, bool Dz, bool DzX, bool DzShortcut>
void write_masked(const float* gradient, const float* v, const Source<float>& source, const float* add, float* out, const Run& run,
                  const PartialSums& sums) {
  const auto channels = static_cast<std::size_t>(run.channels);
  for (std::size_t c = 0; c < channels; c += lanes<Arch>) {
    Vector<Arch> dz_sum = all<Arch>(0.0F);
    CentredSum<Arch, DzX> x_sum(source.norm, c);
    CentredSum<Arch, DzShortcut> shortcut_sum(source.shortcut_norm, c);
    for (std::size_t i = c; i < run.size(); i += channels) {
      Vector<Arch> dz = load<Arch>(gradient + i);
      if constexpr (Add) dz = dz + load<Arch>(add + run.at + i);
      if constexpr (Mask) dz = where_positive<Arch>(load<Arch>(v + i), dz);
      store<Arch>(out + run.at + i, dz);
      if constexpr (Dz) dz_sum = dz_sum + dz;
      x_sum.add(dz, source.x + run.at + i);
      if constexpr (DzShortcut) shortcut_sum.add(dz, source.shortcut + run.at + i);
    }
    if constexpr (Dz) store<Arch>(sums.dz + c, load<Arch>(sums.dz + c) + dz_sum);
    x_sum.add_to(sums.dz_x + c);
    shortcut_sum.add_to(sums.dz_shortcut + c);
  }
}

/// out = mask(gradient + add) over the run, in this order per number, so that out may be `add`. gradient and v (read where the Source has a ReLU)
/// point at the run's first number; add and out, and the Source's tensors, are indexed by run.at.
template <class Arch>
void finish_gradient(const float* gradient, const float* v, const Source<float>& source, const float* add, float* out, const Run& run,
                     const PartialSums& sums) {
  when(add, [&](auto adds) {
    when(source.relu, [&](auto masks) {
      when(sums.dz, [&](auto dz) {
        when(sums.dz_x, [&](auto dz_x) {
          when(sums.dz_shortcut,
               [&](auto dz_shortcut) { write_masked<Arch, adds, masks, dz, dz_x, dz_shortcut>(gradient, v, source, add, out, run, sums); });
        });
      });
    });
  });
}

/// Where parts keep their sums: [parts][3][channels] in shared memory, zero before use.
class SumsOfParts {
 public:
  SumsOfParts(float* memory, int channels, const SourceSums<float>& wanted) : memory_(memory), channels_(channels), wanted_(wanted) {}
  [[nodiscard]] static constexpr std::size_t size(int parts, int channels) {
    return static_cast<std::size_t>(parts) * 3 * static_cast<std::size_t>(channels);
  }
  [[nodiscard]] PartialSums of(int part) const {
    return {wanted_.dz ? at(part, 0) : nullptr, wanted_.dz_normalised ? at(part, 1) : nullptr,
            wanted_.dz_normalised_shortcut ? at(part, 2) : nullptr};
  }
  /// Adds the parts up in their order, in double, and applies the inverse deviations.
  void merge(int parts, const Source<float>& source) const {
    merge_one(parts, 0, nullptr, wanted_.dz);
    merge_one(parts, 1, source.norm, wanted_.dz_normalised);
    merge_one(parts, 2, source.shortcut_norm, wanted_.dz_normalised_shortcut);
  }

 private:
  [[nodiscard]] float* at(int part, int which) const {
    return memory_ + static_cast<std::size_t>(part * 3 + which) * static_cast<std::size_t>(channels_);
  }
  void merge_one(int parts, int which, const Norm<float>* norm, float* result) const {
    for (int c = 0; result && c < channels_; ++c) {
      double sum = 0;
      for (int part = 0; part < parts; ++part) sum += static_cast<double>(at(part, which)[c]);
      result[c] = static_cast<float>(norm ? sum * static_cast<double>(norm->inverse_deviation[c]) : sum);
    }
  }
  float* memory_;
  int channels_;
  SourceSums<float> wanted_;
};

}  // namespace sdepth::cpu
