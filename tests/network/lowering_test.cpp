#include <sdepth/network/lowering.hpp>

#include <doctest/doctest.h>

#include <tuple>
#include <type_traits>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/silu.hpp>
#include <sdepth/schedule/schedules.hpp>

namespace sdepth::test::lowering_test {

namespace {

constexpr Shape in{4, 8, 8};
template <class... Words>
using Lowered = detail::Lowering<Chain<Words...>, in>;
template <class List, std::size_t Index>
struct AtOf;
template <Shape In, class... Entries, std::size_t Index>
struct AtOf<detail::StageList<In, Entries...>, Index> {
  using type = std::tuple_element_t<Index, std::tuple<Entries...>>;
};
template <class List, std::size_t Index>
using At = typename AtOf<List, Index>::type;

}  // namespace

TEST_CASE("a norm and an activation become part of the convolution or linear layer before them") {
  using List = Lowered<Conv<6>, BN, GELU, Conv<6>, ReLU, GlobalAvgPool, Linear<3>, BN>::type;
  static_assert(List::length == 4);
  using First = At<List, 0>;
  static_assert(First::convolves && First::norm && std::is_same_v<First::Activation, GELU> &&
                First::out == Shape{6, 8, 8});
  using Second = At<List, 1>;
  static_assert(std::is_same_v<Second::Pending, GELU> && !Second::norm &&
                std::is_same_v<Second::Activation, ReLU>);
  static_assert(std::is_same_v<At<List, 2>::Pending, ReLU> && At<List, 2>::leaves_plain);
  static_assert(At<List, 3>::is_linear && At<List, 3>::norm &&
                std::is_same_v<At<List, 3>::Pending, NoActivation>);
  CHECK(List::sizes(1).trainable == 6 * 4 * 9 + 12 + 6 * 6 * 9 + 3 * 6 + 3 + 6);
  CHECK(List::multiply_adds == 64.0 * (6 * 4 * 9 + 6 * 6 * 9) + 18);
}

TEST_CASE("what nothing stands before is a stage of its own") {
  using List = Lowered<BN, GELU, MaxPool<2>, BN, ReLU, ReLU>::type;
  static_assert(List::length == 4);
  static_assert(!At<List, 0>::computes && At<List, 0>::norm && std::is_same_v<At<List, 0>::Activation, GELU>);
  static_assert(At<List, 1>::computes && !At<List, 1>::norm);
  static_assert(!At<List, 2>::computes && At<List, 2>::norm && std::is_same_v<At<List, 2>::Activation, ReLU>);
  static_assert(!At<List, 3>::norm && !At<List, 3>::operation.materialise);  // a ReLU of a ReLU is one
  // the norm behind the pool reads what the pool wrote
  CHECK(List::activations(1).kept == 4 * 64 + (4 * 64 + 4 * 16));
}

TEST_CASE("two activations cannot be pending at once: the first is written down") {
  using Twice = Lowered<Conv<4>, GELU, GELU>::type;
  static_assert(Twice::length == 2 && At<Twice, 1>::operation.materialise);
  using Block = BasicResidual<PoolShortcut, SiLU, Conv<4>, BN>;
  using Clash = Lowered<Conv<4>, GELU, Repeat<3, Block>>;
  static_assert(Clash::type::length == 3 && At<Clash::type, 1>::operation.materialise);
  static_assert(std::is_same_v<At<Clash::type, 2>::Pending, SiLU> &&
                std::is_same_v<Clash::PendingAfter, SiLU>);
  using None = Lowered<Conv<4>, GELU, PreActivation<BN, ReLU, Conv<4>>>;
  // of a skipped block, its input's
  static_assert(None::type::length == 2 && std::is_same_v<None::PendingAfter, GELU>);
  CHECK(Clash::type::activations(1).kept == 4 * 64 * (1 + 1 + 3 * 2));
}

TEST_CASE("a row of blocks is one entry, and its branch a list") {
  using Drop = StochasticDepth<Residual<Conv<4>, BN, ReLU, Conv<4>, BN>, LinearDecay<0.5>>;
  using List =
      Lowered<Conv<4>, BN, ReLU, Repeat<5, Drop>,
              StochasticDepth<ResidualWith<ProjectionShortcut, Conv<8, 3, 2>, BN>, LinearDecay<0.5>>>::type;
  static_assert(List::length == 3);
  using Row = At<List, 1>;
  static_assert(Row::blocks == 5 && Row::identity && !Row::projects && Row::Branch::length == 2);
  static_assert(std::is_same_v<Row::Branch::First::Pending, ReLU>);  // read through by the first convolution
  using Last = At<List, 2>;
  static_assert(Last::projects && Last::Projection::First::operation.stride == 2);
  CHECK(Last::sizes(1).trainable == Last::branch_sizes(1).trainable + 4 * 8 + 16);
  CHECK(List::blocks_before(2) == 5);
}

TEST_CASE("a dropout takes nothing, and at test lets pending what was") {
  using List = Lowered<Conv<4>, ReLU, Dropout<0.5>, BN>;
  static_assert(List::type::length == 3 && At<List::type, 1>::drops);
  static_assert(std::is_same_v<At<List::type, 2>::Pending, ReLU>);
  CHECK(List::type::sizes(1).trainable == 4 * 4 * 9 + 8);
}

}  // namespace sdepth::test::lowering_test
