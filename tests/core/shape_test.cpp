// Shapes, the values that everything at compile time computes with.
#include <doctest/doctest.h>

#include <sdepth/core/shape.hpp>

namespace sdepth::test::shape_test {

namespace {

TEST_CASE("a shape counts pixels and numbers without overflowing int") {
  static_assert(Shape{3, 32, 16}.pixels() == 512);
  static_assert(Shape{3, 32, 16}.size() == 1536);
  CHECK(Shape{4096, 4096, 4096}.size() == std::size_t{1} << 36);
}

TEST_CASE("shapes are equal when channels, height and width are") {
  CHECK(Shape{1, 2, 3} == Shape{1, 2, 3});
  CHECK_FALSE(Shape{1, 2, 3} == Shape{2, 2, 3});
  CHECK_FALSE(Shape{1, 2, 3} == Shape{1, 3, 3});
  CHECK_FALSE(Shape{1, 2, 3} == Shape{1, 2, 2});
}

TEST_CASE("round_up gives the next multiple, and a multiple itself") {
  CHECK(round_up(0, 16) == 0);
  CHECK(round_up(1, 16) == 16);
  CHECK(round_up(16, 16) == 16);
  CHECK(round_up(17, 16) == 32);
  CHECK(round_up(5, 1) == 5);
}

}  // namespace

}  // namespace sdepth::test::shape_test
