// The CPU backend: kernels for one instruction set, chosen as a type.
//
//   vector.hpp                      the vector operations, over xsimd
//   source, epilogue, statistics    what happens to numbers on the way in and out of a stage
//   scratch, blocks, direct, winograd   the arithmetic: padded scratch, register blocks, convolution kernels; kernels.hpp chooses among them
//   ahead                           prefetching what comes next
//   convolution, finish             the stages; pool, linear, loss, update: the rest
//   inference                       the same arithmetic without stages: for networks that do not learn any more
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#include <sdepth/activations/relu.hpp>
#include <sdepth/kernels/cpu/convolution.hpp>
#include <sdepth/kernels/cpu/finish.hpp>
#include <sdepth/kernels/cpu/inference.hpp>
#include <sdepth/kernels/cpu/linear.hpp>
#include <sdepth/kernels/cpu/loss.hpp>
#include <sdepth/kernels/cpu/pool.hpp>
#include <sdepth/kernels/cpu/update.hpp>
#include <sdepth/kernels/host.hpp>
#include <sdepth/kernels/host_updater.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Kernels over floats. operands.hpp says what the operands mean, Reference what each kernel computes.
///
/// The same operands give the same bits for any number of threads. Nothing is allocated but by
/// Workspace::reserve. batch ≥ 1.
///
/// @tparam Arch   The instruction set, xsimd's name for it; the compiler must be told to allow it.
/// @tparam Convolution  cpu::Fastest (Winograd where it pays), or cpu::Direct, a few times slower. Relative
///                      errors, measured on random numbers over 48 channels: Winograd 6.5e-7 forward, direct
///                      kernels 2.9e-7.
/// @tparam Stored_  What activations, and their gradients on the way back, lie in memory as: float, or
///                  bfloat16 for half the bytes. Weights, statistics, sums and all arithmetic are floats.
/// @tparam Parts  Into how many parts a batch is cut: the most threads that can work, and part of what the
///                bits depend on.
template <class Arch = xsimd::default_arch, class Convolution = cpu::Fastest, class Stored_ = float,
          int Parts = 8>
struct Cpu : HostBackend<float, Stored_> {
  static_assert(std::is_same_v<Stored_, float> || std::is_same_v<Stored_, bfloat16>,
                "Cpu: activations are stored as float or bfloat16");
  using Stored = Stored_;
  using Context = typename HostBackend<float, Stored>::Context;
  using ForInference = cpu::InferenceKernels<Arch, Convolution>;
  using Updater = HostUpdater<Cpu>;
  static constexpr int lanes = cpu::lanes<Arch>;
  static constexpr int parts = Parts;
  /// Channels as they lie in memory: whole vectors.
  [[nodiscard]] static constexpr int padded(int channels) noexcept { return cpu::padded<Arch>(channels); }

