// Any sequence of words: unusual networks on the reference in double, whose gradients must be the differences
// of their losses.
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

#include "differences.hpp"

namespace sdepth::test::sequences_test {

namespace {

template <class Block>
using Drop = StochasticDepth<Block, Uniform<0.7>>;

// Every place where something pending meets a stage that does not expect it.
using BeginsWithNorm =
    Network<Input<3, 6, 6>, BN, Conv<4>, ReLU, ReLU, BN, BN, MaxPool<2>, BN, ReLU, Linear<3>>;
using BeginsWithPool = Network<Input<2, 8, 8>, AvgPool<2>, ReLU, Conv<4, 2, 1, Bias::learned, 0>,
                               AvgPool<3, 1, 1>, BN, GlobalAvgPool, BN, Linear<3>>;
using BeginsWithBlock =
    Network<Input<3, 4, 4>, Residual<Conv<3>, BN>,
            Drop<ResidualWith<ProjectionShortcut, Conv<5, 1, 2>, ReLU>>, BN, ReLU, Linear<3>, BN>;
using SkipThenNorm =
    Network<Input<3, 8, 8>, Conv<4>, BN, ReLU, Drop<Residual<Conv<6, 3, 2>, BN>>, BN, Conv<4>, ReLU,
            Drop<Residual<Conv<4>, BN>>, Drop<ResidualWith<ProjectionShortcut, Conv<6, 3, 2>, BN>>, BN,
            GlobalAvgPool, Linear<3>>;

}  // namespace

TEST_CASE("gradients of unusual sequences are the differences of their losses") {
  check_gradients<BeginsWithNorm>(Scaling::test, {});
  check_gradients<BeginsWithPool>(Scaling::test, {});
  check_gradients<BeginsWithBlock>(Scaling::test, {1, 1});
  check_gradients<BeginsWithBlock>(Scaling::train, {1, 0});
  check_gradients<SkipThenNorm>(Scaling::test, {1, 1, 1});
  check_gradients<SkipThenNorm>(Scaling::test, {0, 0, 0});
}

TEST_CASE("gradients of unusual branches are too, open or closed, scaled or not") {
  for (const Scaling scaling : {Scaling::test, Scaling::train})
    for (const std::vector<std::uint8_t>& gates : {std::vector<std::uint8_t>{1, 1, 1, 1, 1, 1, 1, 1},
                                                   {1, 0, 1, 0, 1, 0, 1, 0},
                                                   {0, 1, 0, 1, 0, 1, 0, 1},
                                                   {0, 0, 0, 0, 0, 0, 0, 0}})
      check_gradients<OddBranches<Drop>>(scaling, gates);
}

}  // namespace sdepth::test::sequences_test
