// From words to operations: a norm and a ReLU behind a convolution become part of it.
#pragma once

#include <tuple>
#include <utility>

#include <sdepth/network/plan.hpp>
#include <sdepth/run/operations.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What is left of a row of words behind Word, where it begins with that.
template <class Word, class Words>
struct Skip {
  static constexpr bool found = false;
  using Rest = Words;
};
template <class Word, class... Others>
struct Skip<Word, Chain<Word, Others...>> {
  static constexpr bool found = true;
  using Rest = Chain<Others...>;
};

template <class Operation, class Tuple>
struct Prepended;
template <class Operation, class... Others>
struct Prepended<Operation, std::tuple<Others...>> {
  using type = std::tuple<Operation, Others...>;
};

/// The operations of a row of words at input shape In, as a std::tuple. NetworkInput: the first word reads the network's input.
template <class Backend, class Words, Shape In, bool NetworkInput = false>
struct Lowered;
template <class Backend, class Words, Shape In, bool NetworkInput = false>
using Operations = typename Lowered<Backend, Words, In, NetworkInput>::type;

/// `Operation`, then those of the other words.
template <class Backend, class Operation, class Rest>
struct LoweredTo {
  using type = typename Prepended<Operation, Operations<Backend, Rest, Operation::out>>::type;
};

template <class Backend, Shape In, bool NetworkInput>
struct Lowered<Backend, Chain<>, In, NetworkInput> {
  using type = std::tuple<>;
};

template <class Backend, int Channels, int Kernel, int Stride, Bias HasBias, int Padding, class... Others, Shape In, bool NetworkInput>
struct Lowered<Backend, Chain<Conv<Channels, Kernel, Stride, HasBias, Padding>, Others...>, In, NetworkInput> {
  using Norm = Skip<BN, Chain<Others...>>;
  using Relu = Skip<ReLU, typename Norm::Rest>;
  static constexpr ConvShape shape{In, Channels, Kernel, Stride, Padding, HasBias == Bias::learned, NetworkInput};
  using type = typename LoweredTo<Backend, ConvOperation<Backend, shape, Norm::found, Relu::found>, typename Relu::Rest>::type;
};
template <class Backend, int Features, Bias HasBias, class... Others, Shape In, bool NetworkInput>
struct Lowered<Backend, Chain<Linear<Features, HasBias>, Others...>, In, NetworkInput> {
  using Norm = Skip<BN, Chain<Others...>>;
  using Relu = Skip<ReLU, typename Norm::Rest>;
  static constexpr LinearShape shape{In, Features, HasBias == Bias::learned};
  using type = typename LoweredTo<Backend, LinearOperation<Backend, shape, Norm::found, Relu::found>, typename Relu::Rest>::type;
};
template <class Backend, class... Others, Shape In, bool NetworkInput>
struct Lowered<Backend, Chain<BN, Others...>, In, NetworkInput> {
  using Relu = Skip<ReLU, Chain<Others...>>;
  using type = typename LoweredTo<Backend, PointOperation<Backend, In, true, Relu::found>, typename Relu::Rest>::type;
};
template <class Backend, class... Others, Shape In, bool NetworkInput>
struct Lowered<Backend, Chain<ReLU, Others...>, In, NetworkInput> {
  using type = typename LoweredTo<Backend, PointOperation<Backend, In, false, true>, Chain<Others...>>::type;
};
template <class Backend, int W, int S, int P, class... Others, Shape In, bool NetworkInput>
struct Lowered<Backend, Chain<AvgPool<W, S, P>, Others...>, In, NetworkInput> {
  static constexpr PoolShape shape{In, PoolKind::average, W, W, S, P};
  using type = typename LoweredTo<Backend, PoolOperation<Backend, shape>, Chain<Others...>>::type;
};
template <class Backend, int W, int S, int P, class... Others, Shape In, bool NetworkInput>
struct Lowered<Backend, Chain<MaxPool<W, S, P>, Others...>, In, NetworkInput> {
  static constexpr PoolShape shape{In, PoolKind::maximum, W, W, S, P};
  using type = typename LoweredTo<Backend, PoolOperation<Backend, shape>, Chain<Others...>>::type;
};
template <class Backend, class... Others, Shape In, bool NetworkInput>
struct Lowered<Backend, Chain<GlobalAvgPool, Others...>, In, NetworkInput> {
  static constexpr PoolShape shape{In, PoolKind::average, In.height, In.width, 1, 0};
  using type = typename LoweredTo<Backend, PoolOperation<Backend, shape>, Chain<Others...>>::type;
};

/// `Count` residual blocks; see block_operation.hpp.
template <class Backend, class Block, Shape In, int Count>
struct BlockOperation;

template <class Backend, class Word, class... Others, Shape In, bool NetworkInput>
  requires is_block<Word>
struct Lowered<Backend, Chain<Word, Others...>, In, NetworkInput> {
  using Blocks = BlockOperation<Backend, typename BlockTraits<Word>::Block, In, BlockTraits<Word>::count>;
  using type = typename LoweredTo<Backend, Blocks, Chain<Others...>>::type;
};

}  // namespace sdepth::inline SDEPTH_ISA
