// Depth plans: budgets are exact, orders are what they say, and what does not fit is refused in a sentence.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/depth_plan.hpp>

namespace sdepth::test::depth_plan_test {

namespace {

using Net = CifarResNet<20>;  // 9 blocks; 3 and 6 change the shape

// Between two stochastic blocks one that always runs; a projection, which runs whether its block does or not.
template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.5>>;
using Mixed = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Drop<Residual<Conv<8>, BN>>, Residual<Conv<8>, BN>,
                      Drop<ResidualWith<ProjectionShortcut, Conv<16, 3, 2>, BN>>, GlobalAvgPool, Linear<4>>;

// The second block never runs, the third always does.
template <int Channels>
using Fixed = StochasticDepth<Residual<Conv<Channels>, BN>, FixedGates<0, 0, 1, 0>>;
using PartlyFixed = Network<Input<3, 8, 8>, Conv<8>, ReLU, Drop<Residual<Conv<8>, BN>>, Repeat<2, Fixed<8>>,
                            Drop<Residual<Conv<8>, BN>>, GlobalAvgPool, Linear<4>>;

constexpr double whole = Net::operations_per_image;
// two 3×3 convolutions, 2 operations per multiply-add; the same in every group
constexpr double same_branch = 2 * 2.0 * 9 * 16 * 16 * 32 * 32;
constexpr double down_branch = 0.75 * same_branch;  // the first of two has half the channels

}  // namespace

TEST_CASE("operations are the whole network's without the branches that are dropped") {
  CHECK(operations_of<Net>({}) == whole);
  CHECK(operations_of<Net>({{1, 1, 1, 1, 1, 1, 1, 1, 1}}) == whole);
  CHECK(operations_of<Net>({{1, 0, 1, 1, 1, 1, 1, 1, 1}}) == whole - same_branch);
  CHECK(operations_of<Net>({{1, 0, 1, 0, 1, 1, 1, 1, 1}}) == whole - same_branch - down_branch);
  // stem and head
  CHECK(operations_of<Net>({{0, 0, 0, 0, 0, 0, 0, 0, 0}}) == 2.0 * (27 * 16 * 32 * 32 + 64 * 10));
  // the projection stays
  CHECK(operations_of<Mixed>({{1, 1, 0}}) == Mixed::operations_per_image - 2.0 * 9 * 8 * 16 * 4 * 4);
  CHECK(blocks_kept<Net>({}) == 9);
  CHECK(blocks_kept<Net>({{1, 0, 1, 0, 1, 1, 1, 1, 0}}) == 6);
}

TEST_CASE(
    "by survival the least surviving go first, of equals the deepest; what always runs is not in the order") {
  CHECK(drop_order_by_survival<Net>() == std::vector<int>{8, 7, 6, 5, 4, 3, 2, 1, 0});
  const std::vector<double> table = {0.9, 0.5, 0.9, 0.2, 0.5, 1, 1, 0.2, 0.3};
  CHECK(drop_order_by_survival<Net>(table) == std::vector<int>{7, 3, 8, 4, 1, 2, 0, 6, 5});
  CHECK(drop_order_by_survival<Mixed>() == std::vector<int>{2, 0});
}

TEST_CASE("a budget of blocks is kept to the block") {
  const std::vector<int> order = {4, 8, 0, 3, 7, 1, 2, 5, 6};
  CHECK(keep_blocks<Net>(order, 9).keep == std::vector<std::uint8_t>(9, 1));
  CHECK(keep_blocks<Net>(order, 6).keep == std::vector<std::uint8_t>{0, 1, 1, 1, 0, 1, 1, 1, 0});
  CHECK(keep_blocks<Net>(order, 0).keep == std::vector<std::uint8_t>(9, 0));
  for (int kept = 0; kept <= 9; ++kept) CHECK(blocks_kept<Net>(keep_blocks<Net>(order, kept)) == kept);
}

TEST_CASE("a budget of operations drops no block more than it takes") {
  const std::vector<int> order = {4, 3, 8, 0, 7, 1, 2, 5, 6};
  CHECK(keep_operations<Net>(order, 1).keep == std::vector<std::uint8_t>(9, 1));
  for (int dropped = 0; dropped <= 9; ++dropped) {
    CAPTURE(dropped);
    const DepthPlan plan = keep_blocks<Net>(order, 9 - dropped);
    const double fraction = operations_of<Net>(plan) / whole;
    CHECK(keep_operations<Net>(order, fraction).keep == plan.keep);  // just enough
    if (dropped < 9)
      CHECK(keep_operations<Net>(order, fraction - 1e-9).keep ==
            keep_blocks<Net>(order, 9 - dropped - 1).keep);
  }
}

TEST_CASE("what FixedGates decides is decided: it is in no order, and a closed block counts nowhere") {
  const std::vector<int> order = drop_order_by_survival<PartlyFixed>();
  CHECK(order == std::vector<int>{3, 0});
  CHECK(gates_of<PartlyFixed>({}) == std::vector<std::uint8_t>{1, 0, 1, 1});
  CHECK(blocks_kept<PartlyFixed>({}) == 3);
  CHECK(keep_blocks<PartlyFixed>(order, 2).keep == std::vector<std::uint8_t>{1, 0, 1, 0});
  CHECK(blocks_kept<PartlyFixed>(keep_blocks<PartlyFixed>(order, 1)) == 1);
  CHECK_THROWS_WITH_AS(keep_blocks<PartlyFixed>(order, 4), doctest::Contains("between 1 and 3"), Error);
  CHECK(keep_operations<PartlyFixed>(order, 1).keep == std::vector<std::uint8_t>{1, 0, 1, 1});
  CHECK_THROWS_WITH_AS(gates_of<PartlyFixed>({{1, 0, 0, 1}}),
                       doctest::Contains("block 2 is dropped but its FixedGates opens it"), Error);
}

TEST_CASE("what does not fit is refused in a sentence") {
  const std::vector<int> order = drop_order_by_survival<Mixed>();
  CHECK_THROWS_WITH_AS(keep_blocks<Mixed>(order, 0),
                       "depth plan: expected between 1 and 3 residual blocks to keep, found 0", Error);
  CHECK_THROWS_WITH_AS(keep_blocks<Mixed>(order, 4), doctest::Contains("between 1 and 3"), Error);
  for (const double fraction : {0.0, -1.0, 1.5})
    CHECK_THROWS_WITH_AS(keep_operations<Mixed>(order, fraction), doctest::Contains("(0, 1]"), Error);
  CHECK_THROWS_WITH_AS(keep_operations<Mixed>(order, 0.1), doctest::Contains("cannot be reached"), Error);
  CHECK_THROWS_WITH_AS(gates_of<Mixed>({{1, 1}}),
                       doctest::Contains("expected 3 entries, one for each residual block, found 2"), Error);
  CHECK_THROWS_WITH_AS(gates_of<Mixed>({{1, 0, 1}}),
                       doctest::Contains("block 1 is dropped but stands outside StochasticDepth"), Error);
  const std::vector<int> fixed = {1, 2}, unknown = {3, 2}, twice = {2, 2};
  CHECK_THROWS_WITH_AS(keep_blocks<Mixed>(fixed, 2),
                       doctest::Contains("block 1 is dropped but stands outside"), Error);
  CHECK_THROWS_WITH_AS(keep_blocks<Mixed>(unknown, 2),
                       doctest::Contains("found block 3, expected numbers from 0 to 2"), Error);
  CHECK_THROWS_WITH_AS(keep_blocks<Mixed>(twice, 1), doctest::Contains("block 2 stands in it twice"), Error);
  const std::vector<double> table = {1.0};
  CHECK_THROWS_WITH_AS(drop_order_by_survival<Mixed>(table), doctest::Contains("expected 3 probabilities"),
                       Error);
}

}  // namespace sdepth::test::depth_plan_test
