// The way out of a stage: sinks, to which kernels give the pixels they have computed, a block at a time.
//
// A sink's interface: begin(pixels), then for each vector of channels of the block either
//   tile(row, column, channel, values)                        the whole block in registers, [rows][columns]
//   block(row, column, channel, values, rows, columns, …)     in memory, of any size
// where (row, column) is the block's first pixel in its image. What there is to do is asked once per block,
// not per pixel.
#pragma once

#include <algorithm>
#include <cstddef>

#include <sdepth/kernels/cpu/rounding.hpp>
#include <sdepth/kernels/cpu/scratch.hpp>
#include <sdepth/kernels/cpu/source.hpp>
#include <sdepth/kernels/cpu/statistics.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Forward: + bias, to memory, with the statistics. For one image of shape Out, channels padded.
template <class Arch, Shape Out, class Stored>
class ForwardSink {
 public:
  /// @param bias, moments  null: none   @param rounder  from the image's first pixel on
  ForwardSink(Stored* out, const float* bias, Moments* moments, const Rounder<Stored>& rounder)
      : out_(out), bias_(bias), moments_(moments), rounder_(rounder) {}

  void begin(int pixels) const {
    if (moments_) moments_->begin(pixels);
  }
  template <std::size_t Rows, std::size_t Columns>
  SDEPTH_INLINE void tile(int row, int column, int channel, Vector<Arch> (&values)[Rows][Columns]) const {
    Vector<Arch> bias = bias_ ? load<Arch>(bias_ + channel) : all<Arch>(0.0F);
    if constexpr (Rounder<Stored>::rounds)
      if (rounder_) {
        rounder_.template tile<Arch, Out>(row, column, channel, bias, values);
        bias = all<Arch>(-0.0F);  // changes nothing, not even the sign of a zero
      }
    Stored* to = out_ + (row * Out.width + column) * Out.channels + channel;
    SDEPTH_UNROLL(4)
    for (std::size_t i = 0; i < Rows; ++i) {
      SDEPTH_UNROLL(4)
      for (std::size_t j = 0; j < Columns; ++j) {
        Stored* const pixel = to + (static_cast<int>(i) * Out.width + static_cast<int>(j)) * Out.channels;
        values[i][j] = store_rounded<Arch>(pixel, values[i][j] + bias);
      }
    }
    if (moments_) moments_->tile<Arch>(channel, values);
  }
  void block(int row, int column, int channel, const float* values, int rows, int columns, int row_step,
             int step) const {
    const Vector<Arch> bias = bias_ ? load<Arch>(bias_ + channel) : all<Arch>(0.0F);
    Stored* to = out_ + (row * Out.width + column) * Out.channels + channel;
    if constexpr (Rounder<Stored>::rounds)
      if (rounder_) {
        store_rounded_block(row, column, channel, values, rows, columns, row_step, step, bias);
        if (moments_)
          moments_->block<Arch>(channel, to, rows, columns, Out.width * Out.channels, Out.channels);
        return;
      }
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        store<Arch>(to + (i * Out.width + j) * Out.channels,
                    load<Arch>(values + i * row_step + j * step) + bias);
    if (moments_) moments_->block<Arch>(channel, to, rows, columns, Out.width * Out.channels, Out.channels);
  }

 private:
  /// By four pixels of a row.
  void store_rounded_block(int row, int column, int channel, const float* values, int rows, int columns,
                           int row_step, int step, const Vector<Arch>& bias) const {
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; j += 4) {
        Vector<Arch> four[1][4];
        for (int k = 0; k < 4; ++k)
          four[0][k] = load<Arch>(values + i * row_step + std::min(j + k, columns - 1) * step);
        rounder_.template tile<Arch, Out>(row + i, column + j, channel, bias, four);
        Stored* const to = out_ + ((row + i) * Out.width + column + j) * Out.channels + channel;
        for (int k = 0; k < std::min(4, columns - j); ++k) store<Arch>(to + k * Out.channels, four[0][k]);
      }
  }
  Stored* out_;
  const float* bias_;
  Moments* moments_;
  [[no_unique_address]] Rounder<Stored> rounder_;
};

