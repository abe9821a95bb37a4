// A fused stage: one main operation with the normalisation and the activation behind it. Networks are lists
// of them.
//
// Training and inference, parameters and memory are all read off the same list. A stage says what it consists
// of and what it keeps; run/ says how it runs.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>

#include <sdepth/core/operation_shapes.hpp>
#include <sdepth/layers/pointwise.hpp>
#include <sdepth/layers/residual.hpp>
#include <sdepth/network/parameters.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// Numbers of a tensor of one image whose channels are padded to `lanes`.
[[nodiscard]] constexpr std::size_t padded_size(Shape shape, int lanes) noexcept {
  return static_cast<std::size_t>(round_up(shape.channels, lanes)) * shape.pixels();
}

/// Activations of one image in a training step: numbers kept for the backward pass with every block open (an
/// upper bound), and the largest tensor.
struct ActivationSizes {
  std::size_t kept = 0;
  std::size_t largest = 0;
};
[[nodiscard]] constexpr ActivationSizes operator+(ActivationSizes a, ActivationSizes b) noexcept {
  return {a.kept + b.kept, std::max(a.largest, b.largest)};
}

/// Multiply-adds for each number that an operation writes: rows of its matrix of weights; 0 for one without
/// weights.
template <class Operation>
[[nodiscard]] constexpr std::size_t weight_rows(const Operation&) noexcept {
  return 0;
}
[[nodiscard]] constexpr std::size_t weight_rows(const ConvShape& s) noexcept {
  return static_cast<std::size_t>(s.kernel) * static_cast<std::size_t>(s.kernel) *
         static_cast<std::size_t>(s.in.channels);
}
[[nodiscard]] constexpr std::size_t weight_rows(const LinearShape& s) noexcept { return s.in.size(); }

/// Whether an operation is of that kind. (Asked by a function, since nvcc does not tell its host compiler the
/// type of an `auto` template argument.)
template <class Kind, class Operation>
[[nodiscard]] constexpr bool is_a(const Operation&) noexcept {
  return std::is_same_v<Kind, Operation>;
}

/// What a stage's tensors depend on.
struct StageTensors {
  Shape in, out;
  std::size_t rows = 0;  // of the weights; 0: none
  int kernel = 0;        // of a convolution; 0: a linear layer
  bool bias = false;
  bool norm = false;
};
/// Appends them in the order of storage. Compiled once for all stages.
inline void describe_stage(Planner& planner, Naming& naming, const StageTensors& s) {
  const int channels = s.out.channels;
  if (s.rows > 0) {
    std::string name =
        s.kernel > 0 ? naming.next("conv", naming.convolutions) : naming.next("fc", naming.linears);
    if (s.kernel == 0 && naming.only_linear) name = naming.prefix + "fc";
    if (s.kernel > 0)
      planner.add(name + ".weight", ParameterKind::conv_weight, {channels, s.in.channels, s.kernel, s.kernel},
                  naming, channels, s.rows);
    else
      planner.add(name + ".weight", ParameterKind::linear_weight,
                  {channels, static_cast<std::int64_t>(s.rows)}, naming, channels, s.rows, s.in);
    if (s.bias) planner.add(name + ".bias", ParameterKind::bias, {channels}, naming, channels, 1);
  }
  if (!s.norm) return;
  const std::string name = naming.next("bn", naming.norms);
  const auto add = [&](const char* what, ParameterKind kind) {
    planner.add(name + what, kind, {channels}, naming, channels, 1);
  };
  add(".weight", ParameterKind::bn_weight);
  add(".bias", ParameterKind::bn_bias);
  add(".running_mean", ParameterKind::running_mean);
  add(".running_var", ParameterKind::running_var);
}

/// What stands in a network's list: v = activation?( norm?( operation(input) ) ).
///
/// The norm and the activation stay pending: the next stage applies them while it reads.
///
/// @tparam Operation   ConvShape, LinearShape, PoolShape, DropoutShape or NoOperation: the main operation
///                     with its shapes
/// @tparam Activation_ the activation behind it; NoActivation: none
/// @tparam Pending_    the activation that may be pending on the input; NoActivation: none
template <auto Operation, bool HasNorm, class Activation_, class Pending_>
struct FusedStage {
  static constexpr auto operation = Operation;
  static constexpr bool convolves = is_a<ConvShape>(Operation), is_linear = is_a<LinearShape>(Operation);
  static constexpr bool drops = is_a<DropoutShape>(Operation), computes = !is_a<NoOperation>(Operation);
  static constexpr bool norm = HasNorm, ends_in_activation = activates<Activation_>;
  static constexpr Shape in = Operation.in, out = Operation.out();
  static constexpr int blocks = 0;
  using Activation = Activation_;
  using Pending = Pending_;
  /// What may be pending on the output: of a dropout, which does nothing at test, also what is on its input.
  using PendingAfter = std::conditional_t<drops, Pending, Activation>;

