// Folding: batch normalisations and branch scales become part of the weights before them, once, in double.
#pragma once

#include <cmath>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/float16.hpp>
#include <sdepth/network/fused_stage.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// A network's numbers, handed out in the order of storage.
template <class T>
class Unfolded {
 public:
  Unfolded(const T* parameters, const T* running) : parameters_(parameters), running_(running) {}
  [[nodiscard]] const T* parameters(std::size_t count) { return take(parameters_, count); }
  [[nodiscard]] const T* running(std::size_t count) { return take(running_, count); }
  void skip(ParameterSizes sizes) {
    parameters_ += sizes.trainable;
    running_ += sizes.running;
  }

 private:
  [[nodiscard]] static const T* take(const T*& next, std::size_t count) {
    const T* taken = next;
    next += count;
    return taken;
  }
  const T* parameters_;
  const T* running_;
};

/// y = scale·x + shift, per channel.
struct Affine {
  std::vector<double> scale, shift;
  Affine(std::size_t channels, double factor) : scale(channels, factor), shift(channels, 0.0) {}

  /// factor · BN(x) with the running statistics of the next norm in storage.
  template <class T>
  [[nodiscard]] static Affine of_norm(Unfolded<T>& from, std::size_t channels, double factor) {
    const T* gamma = from.parameters(channels);
    const T* beta = from.parameters(channels);
    const T* mean = from.running(channels);
    const T* variance = from.running(channels);
    Affine norm(channels, factor);
    for (std::size_t c = 0; c < channels; ++c) {
      norm.scale[c] =
          factor * static_cast<double>(gamma[c]) / std::sqrt(static_cast<double>(variance[c]) + BN::eps);
      norm.shift[c] = factor * static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * norm.scale[c];
    }
    return norm;
  }
};

/// Weights [rows, channels] and bias [channels] of a convolution or linear layer.
template <class T>
struct Dense {
  std::vector<T> weights, bias;
};
/// Throws Error where a folded weight is finite and float16 has no such number. Winograd's kernel stores sums
/// of weights, at most 1.5 times the largest.
template <class Weight, class T>
void check_range(const Dense<T>& folded) {
  if constexpr (std::is_same_v<Weight, float16>)
    for (const T w : folded.weights)
      if (std::abs(w) > T{43000} && std::isfinite(w))
        fail("inference: a weight with its batch normalisation folded in is ", w,
             ", and float16 holds them up to 43000; store weights as bfloat16 or float");
}
/// factor · BN?(weights · x + bias?), from the next numbers in storage.
template <class T>
[[nodiscard]] Dense<T> fold_dense(Unfolded<T>& from, std::size_t rows, std::size_t channels, bool has_bias,
                                  bool has_norm, double factor) {
  const T* weights = from.parameters(rows * channels);
  const T* bias = has_bias ? from.parameters(channels) : nullptr;
  const Affine affine = has_norm ? Affine::of_norm(from, channels, factor) : Affine(channels, factor);
  Dense<T> folded{std::vector<T>(rows * channels), std::vector<T>(channels)};
  for (std::size_t i = 0; i < rows * channels; ++i)
    folded.weights[i] = static_cast<T>(affine.scale[i % channels] * static_cast<double>(weights[i]));
  for (std::size_t c = 0; c < channels; ++c)
    folded.bias[c] =
        static_cast<T>(affine.scale[c] * (bias ? static_cast<double>(bias[c]) : 0.0) + affine.shift[c]);
  return folded;
}

}  // namespace sdepth::inline SDEPTH_ISA::detail