/// Sums of one part of the batch, per channel [padded(C)]; null: not wanted. The x̂ sums lack the factor
/// inverse_deviation until the parts are merged.
struct PartialSums {
  float* dz = nullptr;
  float* dz_x = nullptr;         // Σ dz·(x − mean)
  float* dz_shortcut = nullptr;  // Σ dz·(shortcut − its mean)
};

/// The sums of image n of a Source: its own, where its images have their own, else those of the part.
template <class Stored>
[[nodiscard]] PartialSums sums_of_image(const Source<float, Stored>& source, int n, int channels,
                                        const PartialSums& part) noexcept {
  if (!source.images) return part;
  float* own = source.images[n].sums;
  return {own, own ? own + channels : nullptr, nullptr};
}
/// Sets an image's own sums to zero.
template <class Stored>
void clear_sums(const Source<float, Stored>& source, int n, int channels) {
  if (source.images && source.images[n].sums) std::fill_n(source.images[n].sums, 2 * channels, 0.0F);
}

/// Backward: out = the gradient of the Source before its activation A, from gradient + add; with the sums
/// that its norms need. For one image of shape In, channels padded.
///
/// Source, add and out are given at the image's first number. v is what read_derivatives writes, in scratch
/// of geometry V, read where the Source is activated. out may be `add`. `rounder` counts from the image's
/// first pixel, too.
template <class Arch, class A, Shape In, Scratch V, class Stored>
class GradientSink {
 public:
  GradientSink(const Source<float, Stored>& source, const float* v, const Stored* add, Stored* out,
               const PartialSums& sums, const Rounder<Stored>& rounder)
      : mean_(source.norm ? source.norm->mean : nullptr),
        shortcut_mean_(source.shortcut_norm ? source.shortcut_norm->mean : nullptr),
        x_(sums.dz_x ? source.x : nullptr),
        shortcut_(sums.dz_shortcut ? source.shortcut : nullptr),
        v_(source.activated ? v : nullptr),
        add_(add),
        out_(out),
        sums_(sums),
        rounder_(rounder) {}

  void begin(int) const {}
  template <std::size_t Rows, std::size_t Columns>
  SDEPTH_INLINE void tile(int row, int column, int channel, Vector<Arch> (&dz)[Rows][Columns]) const {
    const std::ptrdiff_t at = (std::ptrdiff_t{row} * In.width + column) * In.channels + channel;
    const auto each = [&](const auto& body) SDEPTH_INLINE_LAMBDA {
      SDEPTH_UNROLL(4)
      for (std::size_t i = 0; i < Rows; ++i) {
        SDEPTH_UNROLL(4)
        for (std::size_t j = 0; j < Columns; ++j)
          body(dz[i][j], at + (static_cast<int>(i) * In.width + static_cast<int>(j)) * In.channels,
               static_cast<int>(i), static_cast<int>(j));
      }
    };
    if (add_)
      each([&](Vector<Arch>& d, std::ptrdiff_t p, int, int)
               SDEPTH_INLINE_LAMBDA { d = d + load<Arch>(add_ + p); });
    if (v_) {
      const float* v = v_ + V.at(row, column) + channel;
      each([&](Vector<Arch>& d, std::ptrdiff_t, int i, int j) SDEPTH_INLINE_LAMBDA {
        d = through_activation<Arch, A>(d, load<Arch>(v + i * V.row() + j * In.channels));
      });
    }
    if constexpr (Rounder<Stored>::rounds)
      if (rounder_) rounder_.template tile<Arch, In>(row, column, channel, all<Arch>(-0.0F), dz);
    each([&](Vector<Arch>& d, std::ptrdiff_t p, int, int)
             SDEPTH_INLINE_LAMBDA { d = store_rounded<Arch>(out_ + p, d); });
    const auto add_up = [&](float* total, const auto& term) SDEPTH_INLINE_LAMBDA {
      Vector<Arch> sum = load<Arch>(total + channel);
      each([&](const Vector<Arch>& d, std::ptrdiff_t p, int, int)
               SDEPTH_INLINE_LAMBDA { sum = term(sum, d, p); });
      store<Arch>(total + channel, sum);
    };
    if (sums_.dz)
      add_up(sums_.dz, [](const Vector<Arch>& sum, const Vector<Arch>& d, std::ptrdiff_t) SDEPTH_INLINE_LAMBDA { return sum + d; });
    if (x_) {
      const Vector<Arch> mean = load<Arch>(mean_ + channel);
      add_up(sums_.dz_x,
             [&](const Vector<Arch>& sum, const Vector<Arch>& d, std::ptrdiff_t p)
                             SDEPTH_INLINE_LAMBDA { return fma<Arch>(d, load<Arch>(x_ + p) - mean, sum); });
    }
    if (shortcut_) {
      const Vector<Arch> mean = load<Arch>(shortcut_mean_ + channel);
      add_up(sums_.dz_shortcut, [&](const Vector<Arch>& sum, const Vector<Arch>& d, std::ptrdiff_t p)
                                    SDEPTH_INLINE_LAMBDA {
                                      return fma<Arch>(d, load<Arch>(shortcut_ + p) - mean, sum);
                                    });
    }
  }
  void block(int row, int column, int channel, const float* values, int rows, int columns, int row_step,
             int step) const {
    const int whole = columns - columns % 4;
    for (int i = 0; i < rows; ++i) {
      const float* from = values + i * row_step;
      for (int j = 0; j < whole; j += 4) {
        Vector<Arch> dz[1][4];
        SDEPTH_UNROLL(4)
        for (int k = 0; k < 4; ++k) dz[0][k] = load<Arch>(from + (j + k) * step);
        tile(row + i, column + j, channel, dz);
      }
      for (int j = whole; j < columns; ++j) {
        Vector<Arch> dz[1][1] = {{load<Arch>(from + j * step)}};
        tile(row + i, column + j, channel, dz);
      }
    }
  }

