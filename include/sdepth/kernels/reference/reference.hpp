// The reference backend: plain loops and double sums on one thread. It defines what every other backend
// computes.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <sdepth/activations/relu.hpp>
#include <sdepth/kernels/reference/convolution.hpp>
#include <sdepth/kernels/reference/dense.hpp>
#include <sdepth/kernels/reference/inference.hpp>
#include <sdepth/kernels/reference/pool.hpp>
#include <sdepth/kernels/host.hpp>
#include <sdepth/kernels/host_updater.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Kernels over numbers of type T, activations in memory as Stored. Channels are not padded. operands.hpp
/// says what the operands mean.
template <class T, class Stored_ = T>
struct BasicReference : HostBackend<T, Stored_> {
  using Stored = Stored_;
  using Context = typename HostBackend<T, Stored>::Context;
  using ForInference = reference::InferenceKernels<T>;
  using Updater = HostUpdater<BasicReference>;
  static constexpr int lanes = 1;
  [[nodiscard]] static constexpr int padded(int channels) noexcept { return channels; }

  template <ConvShape S, class A = ReLU>
  static void conv_forward(Context& context, int batch, const Source<T, Stored>& source, const T* weights,
                           const T* bias, Stored* out, Statistics<T> statistics) {
    static_assert(CheckedActivation<A>::said);
    reference::conv_forward<S, A>(batch, source, weights, bias, out, statistics, context.rounding().next());
  }
  template <ConvShape S, class A = ReLU>
  static void conv_backward(Context& context, int batch, const Gradient<T, Stored>& gradient,
                            const Source<T, Stored>& source, const T* weights, T* weight_gradient,
                            T* bias_gradient, const Stored* add, Stored* out, SourceSums<T> sums) {
    reference::conv_backward<S, A>(batch, gradient, source, weights, weight_gradient, bias_gradient, add, out,
                                   sums, context.rounding().next());
  }
  /// Writes the Source's value to source.finished, and its statistics where they are wanted.
  template <Shape S, class A = ReLU>
  static void finish(Context& context, int batch, const Source<T, Stored>& source, Statistics<T> statistics) {
    static_assert(CheckedActivation<A>::said);
    constexpr std::size_t channels = static_cast<std::size_t>(S.channels);
    const Written<Stored> written{context.rounding().next(), S.channels};
    for (int n = 0; n < batch; ++n) {
      const Source<T, Stored> image = source.of_image(n, S.size());
      for (std::size_t i = 0; image.finished && i < S.size(); ++i)
        image.finished[i] =
            written(reference::value<A>(image, i, i % channels) * dropout_factor_of<S>(source, n, i),
                    static_cast<std::size_t>(n) * S.size() + i);
    }
    reference::statistics<T>(
        static_cast<std::size_t>(batch) * S.pixels(), channels,
        [&](std::size_t i, std::size_t c) {
          const Source<T, Stored> image = source.of_image(static_cast<int>(i / S.pixels()), S.size());
          const std::size_t number = i % S.pixels() * channels + c;
          return image.finished ? static_cast<double>(image.finished[number])
                                : reference::value<A>(image, number, c);
        },
        statistics);
  }
  /// out = the gradient of source before its activation, from gradient + add; and the sums. out may be
  /// gradient.dy or add.
  template <Shape S, class A = ReLU>
  static void finish_backward(Context& context, int batch, const Gradient<T, Stored>& gradient,
                              const Source<T, Stored>& source, const Stored* add, Stored* out,
                              SourceSums<T> sums) {
    constexpr std::size_t channels = static_cast<std::size_t>(S.channels);
    std::vector<double> dv(static_cast<std::size_t>(batch) * S.size());
    for (int n = 0; n < batch; ++n) {
      const Gradient<T, Stored> image = gradient.of_image(n, S.size());
      const std::size_t at = static_cast<std::size_t>(source.gradient_image(n)) * S.size();
      for (std::size_t i = 0; i < S.size(); ++i)
        dv[static_cast<std::size_t>(n) * S.size() + i] =
            reference::value(image, i, i % channels) * dropout_factor_of<S>(source, n, i) +
            (add ? static_cast<double>(add[at + i]) : 0.0);
    }
    reference::finish_gradient<A>(batch, S.pixels(), channels, source, dv.data(), out, sums,
                                  Written<Stored>{context.rounding().next(), S.channels});
  }
  template <PoolShape S>
  static void pool_forward(Context& context, int batch, const Stored* in, Stored* out) {
    reference::pool_forward<S>(batch, in, out, context.rounding().next());
  }
  template <PoolShape S>
  static void pool_backward(Context& context, int batch, const Stored* dy, const Stored* in, Stored* dx) {
    reference::pool_backward<S>(batch, dy, in, dx, context.rounding().next());
  }
  template <ShortcutShape S>
  static void shortcut_forward(Context& context, int batch, const Stored* in, Stored* out) {
    reference::shortcut_forward<S>(batch, in, out, context.rounding().next());
  }
  template <ShortcutShape S>
  static void shortcut_backward(Context& context, int batch, const Stored* dy, Stored* dx) {
    reference::shortcut_backward<S>(batch, dy, dx, context.rounding().next());
  }
  template <LinearShape S>
  static void linear_forward(Context& context, int batch, const Stored* in, const T* weights, const T* bias,
                             Stored* out) {
    reference::linear_forward<S>(batch, in, weights, bias, out, context.rounding().next());
  }
  template <LinearShape S>
  static void linear_backward(Context& context, int batch, const Stored* dy, const Stored* in,
                              const T* weights, T* weight_gradient, T* bias_gradient, Stored* dx) {
    reference::linear_backward<S>(batch, dy, in, weights, weight_gradient, bias_gradient, dx,
                                  context.rounding().next());
  }
  static LossResult softmax_cross_entropy(Context&, int batch, int classes, const T* logits,
                                          const int* labels, T* gradient) {
    return reference::softmax_cross_entropy(batch, classes, logits, labels, gradient);
  }
  template <class Loss, class Target>
  static LossResult loss(Context&, int batch, int outputs, const typename Loss::Options& options,
                         const T* predictions, const Target* targets, std::size_t per_image, T* gradient) {
    return reference::loss<Loss>(batch, outputs, options, predictions, targets, per_image, gradient);
  }
  template <class Rule, std::size_t K>
  static void update(Context&, std::size_t count, const std::array<double, K>& factors, T* weights,
                     const T* gradient, const std::array<T*, Rule::state.size()>& states) {
    reference::update<Rule>(count, factors, weights, gradient, states);
  }

 private:
  /// By which number i of image n is multiplied: 1 without a dropout.
  template <Shape S>
  [[nodiscard]] static double dropout_factor_of(const Source<T, Stored>& source, int n, std::size_t i) {
    if (!source.dropout) return 1;
    constexpr std::size_t channels = static_cast<std::size_t>(S.channels);
    const std::size_t pixel = static_cast<std::size_t>(n) * S.pixels() + i / channels;
    return static_cast<double>(dropout_factor(*source.dropout, S.channels, static_cast<std::uint32_t>(pixel),
                                              static_cast<int>(i % channels)));
  }
};

using Reference = BasicReference<float>;
/// For checks of the mathematics alone: numbers kept in double, too.
using ReferenceDouble = BasicReference<double>;

}  // namespace sdepth::inline SDEPTH_ISA
