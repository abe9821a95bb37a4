// The shape rules as values: what each layer makes of its input, and what it refuses.
#include <doctest/doctest.h>

#include <sdepth/layers/blocks.hpp>
#include <sdepth/layers/conv.hpp>
#include <sdepth/layers/linear.hpp>
#include <sdepth/layers/pool.hpp>
#include <sdepth/layers/residual.hpp>
#include <sdepth/schedule/schedules.hpp>

namespace sdepth::test::check_test {

template <int C, int Stride = 1>
using Block = Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>;

TEST_CASE("layers compute PyTorch's output shapes") {
  CHECK(Conv<16>::output({3, 32, 32}) == Shape{16, 32, 32});
  CHECK(Conv<16, 3, 2>::output({3, 32, 30}) == Shape{16, 16, 15});
  CHECK(Conv<64, 7, 2>::output({3, 224, 224}) == Shape{64, 112, 112});
  CHECK(Conv<8, 5, 1, Bias::none, 0>::output({1, 28, 28}) == Shape{8, 24, 24});
  CHECK(Conv<8, 4>::output({1, 8, 8}) == Shape{8, 9, 9});
  CHECK(MaxPool<3, 2, 1>::output({64, 112, 112}) == Shape{64, 56, 56});
  CHECK(AvgPool<2>::output({4, 7, 7}) == Shape{4, 3, 3});
  CHECK(GlobalAvgPool::output({64, 8, 8}) == Shape{64, 1, 1});
  CHECK(Linear<10>::output({64, 2, 2}) == Shape{10, 1, 1});
  CHECK(Block<32, 2>::output({16, 32, 32}) == Shape{32, 16, 16});
  CHECK(Repeat<5, Block<16>>::output({16, 8, 8}) == Shape{16, 8, 8});
}

TEST_CASE("a layer that does not fit its input says which rule is broken") {
  CHECK(Conv<16>::check({3, 32, 32}) == ShapeError::none);
  CHECK(Conv<16, 7, 1, Bias::none, 0>::check({3, 6, 8}) == ShapeError::kernel_larger_than_input);
  CHECK(Conv<16, 3, 2>::check({3, 32, 33}) == ShapeError::none);
  CHECK(MaxPool<4>::check({3, 3, 8}) == ShapeError::window_larger_than_input);
  CHECK(Block<8>::check({16, 8, 8}) == ShapeError::shortcut_loses_channels);
  CHECK(ResidualWith<ProjectionShortcut, Conv<8>>::check({16, 8, 8}) == ShapeError::none);
  CHECK(Residual<Conv<16, 3, 1, Bias::none, 0>>::check({16, 8, 8}) ==
        ShapeError::shortcut_extents_do_not_match);
  CHECK(Residual<Conv<16, 3, 1, Bias::none, 0>>::check({16, 4, 3}) ==
        ShapeError::shortcut_extents_do_not_match);
  CHECK(Repeat<2, Block<32, 2>>::check({16, 32, 32}) == ShapeError::block_changes_shape_in_repeat);
  CHECK(Repeat<1, Block<32, 2>>::check({16, 32, 32}) == ShapeError::none);
  CHECK(StochasticDepth<Block<8, 2>, Uniform<0.5>>::check({16, 31, 32}) ==
        ShapeError::shortcut_loses_channels);
}

TEST_CASE("strides that do not divide an extent round down, as PyTorch's, and shortcuts follow") {
  CHECK(Conv<16, 3, 2>::output({3, 7, 8}) == Shape{16, 4, 4});
  CHECK(Conv<16, 3, 2, Bias::none, 0>::output({3, 7, 8}) == Shape{16, 3, 3});
  CHECK(Conv<16, 5, 3>::output({3, 11, 12}) == Shape{16, 4, 4});
  // Both extents, either, none; and a block whose output has a whole number of pixels by accident.
  CHECK(Block<32, 2>::check({16, 33, 33}) == ShapeError::none);
  CHECK(Block<32, 2>::shortcut_stride({16, 33, 33}) == 2);
  CHECK(Block<32, 2>::check({16, 31, 32}) == ShapeError::none);
  CHECK(Block<32, 2>::shortcut_stride({16, 31, 32}) == 2);
  CHECK(Block<32, 2>::shortcut_stride({16, 3, 3}) == 2);
  CHECK(Block<32, 2>::shortcut_stride({16, 1, 1}) == 1);
  CHECK(Block<32, 2>::output({16, 1, 3}) == Shape{32, 1, 2});
  CHECK(Block<32, 2>::check({16, 1, 3}) == ShapeError::none);
  using Pooled = ResidualWith<ProjectionShortcut, Conv<8, 3, 2>, MaxPool<3, 2, 1>>;
  CHECK(Pooled::shortcut_stride({16, 15, 15}) == 4);
  CHECK(Pooled::check({16, 15, 15}) == ShapeError::none);
  // 7 -> 3 rounds down where the shortcut would round up.
  CHECK(Residual<Conv<16, 3, 2, Bias::none, 0>>::check({16, 7, 7}) ==
        ShapeError::shortcut_extents_do_not_match);
  CHECK(Residual<Conv<16, 2, 2, Bias::none, 0>>::check({16, 6, 6}) == ShapeError::none);
}

}  // namespace sdepth::test::check_test
