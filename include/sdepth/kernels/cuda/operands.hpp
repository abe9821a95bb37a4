// Operands as kernels on the device get them: plain structures, by value, full of pointers to device memory.
//
// On the host a Source and a Gradient point to a Norm in host memory, whose arrays lie on the device.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include <sdepth/activations/activation.hpp>
#include <sdepth/kernels/cuda/rounding.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Channels lie in memory as whole groups of 8: the depth of a tensor core's product, and two copies of 16
/// bytes.
inline constexpr int lanes = 8;
[[nodiscard]] constexpr int padded(int channels) noexcept { return round_up(channels, lanes); }

/// @tparam Stored  what activations and their gradients lie in memory as: float, or bfloat16
///
/// A Source: v = A::forward( scale·x + shift + (shortcut_scale·shortcut + shortcut_shift) ), absent parts
/// null; A is the kernel's, where activated.
template <class Stored>
struct Reading {
  using Number = Stored;
  const Stored* x = nullptr;
  const float* scale = nullptr;
  const float* shift = nullptr;
  const Stored* shortcut = nullptr;
  const float* shortcut_scale = nullptr;
  const float* shortcut_shift = nullptr;
  Stored* finished = nullptr;
  bool written_down = false;  // v is, here or by another block: then it is the number that lies in memory
  bool activated = false;
  TensorRounding<Stored> rounding;  // of v, where it is written down

  Reading() = default;
  explicit Reading(const Source<float, Stored>& source)
      : x(source.x),
        scale(source.norm ? source.norm->scale : nullptr),
        shift(source.norm ? source.norm->shift : nullptr),
        shortcut(source.shortcut),
        shortcut_scale(source.shortcut_norm ? source.shortcut_norm->scale : nullptr),
        shortcut_shift(source.shortcut_norm ? source.shortcut_norm->shift : nullptr),
        finished(source.finished),
        written_down(source.finished != nullptr),
        activated(source.activated) {}

  friend bool operator==(const Reading&, const Reading&) = default;
};

[[nodiscard]] __device__ inline bool is_nan(float v) { return v != v; }

/// v of number i of the tensor, in channel c.
template <class A, class Stored>
[[nodiscard]] __device__ inline float value(const Reading<Stored>& r, std::size_t i, int c) {
  float v = r.x[i];
  if (r.scale) v = fmaf(r.scale[c], v, r.shift[c]);
  if (r.shortcut) {
    const float shortcut = r.shortcut[i];
    v += r.shortcut_scale ? fmaf(r.shortcut_scale[c], shortcut, r.shortcut_shift[c]) : shortcut;
  }
  return r.activated ? A::forward(v) : v;
}

/// A Gradient: scale·dy + slope·(x − mean) + offset, or dy itself where scale is null.
template <class Stored>
struct GradientReading {
  using Number = Stored;
  const Stored* dy = nullptr;
  const Stored* x = nullptr;
  const float* mean = nullptr;
  const float* scale = nullptr;
  const float* slope = nullptr;
  const float* offset = nullptr;

  GradientReading() = default;
  explicit GradientReading(const Gradient<float, Stored>& gradient) : dy(gradient.dy) {
    if (!gradient.norm) return;
    x = gradient.x;
    mean = gradient.norm->mean;
    scale = gradient.norm->gradient_scale;
    slope = gradient.norm->gradient_slope;
    offset = gradient.norm->gradient_offset;
  }

  friend bool operator==(const GradientReading&, const GradientReading&) = default;
};

/// Where a forward stage puts the statistics of its output, and the norm that its last block prepares from
/// them.
struct StatisticsResult {
  float* mean = nullptr;  // null: not wanted
  float* variance = nullptr;
  NormForward<float> norm;  // without γ: none

  StatisticsResult() = default;
  explicit StatisticsResult(const Statistics<float>& statistics)
      : mean(statistics.mean), variance(statistics.variance) {
    if (statistics.norm) norm = *statistics.norm;
  }

  friend bool operator==(const StatisticsResult&, const StatisticsResult&) = default;
};

/// The Source of a backward stage: what its activation's derivative is made of, and which sums are wanted.
template <class Stored>
struct Masking {
  Reading<Stored> source;
  const Stored* add = nullptr;  // [N, H, W, C'], may be the array that is written
  const float* mean = nullptr;
  const float* inverse_deviation = nullptr;
  const float* shortcut_mean = nullptr;
  const float* shortcut_inverse_deviation = nullptr;
  float* dz = nullptr;  // as SourceSums
  float* dz_normalised = nullptr;
  float* dz_normalised_shortcut = nullptr;
  NormBackward<float> norm, shortcut_norm;  // that the last block prepares from the sums; without γ: none
  const unsigned* failed = nullptr;         // Context::failed()

  Masking() = default;
  Masking(const Source<float, Stored>& from, const Stored* addend, const SourceSums<float>& sums,
          const unsigned* failed_)
      : source(from),
        add(addend),
        dz(sums.dz),
        dz_normalised(sums.dz_normalised),
        dz_normalised_shortcut(sums.dz_normalised_shortcut),
        failed(failed_) {
    if (from.norm) mean = from.norm->mean, inverse_deviation = from.norm->inverse_deviation;
    if (sums.norm) norm = *sums.norm;
    if (sums.shortcut_norm) shortcut_norm = *sums.shortcut_norm;
    if (from.shortcut_norm)
      shortcut_mean = from.shortcut_norm->mean,
      shortcut_inverse_deviation = from.shortcut_norm->inverse_deviation;
  }
  [[nodiscard]] bool sums_wanted() const noexcept { return dz || dz_normalised || dz_normalised_shortcut; }

  friend bool operator==(const Masking&, const Masking&) = default;
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
