// Words about blocks: how often one stands in a row, and with which probability it survives a training step.
#pragma once

#include <type_traits>

#include <sdepth/layers/residual.hpp>

namespace sdepth {

template <class Word>
inline constexpr bool is_residual = false;
template <class Shortcut, class AfterSum, class... Branch>
inline constexpr bool is_residual<BasicResidual<Shortcut, AfterSum, Branch...>> = true;

/// A residual block that is skipped in some training steps: f_l runs where the gate b_l ~ Bernoulli(p_l) is open, else only the shortcut.
///
/// @tparam Block_     Residual<...> or one of its relatives.
/// @tparam Schedule_  A type with `static constexpr double survival(int l, int L)`, l = 1 … L over all StochasticDepth blocks of the network.
/// Source: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016.
template <class Block_, class Schedule_>
struct StochasticDepth {
  static_assert(is_residual<Block_>, "StochasticDepth<Block, Schedule>: only a Residual block has a shortcut to take when it is skipped");
  using Block = Block_;
  using Schedule = Schedule_;
  [[nodiscard]] static constexpr ShapeError check(Shape in) noexcept { return Block::check(in); }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return Block::output(in); }
};

template <class Word>
inline constexpr bool is_stochastic = false;
template <class Block, class Schedule>
inline constexpr bool is_stochastic<StochasticDepth<Block, Schedule>> = true;

/// `Count` blocks in a row: one instantiation and a loop, however deep the network.
template <int Count, class Block_>
struct Repeat {
  static_assert(Count > 0, "Repeat<N, Block>: the number of blocks must be positive");
  static_assert(is_residual<Block_> || is_stochastic<Block_>, "Repeat<N, Block>: the block must be a Residual or a StochasticDepth block");
  using Block = Block_;
  static constexpr int count = Count;
  [[nodiscard]] static constexpr ShapeError check(Shape in) noexcept {
    if (const ShapeError error = Block::check(in); error != ShapeError::none) return error;
    return Count > 1 && Block::output(in) != in ? ShapeError::block_changes_shape_in_repeat : ShapeError::none;
  }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return Block::output(in); }
};

/// What a word of the trunk is, seen as blocks: how many, the residual block itself (void: none), its schedule (void: always open).
template <class Word>
struct BlockTraits {
  static constexpr int count = 0;
  using Block = void;
  using Schedule = void;
};
template <class Shortcut, class AfterSum, class... Branch>
struct BlockTraits<BasicResidual<Shortcut, AfterSum, Branch...>> {
  static constexpr int count = 1;
  using Block = BasicResidual<Shortcut, AfterSum, Branch...>;
  using Schedule = void;
};
template <class Block_, class Schedule_>
struct BlockTraits<StochasticDepth<Block_, Schedule_>> {
  static constexpr int count = 1;
  using Block = Block_;
  using Schedule = Schedule_;
};
template <int Count, class Word>
struct BlockTraits<Repeat<Count, Word>> : BlockTraits<Word> {
  static constexpr int count = Count;
};

template <class Word>
inline constexpr bool is_block = BlockTraits<Word>::count > 0;

/// True for a block whose branch holds another block.
template <class Block>
inline constexpr bool is_nested = false;
template <class Shortcut, class AfterSum, class... Branch>
inline constexpr bool is_nested<BasicResidual<Shortcut, AfterSum, Branch...>> = (is_block<Branch> || ...);

}  // namespace sdepth
