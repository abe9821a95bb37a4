// What a backend is: the types and functions that networks are run with, in one list, each with a sentence
// for a backend that lacks it.
#pragma once

#include <concepts>
#include <cstddef>

#include <sdepth/activations/relu.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The parts of the contract, each asked with one shape and one activation; a backend has them for all. What
/// the operands mean says operands.hpp, what each function computes says reference.hpp.
namespace backend {
inline constexpr Shape shape{3, 4, 4};
inline constexpr ConvShape conv{shape, 2};
inline constexpr PoolShape pool{shape};
inline constexpr ShortcutShape shortcut{shape, 6};
inline constexpr LinearShape linear{shape, 2};

template <class B>
using Number = typename B::Scalar;
template <class B>
using Stored = typename B::Stored;
template <class B>
using SourceOf = Source<Number<B>, Stored<B>>;
template <class B>
using GradientOf = Gradient<Number<B>, Stored<B>>;

/// A number that kernels compute with, what activations lie in memory as, the memory that kernels share,
/// memory for numbers that kernels alone use and for those that all use, memory for activations; whether
/// everyone may follow kernels' pointers, whether results are there when a kernel returns, whether launches
/// are replayed, and whether kernels prepare norms from the sums that they make.
template <class B>
concept Types = requires {
  typename B::Scalar;
  typename B::Stored;
  typename B::Context;
  typename B::template Memory<typename B::Scalar>;
  typename B::template Storage<typename B::Scalar>;
  typename B::ActivationArena;
  { B::addressable } -> std::convertible_to<bool>;
  { B::synchronous } -> std::convertible_to<bool>;
  { B::replays } -> std::convertible_to<bool>;
  { B::prepares_norms } -> std::convertible_to<bool>;
};
/// Frames of zeros around what a convolution reads.
template <class B>
concept Padding = requires {
  { B::lanes } -> std::convertible_to<int>;
  { B::padded(1) } -> std::same_as<int>;
};
/// Convolution, and the statistics of its output.
template <class B>
concept ConvForward = requires(typename B::Context& context, const SourceOf<B>& source, const Number<B>* in,
                               Stored<B>* out, Statistics<Number<B>> statistics) {
  B::template conv_forward<conv, ReLU>(context, 1, source, in, in, out, statistics);
};
/// Gradients of a convolution: of its input and of its weights.
template <class B>
concept ConvBackward =
    requires(typename B::Context& context, const GradientOf<B>& gradient, const SourceOf<B>& source,
             const Number<B>* in, Number<B>* gradients, Stored<B>* out, SourceSums<Number<B>> sums) {
      B::template conv_backward<conv, ReLU>(context, 1, gradient, source, in, gradients, gradients, out, out,
                                            sums);
    };
/// Norm, shortcut and activation behind a convolution, where they cannot be part of the next kernel.
template <class B>
concept FinishForward =
    requires(typename B::Context& context, const SourceOf<B>& source, Statistics<Number<B>> statistics) {
      B::template finish<shape, ReLU>(context, 1, source, statistics);
    };
/// The same, from the gradient of the output.
template <class B>
concept FinishBackward = requires(typename B::Context& context, const GradientOf<B>& gradient,
                                  const SourceOf<B>& source, Stored<B>* out, SourceSums<Number<B>> sums) {
  B::template finish_backward<shape, ReLU>(context, 1, gradient, source, out, out, sums);
};
/// Pools, both ways.
template <class B>
concept Pools = requires(typename B::Context& context, const Stored<B>* in, Stored<B>* out) {
  B::template pool_forward<pool>(context, 1, in, out);
  B::template pool_backward<pool>(context, 1, in, in, out);
};
/// Shortcuts without weights, both ways.
template <class B>
concept Shortcuts = requires(typename B::Context& context, const Stored<B>* in, Stored<B>* out) {
  B::template shortcut_forward<shortcut>(context, 1, in, out);
  B::template shortcut_backward<shortcut>(context, 1, in, out);
};
/// Fully connected layers, both ways.
template <class B>
concept LinearLayers = requires(typename B::Context& context, const Stored<B>* in, const Number<B>* weights,
                                Number<B>* gradients, Stored<B>* out) {
  B::template linear_forward<linear>(context, 1, in, weights, weights, out);
  B::template linear_backward<linear>(context, 1, in, in, weights, gradients, gradients, out);
};
/// norm_backward only where no kernel prepares norms from the sums it makes.
template <class B>
concept Norms =
    requires(typename B::Context& context, const NormForward<Number<B>>& forward, const Norm<Number<B>>& norm,
             const Number<B>* in, double* sums) {
      B::norm_forward(context, std::size_t{2}, forward, in, in);
      B::norm_scale(context, std::size_t{2}, norm, 1.0);
      B::add_statistics(context, std::size_t{2}, 1.0, in, in, sums, sums);
    } &&
    (B::prepares_norms ||
     requires(typename B::Context& context, const NormBackward<Number<B>>& backward, const Number<B>* in) {
       B::norm_backward(context, std::size_t{2}, backward, in, in);
     });
/// Scores and logits, for which get() waits.
template <class B>
concept Reads = requires(typename B::Context& context, const Number<B>* in) {
  { B::read(context, in, std::size_t{1}).get()[0] } -> std::convertible_to<Number<B>>;
};
}  // namespace backend

