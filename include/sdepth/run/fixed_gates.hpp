// Residual blocks whose gates are compile-time constants, as stages: a closed one is not there, an open one does not ask.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>

#include <sdepth/network/rules.hpp>
#include <sdepth/run/block.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The open ones among `Count` blocks that stand behind `Before` other StochasticDepth blocks: their places among the Count, rising.
template <class Gates, int Before, int Count>
inline constexpr auto open_blocks = [] {
  constexpr int open = [] {
    int sum = 0;
    for (int i = 0; i < Count; ++i) sum += Gates::open(Before + i + 1);
    return sum;
  }();
  std::array<int, static_cast<std::size_t>(open)> places{};
  for (int i = 0, next = 0; i < Count; ++i)
    if (Gates::open(Before + i + 1)) places[static_cast<std::size_t>(next++)] = i;
  return places;
}();

/// One block.
template <class Backend, class Block, int... Gates, Shape In, Place Here>
struct Stage<Backend, StochasticDepth<Block, FixedGates<Gates...>>, In, Here> {
  using T = typename Backend::Scalar;
  using One = Stage<Backend, Block, In, Place{}>;
  static constexpr bool open = FixedGates<Gates...>::open(Here.stochastic_before + 1);
  struct Nothing {};
  using Record = std::conditional_t<open || !One::identity, typename One::Record, Nothing>;

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    if constexpr (open)
      One::forward_open(pass, at, record, value);
    else if constexpr (!One::identity)
      One::forward_closed(pass, at, record, value);
  }
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    if constexpr (open)
      One::backward_open(pass, at, record, flow);
    else if constexpr (!One::identity)
      One::backward_closed(pass, at, record, flow);
  }
};

/// A loop over the open blocks alone: still one instantiation for any depth.
template <class Backend, int Count, class Block, int... Gates, Shape In, Place Here>
  requires(Block::identity_shortcut(In))
struct Stage<Backend, Repeat<Count, StochasticDepth<Block, FixedGates<Gates...>>>, In, Here> {
  using T = typename Backend::Scalar;
  using One = Stage<Backend, Block, In, Place{}>;
  using Row = Stage<Backend, Repeat<Count, Block>, In, Place{}>;
  static constexpr auto open = open_blocks<FixedGates<Gates...>, Here.stochastic_before, Count>;
  struct Nothing {};
  using Record = std::conditional_t<open.empty(), Nothing, std::array<typename One::Record, open.size()>>;

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    if constexpr (!open.empty())
      for (std::size_t i = 0; i < open.size(); ++i) {
        pass.place(Row::offset(at, open[i]));
        One::forward_open(pass, Row::offset(at, open[i]), record[i], value);
      }
  }
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    if constexpr (!open.empty())
      for (std::size_t i = open.size(); i-- > 0;) {
        One::backward_open(pass, Row::offset(at, open[i]), record[i], flow);
        pass.gradients_are_final(Row::offset(at, open[i]).trainable, WordPlan<Block, In>::sizes(Backend::lanes).trainable);
      }
  }
};
template <class Backend, class Block, int... Gates, Shape In, Place Here>
  requires(!Block::identity_shortcut(In))
struct Stage<Backend, Repeat<1, StochasticDepth<Block, FixedGates<Gates...>>>, In, Here>
    : Stage<Backend, StochasticDepth<Block, FixedGates<Gates...>>, In, Here> {};

}  // namespace sdepth::inline SDEPTH_ISA
