// What kernels read and write: the operands of a stage. Numbers and shapes only; kernels know nothing of
// networks.
//
// A stage reads its input through a Source: raw numbers to which the pending batch normalisation, shortcut
// sum and activation are applied on the way into scratch. Which activation that is, is a template argument of
// the stage. In the backward direction a stage reads its output's gradient through a Gradient, which applies
// the backward of a batch normalisation on the way, and writes the gradient of its Source's raw numbers,
// taken back through the Source's activation.
//
// Activations are [N, H, W, C'], C' = Backend::padded(C): the lanes beyond C hold zeros. T is what is
// computed with, float, or double in the double reference; Stored is what activations and their gradients lie
// in memory as: T, or bfloat16. A kernel that writes one rounds it, and what it sums up of it is the rounded
// number.
#pragma once

#include <cstddef>
#include <span>

#include <sdepth/core/operation_shapes.hpp>
#include <sdepth/kernels/dropout.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Where an image lies in memory, in numbers: its first pixel, and the distances between rows, pixels, and
/// from image to image.
struct ImageLayout {
  std::size_t first = 0;
  std::size_t row = 0;
  std::size_t pixel = 0;
  std::size_t size = 0;
};

/// Batch normalisation as kernels see it: per-channel numbers, padded(C) each. Forward y = scale·x + shift;
/// backward dx = gradient_scale·dy + gradient_slope·(x − mean) + gradient_offset.
template <class T>
struct Norm {
  T* mean = nullptr;
  T* inverse_deviation = nullptr;  // 1/sqrt(variance + eps)
  T* scale = nullptr;
  T* shift = nullptr;
  T* gradient_scale = nullptr;
  T* gradient_slope = nullptr;
  T* gradient_offset = nullptr;

  friend bool operator==(const Norm&, const Norm&) = default;
};

/// The running statistics of a batch normalisation, and what the batch adds: weight `momentum` for its mean
/// and unbiased variance. Source: PyTorch's BatchNorm2d.
template <class T>
struct RunningUpdate {
  T* mean = nullptr;  // null: nothing is updated
  T* variance = nullptr;
  const T* batch_variance = nullptr;  // biased; the batch's mean is Norm::mean
  double momentum = 0.1;

  friend bool operator==(const RunningUpdate&, const RunningUpdate&) = default;
};

/// A batch normalisation before its first use: scale and shift come from γ, β and the batch's statistics.
template <class T>
struct NormForward {
  Norm<T> norm;
  double branch_scale = 1;  // multiplies the output
  double eps = 0;
  const T* gamma = nullptr;
  const T* beta = nullptr;

  friend bool operator==(const NormForward&, const NormForward&) = default;
};

/// A batch normalisation on the way back: from the sums of the gradient of its output to its parameters'
/// gradients, and the numbers of its own backward.
template <class T>
struct NormBackward {
  Norm<T> norm;
  double branch_scale = 1;
  double count = 0;  // numbers per channel in the batch
  const T* gamma = nullptr;
  T* gamma_gradient = nullptr;
  T* beta_gradient = nullptr;
  RunningUpdate<T> running;

  friend bool operator==(const NormBackward&, const NormBackward&) = default;
};

template <class T, class Stored = T>
struct ImageSource;

/// What a stage reads: v = A::forward( norm(x) + shortcut_norm(shortcut) ), absent parts left out; A is the
/// stage's template argument.
///
/// With `finished` set, a forward stage also writes v there while it passes; a backward stage reads v from
/// there. Without it the backward stage computes v again. Where A's derivative needs its input, a backward
/// stage computes that again in both cases.
template <class T, class Stored = T>
struct Source {
  const Stored* x = nullptr;
  const Norm<T>* norm = nullptr;           // null: x itself
  const Stored* shortcut = nullptr;        // null: no sum
  const Norm<T>* shortcut_norm = nullptr;  // null: shortcut itself
  bool activated = false;                  // whether there is an A at all
  Stored* finished = nullptr;
  // [N]: every image has a Source of its own, and what stands above is not read
  const ImageSource<T, Stored>* images = nullptr;
  /// Of finish and finish_backward alone: v is multiplied by the mask's factors. A backward stage then never
  /// reads v from `finished`.
  const DropoutMask* dropout = nullptr;

