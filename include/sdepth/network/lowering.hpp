// From words to the list of fused stages, once and at compile time: what training, inference, parameters and
// the memory plan are read off.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <type_traits>

#include <sdepth/layers/blocks.hpp>
#include <sdepth/layers/conv.hpp>
#include <sdepth/layers/dropout.hpp>
#include <sdepth/layers/linear.hpp>
#include <sdepth/layers/pool.hpp>
#include <sdepth/network/fused_stage.hpp>
#include <sdepth/network/rules.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// The main operation of a word at input shape In. The primary: none, as of a norm and an activation.
template <class Word, Shape In>
inline constexpr auto main_operation = NoOperation{In};
template <int Channels, int Kernel, int Stride, Bias HasBias, int Padding, Shape In>
inline constexpr auto main_operation<Conv<Channels, Kernel, Stride, HasBias, Padding>, In> =
    ConvShape{In, Channels, Kernel, Stride, Padding, HasBias == Bias::learned};
template <int Features, Bias HasBias, Shape In>
inline constexpr auto main_operation<Linear<Features, HasBias>, In> =
    LinearShape{In, Features, HasBias == Bias::learned};
template <int W, int S, int P, Shape In>
inline constexpr auto main_operation<AvgPool<W, S, P>, In> = PoolShape{In, PoolKind::average, W, W, S, P};
template <int W, int S, int P, Shape In>
inline constexpr auto main_operation<MaxPool<W, S, P>, In> = PoolShape{In, PoolKind::maximum, W, W, S, P};
template <Shape In>
inline constexpr auto main_operation<GlobalAvgPool, In> =
    PoolShape{In, PoolKind::average, In.height, In.width, 1, 0};

template <double P, Shape In>
inline constexpr auto main_operation<Dropout<P>, In> = DropoutShape{In, P};

/// The norm at the beginning of a row of words, where it takes one, and the words behind it.
template <bool Takes, class Words>
struct LeadingNorm {
  static constexpr bool found = false;
  using Rest = Words;
};
template <class... Others>
struct LeadingNorm<true, Chain<BN, Others...>> {
  static constexpr bool found = true;
  using Rest = Chain<Others...>;
};
/// The same for an activation.
template <bool Takes, class Words>
struct LeadingActivation {
  using Found = NoActivation;
  using Rest = Words;
};
template <class Word, class... Others>
  requires Activation<Word>
struct LeadingActivation<true, Chain<Word, Others...>> {
  using Found = Word;
  using Rest = Chain<Others...>;
};

template <class Stage, class List>
struct PrependedTo;
template <class Stage, Shape In, class... Others>
struct PrependedTo<Stage, StageList<In, Others...>> {
  using type = StageList<Stage::in, Stage, Others...>;
};

/// The stages of a row of words at input shape In.
///
/// @tparam Pending       the activation that may be pending on the input   @tparam NetworkInput  whether the
///                       input is the network's
/// @tparam BlocksBefore  StochasticDepth blocks in the network before this row: FixedGates counts them
template <class Words, Shape In, class Pending = NoActivation, bool NetworkInput = false,
          int BlocksBefore = 0>
struct Lowering;
template <class Words, Shape In, class Pending = NoActivation, bool NetworkInput = false>
using Stages = typename Lowering<Words, In, Pending, NetworkInput>::type;

template <Shape In, class Pending_, bool NetworkInput, int BlocksBefore>
struct Lowering<Chain<>, In, Pending_, NetworkInput, BlocksBefore> {
  using type = StageList<In>;
  using PendingAfter = Pending_;  // on the last output
};

/// `Stage`, then those of the other words.
template <class Stage, class Rest, int BlocksBefore>
struct LoweredTo {
  using Others = Lowering<Rest, Stage::out, typename Stage::PendingAfter, false, BlocksBefore>;
  using type = typename PrependedTo<Stage, typename Others::type>::type;
  using PendingAfter = typename Others::PendingAfter;
};

/// A word with a main operation takes the norm and the activation behind it, unless it is a pool or a
/// dropout; a norm or an activation in front of all that is a stage of its own.
template <class Word, class... Others, Shape In, class Pending, bool NetworkInput, int BlocksBefore>
struct Lowering<Chain<Word, Others...>, In, Pending, NetworkInput, BlocksBefore> {
  using Kind = std::remove_cv_t<decltype(main_operation<Word, In>)>;
  static constexpr bool computes = !std::is_same_v<Kind, NoOperation>,
                        takes = !std::is_same_v<Kind, PoolShape> && !std::is_same_v<Kind, DropoutShape>;
  using Norm = LeadingNorm<takes, std::conditional_t<computes, Chain<Others...>, Chain<Word, Others...>>>;
  using Act = LeadingActivation<takes, typename Norm::Rest>;
  static constexpr Kind operation = [] {
    Kind shape = main_operation<Word, In>;
    if constexpr (std::is_same_v<Kind, ConvShape>) shape.network_input = NetworkInput;
    // Applied twice, the same activation may be something else again; ReLU is not.
    if constexpr (!computes)
      shape.materialise = !Norm::found && activates<Pending> &&
                          !(std::is_same_v<Pending, ReLU> && std::is_same_v<typename Act::Found, ReLU>);
    return shape;
  }();
  using Stage = FusedStage<operation, Norm::found, typename Act::Found, Pending>;
  using Result = LoweredTo<Stage, typename Act::Rest, BlocksBefore>;
  using type = typename Result::type;
  using PendingAfter = typename Result::PendingAfter;
};

