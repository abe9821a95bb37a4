// Network<Input, words...>: a network as a type, and everything about it that is known before there are any
// numbers.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/network/lowering.hpp>
#include <sdepth/network/mistakes.hpp>
#include <sdepth/network/rules.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A network: the shape of its input and its layers in order. Carries no state; see Trainer and Inference for
/// numbers.
///
///     using Net = Network<Input<3, 32, 32>, Conv<16>, BN, ReLU,
///                         Repeat<9, StochasticDepth<Residual<Conv<16>, BN, ReLU, Conv<16>, BN>, LinearDecay<0.5>>>, GlobalAvgPool, Linear<10>>;
///
/// A mistake is one compile error with a sentence; where a layer does not accept its input, the error names
/// the layer, its input shape and the rule.
template <class Input_, class... Words>
struct Network {
  static constexpr detail::NetworkError error =
      detail::network_error<detail::words_error<Input_, Words...>, Input_, Words...>();
  static_assert(detail::CheckedNetwork<error>::said);
  /// False after a mistake, which has been said. Everything can still be asked of the network, so that
  /// nothing is said of what follows from the mistake.
  static constexpr bool sound = error == detail::NetworkError::none;
  using Layers = std::conditional_t<sound, Chain<Words...>, Chain<Linear<1>>>;

  /// This type itself, also of a type that is made of it by inheritance: `struct MyNet : Network<…> {};` is a
  /// network with a short name.
  using Type = Network;

  /// Shape of the input, and of the output of each layer: shapes[i] enters layer i, shapes[i + 1] leaves it.
  static constexpr std::array<Shape, sizeof...(Words) + 1> shapes =
      detail::network_shapes<Input_, Words...>();
  static constexpr Shape input = shapes.front();
  static constexpr Shape output = shapes.back();
  using Mistake = decltype(detail::report_mistake<error, shapes, 0, Words...>());

  /// The network as a list of fused stages: see lowering.hpp. And the activation that may be pending on the
  /// last one's output.
  using Lowered = detail::Lowering<Layers, input, NoActivation, true>;
  using Stages = typename Lowered::type;

  /// Residual blocks, stochastic or not, in the order of the network.
  static constexpr int residual_blocks = (0 + ... + BlockTraits<Words>::count);
  /// L of the schedules: the StochasticDepth blocks alone.
  static constexpr int stochastic_blocks = (0 + ... + detail::stochastic_count<Words>);

  /// Survival probability of each residual block; 1 for a block outside StochasticDepth.
  static constexpr std::array<double, static_cast<std::size_t>(residual_blocks)> survival =
      detail::survival_of<static_cast<std::size_t>(residual_blocks), stochastic_blocks, Words...>;

  /// Which residual blocks may be skipped.
  static constexpr std::array<bool, static_cast<std::size_t>(residual_blocks)> stochastic =
      detail::block_table<static_cast<std::size_t>(residual_blocks), Words...>(
          {detail::is_stochastic_word<Words>...});
  /// Which residual blocks' gates are compile-time constants: open where survival is 1, closed where it is 0.
  static constexpr std::array<bool, static_cast<std::size_t>(residual_blocks)> fixed =
      detail::block_table<static_cast<std::size_t>(residual_blocks), Words...>(
          {detail::has_fixed_gates<Words>...});
  /// Blocks that never run.
  static constexpr int closed_blocks = [] {
    int closed = 0;
    for (std::size_t block = 0; block < fixed.size(); ++block) closed += fixed[block] && survival[block] <= 0;
    return closed;
  }();

  /// What has a gate of its own, of each residual block; and whether it is the single image for any of them.
  static constexpr std::array<Gating, static_cast<std::size_t>(residual_blocks)> gating =
      detail::gating_table<static_cast<std::size_t>(residual_blocks), Words...>();
  static constexpr bool per_sample = ((BlockTraits<Words>::gating != Gating::per_batch) || ...);

  /// Σ p_l: how many residual blocks run in a training step on average.
  static constexpr double expected_depth = [] {
    double sum = 0;
    for (const double p : survival) sum += p;
    return sum;
  }();

  /// Learned numbers, as PyTorch counts them: no running statistics, no padding.
  static constexpr std::size_t parameter_count = Stages::sizes(1).trainable;

  /// Floating-point operations of one image's forward pass with every block open: 2 per multiply-add of
  /// convolutions and linear layers.
  static constexpr double operations_per_image = 2 * Stages::multiply_adds;

  /// The same of each residual block's branch alone: what is saved where the block does not run. Shortcuts
  /// always run.
  static constexpr std::array<double, static_cast<std::size_t>(residual_blocks)> branch_operations = [] {
    std::array<double, static_cast<std::size_t>(residual_blocks)> table{};
    std::size_t block = 0;
    Stages::for_each([&]<class Stage>(std::type_identity<Stage>) {
      if constexpr (Stage::blocks > 0)
        for (int i = 0; i < Stage::blocks; ++i) table[block++] = 2 * Stage::branch_multiply_adds;
    });
    return table;
  }();

  /// Operations of one image's forward pass on average over the gates: each branch counted with its survival
  /// probability.
  static constexpr double expected_operations_per_image = [] {
    double sum = operations_per_image;
    for (std::size_t block = 0; block < branch_operations.size(); ++block)
      sum -= branch_operations[block] * (1.0 - survival[block]);
    return sum;
  }();

  /// Storage for activations padded to `lanes` channels.
  [[nodiscard]] static constexpr ParameterSizes storage(int lanes) noexcept { return Stages::sizes(lanes); }

  /// All tensors in storage order, for activations padded to `lanes` channels.
  [[nodiscard]] static std::vector<ParameterInfo> parameters(int lanes) {
    detail::Planner planner{lanes, {}, {}};
    detail::Naming naming;
    naming.only_linear = (0 + ... + (detail::is_linear<Words> ? 1 : 0)) == 1;
    Stages::describe(planner, naming);
    return std::move(planner.tensors);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