  /// True where v is x: nothing is pending.
  [[nodiscard]] bool plain() const noexcept {
    return !norm && !shortcut && !activated && !images && !dropout;
  }
  /// Image n alone, its first number at index 0. @param size  numbers from one image to the next
  [[nodiscard]] Source of_image(int n, std::size_t size) const noexcept;
  /// Where the gradient of image n lies in a backward stage's `add` and `out`: that of which image.
  [[nodiscard]] int gradient_image(int n) const noexcept;
};

/// One image of a stage whose images come from different places, as they do where each has its own gates: the
/// survivors of a block were last changed by different blocks.
template <class T, class Stored>
struct ImageSource {
  Source<T, Stored> source;  // at this image's first number
  int image = 0;             // which image of the batch it is
  // [2][C']: where a backward stage puts this image's Σ dz and Σ dz·(x − mean); null: not wanted.
  // SourceSums are then not asked for
  T* sums = nullptr;
};

template <class T, class Stored>
Source<T, Stored> Source<T, Stored>::of_image(int n, std::size_t size) const noexcept {
  if (images) return images[n].source;
  const std::size_t first = static_cast<std::size_t>(n) * size;
  return {x ? x + first : nullptr, norm,      shortcut ? shortcut + first : nullptr,
          shortcut_norm,           activated, finished ? finished + first : nullptr};
}
template <class T, class Stored>
int Source<T, Stored>::gradient_image(int n) const noexcept {
  return images ? images[n].image : n;
}

/// The gradient of a stage's raw output: norm's backward of dy where there is one (x is then the raw output),
/// else dy itself.
template <class T, class Stored = T>
struct Gradient {
  const Stored* dy = nullptr;
  const Stored* x = nullptr;
  const Norm<T>* norm = nullptr;
  // dy of image n is that of the batch's image images[n].image; null: of image n
  const ImageSource<T, Stored>* images = nullptr;

  /// Image n alone, its first number at index 0. @param size  numbers from one image to the next
  [[nodiscard]] Gradient of_image(int n, std::size_t size) const noexcept {
    const auto at = [size](int image) { return static_cast<std::size_t>(image) * size; };
    return {dy + at(images ? images[n].image : n), x ? x + at(n) : nullptr, norm};
  }
};

/// Where a forward stage puts the batch's mean and biased variance of its output, per channel; null: not
/// wanted. Merged from fixed parts by Chan's formula, so independent of the number of threads.
template <class T>
struct Statistics {
  T* mean = nullptr;
  T* variance = nullptr;
  /// Of a backend that prepares norms at once: what it does with the statistics as soon as they are there;
  /// null: nothing.
  const NormForward<T>* norm = nullptr;
};

/// Where a backward stage puts the sums over batch and pixels that the norms of its Source need, per channel,
/// of the dz it writes; null: not wanted. x̂ = (x − mean)·inverse_deviation.
template <class T>
struct SourceSums {
  T* dz = nullptr;
  T* dz_normalised = nullptr;           // Σ dz·x̂ with the Source's x and norm
  T* dz_normalised_shortcut = nullptr;  // Σ dz·x̂ with the Source's shortcut and shortcut_norm
  /// Of a backend that prepares norms at once: whose backward it prepares as soon as the sums are there;
  /// null: nobody's.
  const NormBackward<T>* norm = nullptr;
  const NormBackward<T>* shortcut_norm = nullptr;
};

/// What happens to a layer's numbers v on their way to memory, at inference: v = A::forward(v); v += what is
/// there (a shortcut's value); v = After::forward(v). A and After are template arguments of the kernel.
struct Ending {
  bool activated = false;
  bool add = false;
  bool activated_after = false;
};

/// Mean loss of a batch and how many of its images were classified wrongly.
struct LossResult {
  double loss = 0;
  int errors = 0;
  [[nodiscard]] const LossResult& get() const noexcept { return *this; }
};
/// Kernels' numbers, where everyone may follow pointers to them.
template <class T>
struct ReadNumbers {
  std::span<const T> numbers;
  [[nodiscard]] std::span<const T> get() const noexcept { return numbers; }
};

/// Parameters that are updated together: those of one residual block's branch, of what always runs (block
/// −1), or those that are never updated.
struct ParameterSegment {
  static constexpr int never = -2;

  std::size_t offset = 0;
  std::size_t size = 0;
  int block = -1;
};

}  // namespace sdepth::inline SDEPTH_ISA