  static constexpr bool bias = [] {
    if constexpr (convolves || is_linear) return Operation.bias;
    return false;
  }();
  static constexpr std::size_t rows = weight_rows(Operation);
  static constexpr double multiply_adds = static_cast<double>(rows) * static_cast<double>(out.size());

  /// Numbers of the operation's weights and bias, in front of the norm's in storage.
  [[nodiscard]] static constexpr std::size_t dense_size(int lanes) noexcept {
    return (rows + (bias ? 1 : 0)) * static_cast<std::size_t>(round_up(out.channels, lanes));
  }
  [[nodiscard]] static constexpr ParameterSizes sizes(int lanes) noexcept {
    const std::size_t norms = norm ? 2 * static_cast<std::size_t>(round_up(out.channels, lanes)) : 0;
    return {dense_size(lanes) + norms, norms};
  }
  /// A convolution reads through what is pending and keeps its output. All other stages need their input
  /// written down, a norm unless it is plain already.
  [[nodiscard]] static constexpr ActivationSizes activations(int lanes, bool plain_input) noexcept {
    const std::size_t input = padded_size(in, lanes), output = padded_size(out, lanes);
    const std::size_t kept = convolves || drops               ? output
                             : computes                       ? input + output
                             : writes_input_down(plain_input) ? input
                                                              : 0;
    return {kept, std::max(input, output)};
  }
  /// Whether nothing is pending on the output.
  static constexpr bool leaves_plain = computes && !drops && !norm && !ends_in_activation;

  static void describe(Planner& planner, Naming& naming) {
    int kernel = 0;
    if constexpr (convolves) kernel = Operation.kernel;
    describe_stage(planner, naming, {in, out, rows, kernel, bias, norm});
  }

 private:
  [[nodiscard]] static constexpr bool writes_input_down(bool plain_input) noexcept {
    if constexpr (!computes) return (norm || Operation.materialise) && !plain_input;
    return false;
  }
};

/// Stages in a row, of which the first reads an input of shape In.
template <Shape In, class... Stages>
struct StageList {
  static constexpr std::size_t length = sizeof...(Stages);
  using First = std::tuple_element_t<0, std::tuple<Stages..., void>>;
  using Last = std::tuple_element_t<length == 0 ? 0 : length - 1, std::tuple<Stages..., void>>;
  static constexpr Shape in = In;
  static constexpr Shape out = [] {
    Shape last = In;
    ((last = Stages::out), ...);
    return last;
  }();

  /// Calls visit(type_identity<Stage>) for each.
  template <class Visit>
  static constexpr void for_each(Visit&& visit) {
    (visit(std::type_identity<Stages>{}), ...);
  }

  /// Storage of the first `count` stages, and of all.
  [[nodiscard]] static constexpr ParameterSizes sizes_before(std::size_t count, int lanes) noexcept {
    ParameterSizes sum;
    std::size_t i = 0;
    ((sum = i++ < count ? sum + Stages::sizes(lanes) : sum), ...);
    return sum;
  }
  [[nodiscard]] static constexpr ParameterSizes sizes(int lanes) noexcept {
    return sizes_before(length, lanes);
  }
  /// Activations of the first `count` stages, and of all.
  [[nodiscard]] static constexpr ActivationSizes activations_before(std::size_t count, int lanes) noexcept {
    ActivationSizes sum;
    std::size_t i = 0;
    bool plain = false;
    ((sum = i++ < count ? sum + Stages::activations(lanes, plain) : sum, plain = Stages::leaves_plain), ...);
    return sum;
  }
  [[nodiscard]] static constexpr ActivationSizes activations(int lanes) noexcept {
    return activations_before(length, lanes);
  }

  /// Residual blocks in the first `count` stages.
  [[nodiscard]] static constexpr int blocks_before(std::size_t count) noexcept {
    int sum = 0;
    std::size_t i = 0;
    ((sum += i++ < count ? Stages::blocks : 0), ...);
    return sum;
  }
  static constexpr double multiply_adds = (0.0 + ... + Stages::multiply_adds);
  static void describe(Planner& planner, Naming& naming) { (Stages::describe(planner, naming), ...); }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
