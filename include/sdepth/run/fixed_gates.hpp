// Residual blocks whose gates are compile-time constants, as stages and as operations: a closed one is not there, an open one does not ask.
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <sdepth/network/rules.hpp>
#include <sdepth/run/block.hpp>
#include <sdepth/run/block_operation.hpp>

namespace sdepth {

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
      for (std::size_t i = 0; i < open.size(); ++i) One::forward_open(pass, Row::offset(at, open[i]), record[i], value);
  }
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    if constexpr (!open.empty())
      for (std::size_t i = open.size(); i-- > 0;) One::backward_open(pass, Row::offset(at, open[i]), record[i], flow);
  }
};
template <class Backend, class Block, int... Gates, Shape In, Place Here>
  requires(!Block::identity_shortcut(In))
struct Stage<Backend, Repeat<1, StochasticDepth<Block, FixedGates<Gates...>>>, In, Here>
    : Stage<Backend, StochasticDepth<Block, FixedGates<Gates...>>, In, Here> {};

/// A word with fixed gates on its way to operations: it knows how many StochasticDepth blocks stand before it.
template <class Word, int StochasticBefore>
struct FixedWord {
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return Word::output(in); }
};

/// A network's words, those with fixed gates as FixedWord.
template <class Words>
struct FixedWordsOf;
template <class... Words>
struct FixedWordsOf<Chain<Words...>> {
  template <class Word, std::size_t I>
  using At = std::conditional_t<has_fixed_gates<Word>, FixedWord<Word, stochastic_before<I, Words...>>, Word>;
  template <std::size_t... I>
  static Chain<At<Words, I>...> chain(std::index_sequence<I...>);
  using type = decltype(chain(std::index_sequence_for<Words...>{}));
};
template <class Words>
using WithFixedWords = typename FixedWordsOf<Words>::type;

/// BlockOperation with the open blocks alone. The closed ones' numbers are neither made nor read.
template <class Backend, class Block, Shape In, int Count, class Gates, int Before>
struct FixedBlockOperation : BlockOperation<Backend, Block, In, Count> {
  using Blocks = BlockOperation<Backend, Block, In, Count>;
  using typename Blocks::T;
  static constexpr auto open = open_blocks<Gates, Before, Count>;

  static void fold(Unfolded<T>& from, const double* scales, T* numbers) {
    for (int i = 0; i < Count; ++i, numbers += Blocks::block_size) {
      if (Gates::open(Before + i + 1) || !Blocks::in_place) {
        Blocks::fold_block(from, scales[i], numbers);
      } else {
        constexpr ParameterSizes one = WordPlan<Block, In>::sizes(Backend::lanes);
        static_cast<void>(from.parameters(one.trainable));
        static_cast<void>(from.running(one.running));
      }
    }
  }

  template <bool, bool>
  static void run(int count, const T* x, const T* numbers, T* y, const OperationMemory<T>& memory) {
    if constexpr (!Blocks::in_place || !open.empty())
      Blocks::in_groups(count, x, y, memory, [&](int here, const T* from, T* to) {
        if constexpr (!Blocks::in_place) Blocks::template run_shortcut<open.empty()>(here, from, numbers, to, memory);
        for (const int i : open) Blocks::run_branch(here, from, numbers + static_cast<std::size_t>(i) * Blocks::block_size, to, memory);
      });
  }
};

template <class Backend, class Word, int Before, class... Others, Shape In, bool NetworkInput>
struct Lowered<Backend, Chain<FixedWord<Word, Before>, Others...>, In, NetworkInput> {
  using Traits = BlockTraits<Word>;
  using Blocks = FixedBlockOperation<Backend, typename Traits::Block, In, Traits::count, typename Traits::Schedule, Before>;
  using type = typename LoweredTo<Backend, Blocks, Chain<Others...>>::type;
};

}  // namespace sdepth