  /// out = convolution of source's value; statistics of out. out aliases nothing. Everywhere A is the
  /// Source's activation, where it has one.
  template <ConvShape S, class A = ReLU>
  static void conv_forward(Context& context, int batch, const Source<float, Stored>& source,
                           const float* weights, const float* bias, Stored* out,
                           Statistics<float> statistics) {
    static_assert(CheckedActivation<A>::said);
    using Kernel = typename Convolution::template Kernels<Arch, S>::Forward;
    cpu::conv_forward<Arch, Parts, S, A, Kernel>(context, batch, source, weights, bias, out, statistics);
  }
  /// Gradients of weights, bias and source's raw numbers, each unless its pointer is null: out = the gradient
  /// before the activation, from the convolution's + add. out may be add.
  template <ConvShape S, class A = ReLU>
  static void conv_backward(Context& context, int batch, const Gradient<float, Stored>& gradient,
                            const Source<float, Stored>& source, const float* weights, float* weight_gradient,
                            float* bias_gradient, const Stored* add, Stored* out, SourceSums<float> sums) {
    using Stage = cpu::ConvBackward<Arch, Parts, S, A, Convolution, Stored>;
    Stage::run(context, batch, gradient, source, weights, weight_gradient, bias_gradient, add, out, sums);
  }
  /// Writes source's value to source.finished (unless null), and its statistics.
  template <Shape S, class A = ReLU>
  static void finish(Context& context, int batch, const Source<float, Stored>& source,
                     Statistics<float> statistics) {
    static_assert(CheckedActivation<A>::said);
    cpu::finish<Arch, Parts, S, A>(context, batch, source, statistics);
  }
  /// out = the gradient of source before its activation, from gradient + add; and the sums. out may be
  /// gradient.dy or add.
  template <Shape S, class A = ReLU>
  static void finish_backward(Context& context, int batch, const Gradient<float, Stored>& gradient,
                              const Source<float, Stored>& source, const Stored* add, Stored* out,
                              SourceSums<float> sums) {
    cpu::finish_backward<Arch, Parts, S, A>(context, batch, gradient, source, add, out, sums);
  }
  template <PoolShape S>
  static void pool_forward(Context& context, int batch, const Stored* in, Stored* out) {
    cpu::pool_forward<Arch, Parts, S, S.in.channels>(context, batch, in, out);
  }
  /// dx is overwritten; a maximum's gradient goes to its first place in row-major order, a NaN's to the last
  /// NaN.
  template <PoolShape S>
  static void pool_backward(Context& context, int batch, const Stored* dy, const Stored* in, Stored* dx) {
    cpu::pool_backward<Arch, Parts, S, S.in.channels>(context, batch, dy, in, dx);
  }
  template <ShortcutShape S>
  static void shortcut_forward(Context& context, int batch, const Stored* in, Stored* out) {
    cpu::pool_forward<Arch, Parts, S.pool(), S.channels_out>(context, batch, in, out);
  }
  template <ShortcutShape S>
  static void shortcut_backward(Context& context, int batch, const Stored* dy, Stored* dx) {
    cpu::pool_backward<Arch, Parts, S.pool(), S.channels_out, Stored>(context, batch, dy, nullptr, dx);
  }
  template <LinearShape S>
  static void linear_forward(Context& context, int batch, const Stored* in, const float* weights,
                             const float* bias, Stored* out) {
    cpu::linear_forward<Arch, Parts, S>(context, batch, in, weights, bias, out);
  }
  /// bias_gradient and dx may be null.
  template <LinearShape S>
  static void linear_backward(Context& context, int batch, const Stored* dy, const Stored* in,
                              const float* weights, float* weight_gradient, float* bias_gradient,
                              Stored* dx) {
    cpu::linear_backward<Arch, Parts, S>(context, batch, dy, in, weights, weight_gradient, bias_gradient, dx);
  }
  /// Mean loss, its gradient [N, padded(classes)] unless null, and errors: the first largest logit is not the
  /// label's, or one is NaN.
  static LossResult softmax_cross_entropy(Context& context, int batch, int classes, const float* logits,
                                          const int* labels, float* gradient) {
    return cpu::softmax_cross_entropy<Parts, lanes>(context, batch, classes, logits, labels, gradient);
  }
  /// The same means of any loss: see losses/loss.hpp. @param targets  per_image numbers for each image
  template <class Loss, class Target>
  static LossResult loss(Context& context, int batch, int outputs, const typename Loss::Options& options,
                         const float* predictions, const Target* targets, std::size_t per_image,
                         float* gradient) {
    return cpu::loss<Loss, Parts, lanes>(context, batch, outputs, options, predictions, targets, per_image,
                                         gradient);
  }
  /// Rule::update on `count` parameters; gradient null: zero. See optimizers/optimizer.hpp.
  template <class Rule, std::size_t K>
  static void update(Context& context, std::size_t count, const std::array<double, K>& factors,
                     float* weights, const float* gradient,
                     const std::array<float*, Rule::state.size()>& states) {
    cpu::update<Arch, Rule>(context, count, factors, weights, gradient, states);
  }
};

/// Activations in half the bytes, all else as in Cpu<>.
using CpuBfloat16 = Cpu<xsimd::default_arch, cpu::Fastest, bfloat16>;

}  // namespace sdepth::inline SDEPTH_ISA
