// Words about blocks: how often one stands in a row, and with which probability it survives a training step.
#pragma once

#include <type_traits>

#include <sdepth/layers/residual.hpp>
#include <sdepth/schedule/survival_schedule.hpp>

namespace sdepth::inline SDEPTH_ISA {

template <class Word>
inline constexpr bool is_residual = false;
template <class Shortcut, class AfterSum, class... Branch>
inline constexpr bool is_residual<BasicResidual<Shortcut, AfterSum, Branch...>> = true;

/// What has a gate of its own in a training step.
enum class Gating {
  // the mini-batch: b_l ~ Bernoulli(p_l). The paper's way, and the one that saves the most time
  per_batch,
  per_sample,  // each image: b_l,n ~ Bernoulli(p_l), as torchvision's mode "row" and timm's DropPath
  // each image, but round(p_l · N) of the N images survive, as in DINOv2, at least one where p_l > 0; see
  // exact_branch_scale
  per_sample_exact,
};

template <class Block, class Schedule>
inline constexpr WordError stochastic_depth_error =
    !is_residual<Block>      ? WordError::stochastic_depth_block
    : !is_schedule<Schedule> ? WordError::stochastic_depth_schedule
                             : WordError::none;

/// A residual block that is skipped in some training steps: f_l runs where the gate b_l ~ Bernoulli(p_l) is
/// open, else only the shortcut.
///
/// Per sample, the branch runs on the surviving images alone, and BN's statistics are theirs.
///
/// @tparam Block_     Residual<...> or one of its relatives.
/// @tparam Schedule_  A SurvivalSchedule: LinearDecay<p_L>, Early<LinearDecay<p_L>, E>, or a type of one's
///                    own.
/// Source: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016; per sample: Oquab et al.,
/// "DINOv2", 2023.
template <class Block_, class Schedule_ = void, Gating Gates = Gating::per_batch>
struct StochasticDepth {
  static constexpr WordError error = stochastic_depth_error<Block_, Schedule_>;
  static constexpr bool sound = error == WordError::none && is_sound<Block_>;
  static_assert(CheckedWord<error>::said);

  using Block = Block_;
  using Schedule = Schedule_;
  [[nodiscard]] static constexpr ShapeError check(Shape in) noexcept { return Block::check(in); }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return Block::output(in); }
};

template <class Word>
inline constexpr bool is_stochastic = false;
template <class Block, class Schedule, Gating Gates>
inline constexpr bool is_stochastic<StochasticDepth<Block, Schedule, Gates>> = true;

template <class Block, class Schedule, Gating Gates>
inline constexpr bool is_block<StochasticDepth<Block, Schedule, Gates>> = true;
template <class Block, class Schedule, Gating Gates>
inline constexpr bool is_layer<StochasticDepth<Block, Schedule, Gates>> = true;

template <int Count, class Block>
inline constexpr WordError repeat_error =
    Count <= 0                                     ? WordError::repeat_count
    : !is_residual<Block> && !is_stochastic<Block> ? WordError::repeat_block
                                                   : WordError::none;

/// `Count` blocks in a row: one instantiation and a loop, however deep the network.
template <int Count, class Block_>
struct Repeat {
  static constexpr WordError error = repeat_error<Count, Block_>;
  static constexpr bool sound = error == WordError::none && is_sound<Block_>;
  static_assert(CheckedWord<error>::said);

  using Block = Block_;
  static constexpr int count = Count;
  [[nodiscard]] static constexpr ShapeError check(Shape in) noexcept {
    if (const ShapeError inside = Block::check(in); inside != ShapeError::none) return inside;
    return Count > 1 && Block::output(in) != in ? ShapeError::block_changes_shape_in_repeat
                                                : ShapeError::none;
  }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return Block::output(in); }
};

template <int Count, class Block>
inline constexpr bool is_block<Repeat<Count, Block>> = true;
template <int Count, class Block>
inline constexpr bool is_layer<Repeat<Count, Block>> = true;

/// What a word of the trunk is, seen as blocks: how many, the residual block itself (void: none), its
/// schedule (void: always open), and its gates.
template <class Word>
struct BlockTraits {
  static constexpr int count = 0;
  static constexpr Gating gating = Gating::per_batch;
  using Block = void;
  using Schedule = void;
};
template <class Shortcut, class AfterSum, class... Branch>
struct BlockTraits<BasicResidual<Shortcut, AfterSum, Branch...>> {
  static constexpr int count = 1;
  static constexpr Gating gating = Gating::per_batch;
  using Block = BasicResidual<Shortcut, AfterSum, Branch...>;
  using Schedule = void;
};
template <class Block_, class Schedule_, Gating Gates>
struct BlockTraits<StochasticDepth<Block_, Schedule_, Gates>> {
  static constexpr int count = 1;
  static constexpr Gating gating = Gates;
  using Block = Block_;
  using Schedule = Schedule_;
};
template <int Count, class Word>
struct BlockTraits<Repeat<Count, Word>> : BlockTraits<Word> {
  static constexpr int count = Count > 0 ? Count : 0;
};

}  // namespace sdepth::inline SDEPTH_ISA