template <class Words>
inline constexpr bool begins_with_convolution = false;
template <class First, class... Rest>
inline constexpr bool begins_with_convolution<Chain<First, Rest...>> = is_convolution<First>;

/// Count residual blocks in a row, as one entry of the list. The branch's storage comes first, then the
/// projection's where there is one.
///
/// @tparam Pending_  what may be pending on the input of any of them   @tparam Before  StochasticDepth blocks
///                   before the row, where its gates are fixed
template <class Block_, class Schedule_, Gating Gates, int Count, int Before, Shape In, class Pending_>
struct ResidualRow {
  using Block = Block_;
  using Schedule = Schedule_;
  using Pending = Pending_;
  using PendingAfter = Pending_;
  static constexpr Gating gating = Gates;
  static constexpr int blocks = Count, stochastic_before = Before;
  static constexpr Shape in = In, out = Block::output(In);
  static constexpr bool identity = Block::identity_shortcut(In), projects = Block::projects && !identity;
  static constexpr int stride = Block::shortcut_stride(In);
  static constexpr ShortcutShape shortcut{
      In, out.channels, stride, std::is_same_v<typename Block::Shortcut, PoolShortcut> ? stride : 1};
  static constexpr bool leaves_plain = false;

  /// The first convolution reads through what is pending on the block's input; for any other first word it is
  /// written down.
  static constexpr bool reads_pending = begins_with_convolution<typename Block::Words>;
  using Lowered =
      Lowering<typename Block::Words, In, std::conditional_t<reads_pending, Pending, NoActivation>>;
  using Branch = typename Lowered::type;
  using PendingOnBranch = typename Lowered::PendingAfter;
  using Projection =
      StageList<In, FusedStage<ConvShape{In, out.channels, 1, stride, 0}, true, NoActivation, NoActivation>>;

  [[nodiscard]] static constexpr ParameterSizes branch_sizes(int lanes) noexcept {
    return Branch::sizes(lanes);
  }
  [[nodiscard]] static constexpr ParameterSizes block_sizes(int lanes) noexcept {
    return branch_sizes(lanes) + (projects ? Projection::sizes(lanes) : ParameterSizes{});
  }
  [[nodiscard]] static constexpr ParameterSizes sizes(int lanes) noexcept {
    return Count * block_sizes(lanes);
  }

  /// A block keeps its finished input, its branch, and its shortcut's output unless that is the input itself.
  /// With gates for each image also the survivors side by side, beside all images, where no convolution reads
  /// them from their places; and a projection behind its norm, or on a GPU the shortcut of all images, and
  /// beside a projection the survivors' branches among zeros.
  [[nodiscard]] static constexpr ActivationSizes block_activations(int lanes) noexcept {
    const std::size_t input = padded_size(in, lanes), output = padded_size(out, lanes);
    ActivationSizes sum = Branch::activations(lanes);
    sum.kept += input + (identity ? 0 : output) + (activates<PendingOnBranch> ? output : 0);
    if (Gates != Gating::per_batch) sum.kept += input + (identity ? 0 : output);
    sum.largest = std::max({sum.largest, input, output});
    return sum;
  }
  [[nodiscard]] static constexpr ActivationSizes activations(int lanes, bool) noexcept {
    const ActivationSizes one = block_activations(lanes);
    return {static_cast<std::size_t>(Count) * one.kept, one.largest};
  }

  static constexpr double branch_multiply_adds = Branch::multiply_adds;
  static constexpr double multiply_adds =
      Count * (branch_multiply_adds + (projects ? Projection::multiply_adds : 0.0));

  static void describe(Planner& planner, Naming& trunk) {
    for (int i = 0; i < Count; ++i) {
      const int block = trunk.blocks++;
      Naming inside{"blocks." + std::to_string(block) + ".", block};
      Branch::describe(planner, inside);
      Naming beside{inside.prefix + "shortcut.", -1, false};
      if constexpr (projects) Projection::describe(planner, beside);
    }
  }
};

/// Two different activations cannot be pending at once: where one may still be, and the blocks bring another,
/// it is written down before them.
template <class Word, class... Others, Shape In, class Pending, bool NetworkInput, int BlocksBefore>
  requires is_block<Word>
struct Lowering<Chain<Word, Others...>, In, Pending, NetworkInput, BlocksBefore> {
  using Traits = BlockTraits<Word>;
  using AfterSum = typename Traits::Block::AfterSum;
  static constexpr bool sum_activates = activates<AfterSum>;
  static constexpr bool clash = sum_activates && activates<Pending> && !std::is_same_v<Pending, AfterSum>;
  static constexpr bool fixed = has_fixed_gates<Word>;
  using Row = ResidualRow<typename Traits::Block, std::conditional_t<fixed, typename Traits::Schedule, void>,
                          Traits::gating, Traits::count, fixed ? BlocksBefore : 0, In,
                          std::conditional_t<sum_activates, AfterSum, Pending>>;
  using Result = LoweredTo<Row, Chain<Others...>, BlocksBefore + stochastic_count<Word>>;
  using Before = FusedStage<NoOperation{In, true}, false, NoActivation, Pending>;
  using type = typename std::conditional_t<clash, PrependedTo<Before, typename Result::type>, Result>::type;
  using PendingAfter = typename Result::PendingAfter;
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