 private:
  const float* mean_;
  const float* shortcut_mean_;
  const Stored* x_;
  const Stored* shortcut_;
  const float* v_;
  const Stored* add_;
  Stored* out_;
  PartialSums sums_;
  [[no_unique_address]] Rounder<Stored> rounder_;
};

/// Where parts keep their sums: [parts][3][channels] in shared memory, zero before use.
class SumsOfParts {
 public:
  SumsOfParts(float* memory, int channels, const SourceSums<float>& wanted)
      : memory_(memory), channels_(channels), wanted_(wanted) {}
  [[nodiscard]] static constexpr std::size_t size(int parts, int channels) {
    return static_cast<std::size_t>(parts) * 3 * static_cast<std::size_t>(channels);
  }
  [[nodiscard]] PartialSums of(int part) const {
    return {wanted_.dz ? at(part, 0) : nullptr, wanted_.dz_normalised ? at(part, 1) : nullptr,
            wanted_.dz_normalised_shortcut ? at(part, 2) : nullptr};
  }
  [[nodiscard]] bool any() const noexcept { return wanted_.dz || wanted_.dz_normalised_shortcut; }
  /// Begins to fetch those of other processes: merge() waits for them.
  void send(Workspace<float>& context) const { context.begin_statistics(memory_, size(1, channels_)); }
  /// Adds the parts up in their order, in double, and applies the inverse deviations. @param sent  send() has
  /// been called
  template <class Stored>
  void merge(Workspace<float>& context, const BatchParts& parts, const Source<float, Stored>& source,
             bool sent = false) const {
    if (sent)
      context.finish_statistics();
    else if (any())
      context.fetch_statistics(memory_, size(1, channels_));
    merge_one(parts, 0, nullptr, wanted_.dz);
    merge_one(parts, 1, source.norm, wanted_.dz_normalised);
    merge_one(parts, 2, source.shortcut_norm, wanted_.dz_normalised_shortcut);
  }

 private:
  [[nodiscard]] float* at(int part, int which) const {
    return memory_ + static_cast<std::size_t>(part * 3 + which) * static_cast<std::size_t>(channels_);
  }
  void merge_one(const BatchParts& parts, int which, const Norm<float>* norm, float* result) const {
    for (int c = 0; result && c < channels_; ++c) {
      double sum = 0;
      for (int part = parts.merged.first; part < parts.merged.last; ++part)
        sum += static_cast<double>(at(part, which)[c]);
      result[c] = static_cast<float>(norm ? sum * static_cast<double>(norm->inverse_deviation[c]) : sum);
    }
  }
  float* memory_;
  int channels_;
  SourceSums<float> wanted_;
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