/// A backend that can train.
template <class B>
concept TrainingBackend =
    backend::Types<B> && backend::Padding<B> && backend::ConvForward<B> && backend::ConvBackward<B> &&
    backend::FinishForward<B> && backend::FinishBackward<B> && backend::Pools<B> && backend::Shortcuts<B> &&
    backend::LinearLayers<B> && backend::Norms<B> && backend::Reads<B>;

/// A backend that can also run networks that do not learn any more, as cpu/inference.hpp does.
template <class B>
concept InferenceBackend =
    TrainingBackend<B> && requires(const typename B::Scalar* in, typename B::Scalar* out) {
      { B::ForInference::template layout<backend::shape> } -> std::convertible_to<ImageLayout>;
      { B::ForInference::template input_layout<backend::conv> } -> std::convertible_to<ImageLayout>;
      { B::ForInference::group_size } -> std::convertible_to<std::size_t>;
      { B::ForInference::template Conv<backend::conv>::size } -> std::convertible_to<std::size_t>;
      { B::ForInference::template Conv<backend::conv>::work_size } -> std::convertible_to<std::size_t>;
      { B::ForInference::template Conv<backend::conv>::images } -> std::convertible_to<int>;
      B::ForInference::template Conv<backend::conv>::prepare(in, in, out);
      { B::ForInference::weights_size(std::size_t{1}) } -> std::convertible_to<std::size_t>;
      B::ForInference::store_weights(in, std::size_t{1}, out);
      B::ForInference::template Conv<backend::conv>::template run<Ending{}, ReLU, ReLU>(1, in, in, out, out);
      B::ForInference::template pool<backend::pool>(1, in, out);
      B::ForInference::template shortcut<backend::shortcut>(1, in, out);
      B::ForInference::template linear<backend::linear, true, ReLU>(1, in, in, in, out);
      B::ForInference::template pointwise<backend::shape, Ending{}, ReLU, ReLU>(1, in, in, in, out);
    };

/// Says what a backend lacks, by its name.
template <class B>
struct CheckedBackend {
  static constexpr bool asked = backend::Types<B>;
  static_assert(
      asked,
      "a backend needs the types Scalar, Stored, Context, Memory<T>, Storage<T> and ActivationArena, and the constants addressable, synchronous, replays and "
      "prepares_norms: see kernels/backend.hpp");
  static_assert(!asked || backend::Padding<B>,
                "a backend needs `lanes` and `padded(channels)`: how many channels memory holds");
  static_assert(
      !asked || backend::ConvForward<B>,
      "a backend needs conv_forward<ConvShape, Activation>(context, batch, source, weights, bias, out, statistics)");
  static_assert(
      !asked || backend::ConvBackward<B>,
      "a backend needs conv_backward<ConvShape, Activation>(context, batch, gradient, source, weights, weight_gradient, "
      "bias_gradient, add, out, sums)");
  static_assert(!asked || backend::FinishForward<B>,
                "a backend needs finish<Shape, Activation>(context, batch, source, statistics)");
  static_assert(
      !asked || backend::FinishBackward<B>,
      "a backend needs finish_backward<Shape, Activation>(context, batch, gradient, source, add, out, sums)");
  static_assert(
      !asked || backend::Pools<B>,
      "a backend needs pool_forward<PoolShape>(context, batch, in, out) and pool_backward<PoolShape>(context, batch, dy, in, dx)");
  static_assert(
      !asked || backend::Shortcuts<B>,
      "a backend needs shortcut_forward<ShortcutShape>(context, batch, in, out) and shortcut_backward<ShortcutShape>(context, "
      "batch, dy, dx)");
  static_assert(
      !asked || backend::LinearLayers<B>,
      "a backend needs linear_forward<LinearShape>(context, batch, in, weights, bias, out) and linear_backward<LinearShape>("
      "context, batch, dy, in, weights, weight_gradient, bias_gradient, dx)");
  static_assert(
      !asked || backend::Norms<B>,
      "a backend needs norm_forward(context, channels, norm, mean, variance), norm_scale(context, channels, norm, branch_scale), "
      "add_statistics(context, channels, count, mean, variance, mean_sum, variance_sum) and, unless prepares_norms, "
      "norm_backward(context, channels, norm, dz, dz_normalised)");
  static_assert(!asked || backend::Reads<B>,
                "a backend needs read(context, numbers, count), whose get() gives numbers back to the host");
  static constexpr bool said = true;
};

}  // namespace sdepth::inline SDEPTH_ISA
