// The main operations of a network's stages, as shapes: what kernels are compiled for and plans are made of.
#pragma once

#include <cstddef>

#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A 2-D convolution (cross-correlation, as in PyTorch), zero padding. Weights are [kernel, kernel, C_in,
/// padded(C_out)].
struct ConvShape {
  Shape in;
  int channels_out = 0;
  int kernel = 3;
  int stride = 1;
  int padding = 1;
  bool bias = false;
  /// The input is the network's own: its pixels are C_in numbers apart instead of padded(C_in), and it needs
  /// no gradient.
  bool network_input = false;

  [[nodiscard]] constexpr Shape out() const noexcept {
    return {channels_out, (in.height + 2 * padding - kernel) / stride + 1,
            (in.width + 2 * padding - kernel) / stride + 1};
  }
  friend constexpr bool operator==(const ConvShape&, const ConvShape&) = default;
};

enum class PoolKind { average, maximum };

/// Pooling over windows that lie inside the image, but for the zero (average) or absent (maximum) padding;
/// out = floor((in + 2·padding − window) / stride) + 1. The average divides by window², padding included, as
/// PyTorch's default does.
///
/// With ceil_mode, PyTorch's word, out = ceil((in − window) / stride) + 1 without padding: the last windows
/// of a row or column may reach beyond the image, and an average divides by the pixels that are there.
struct PoolShape {
  Shape in;
  PoolKind kind = PoolKind::average;
  int window_height = 2;
  int window_width = 2;
  int stride = 2;
  int padding = 0;
  bool ceil_mode = false;

  [[nodiscard]] constexpr Shape out() const noexcept {
    const int more = ceil_mode ? stride - 1 : 0;
    return {in.channels, (in.height + 2 * padding - window_height + more) / stride + 1,
            (in.width + 2 * padding - window_width + more) / stride + 1};
  }
  friend constexpr bool operator==(const PoolShape&, const PoolShape&) = default;
};

/// A shortcut without parameters: average over window × window (1: plain subsampling) at the given stride,
/// then zero channels up to channels_out. Where the stride does not divide an extent, out = ceil(in /
/// stride), as of a convolution with padding kernel/2, and the average at the edge is over the pixels that
/// are there.
struct ShortcutShape {
  Shape in;
  int channels_out = 0;
  int stride = 2;
  int window = 2;

  [[nodiscard]] constexpr Shape out() const noexcept {
    return {channels_out, (in.height + stride - 1) / stride, (in.width + stride - 1) / stride};
  }
  /// The pooling part; plain subsampling is a window of 1.
  [[nodiscard]] constexpr PoolShape pool() const noexcept {
    const bool divides = in.height % stride == 0 && in.width % stride == 0;
    return {in, PoolKind::average, window, window, stride, 0, !divides && window > 1};
  }
  friend constexpr bool operator==(const ShortcutShape&, const ShortcutShape&) = default;
};

/// No main operation: a normalisation or an activation that no convolution or linear layer stands before.
struct NoOperation {
  Shape in;
  /// Whether what is pending on the input is written down first: two activations cannot be pending at once.
  bool materialise = false;

  [[nodiscard]] constexpr Shape out() const noexcept { return in; }
  friend constexpr bool operator==(const NoOperation&, const NoOperation&) = default;
};

/// Numbers set to zero with a probability in training, the others divided by what is left of 1.
struct DropoutShape {
  Shape in;
  double probability = 0;

  [[nodiscard]] constexpr Shape out() const noexcept { return in; }
  friend constexpr bool operator==(const DropoutShape&, const DropoutShape&) = default;
};

/// A fully connected layer over all numbers of an image. Weights are [H·W·C_in (in the order h, w, c),
/// padded(features)].
struct LinearShape {
  Shape in;
  int features = 0;
  bool bias = true;

  [[nodiscard]] constexpr Shape out() const noexcept { return {features, 1, 1}; }
  friend constexpr bool operator==(const LinearShape&, const LinearShape&) = default;
};

}  // namespace sdepth::inline SDEPTH_ISA
