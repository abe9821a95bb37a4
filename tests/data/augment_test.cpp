#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <numeric>
#include <vector>

#include <sdepth/data/augment.hpp>

namespace sdepth::test::augment_test {

TEST_CASE("shifts are −4 … 4 and flips one half, equally likely and independent") {
  constexpr int records = 81000;
  std::vector<int> down(9), right(9), both(81);
  int flips = 0, flips_at_4 = 0;
  for (int record = 0; record < records; ++record) {
    const Augmentation drawn = draw_augmentation(1, 3, record);
    REQUIRE(std::abs(drawn.down) <= 4);
    REQUIRE(std::abs(drawn.right) <= 4);
    ++down[static_cast<std::size_t>(drawn.down + 4)];
    ++right[static_cast<std::size_t>(drawn.right + 4)];
    ++both[static_cast<std::size_t>((drawn.down + 4) * 9 + drawn.right + 4)];
    flips += drawn.flip;
    flips_at_4 += drawn.flip && drawn.right == 4;
  }
  const auto within = [](int count, double expected) {
    return std::abs(count - expected) < 4 * std::sqrt(expected);
  };
  for (const int count : down) CHECK(within(count, 9000));
  for (const int count : right) CHECK(within(count, 9000));
  for (const int count : both) CHECK(within(count, 1000));
  CHECK(within(flips, 40500));
  CHECK(within(flips_at_4, 4500));
}

TEST_CASE("the drawing depends on seed, epoch and record, and on nothing else") {
  const auto same = [](Augmentation a, Augmentation b) {
    return a.down == b.down && a.right == b.right && a.flip == b.flip;
  };
  int equal_epochs = 0, equal_seeds = 0;
  for (int record = 0; record < 1000; ++record) {
    const Augmentation drawn = draw_augmentation(1, 3, record);
    CHECK(same(drawn, draw_augmentation(1, 3, record)));
    equal_epochs += same(drawn, draw_augmentation(1, 4, record));
    equal_seeds += same(drawn, draw_augmentation(2, 3, record));
  }
  CHECK(equal_epochs < 30);  // 1000 / 162 by chance
  CHECK(equal_seeds < 30);
}

TEST_CASE("a picture is moved, filled with zeros and mirrored, for every shift, as in the authors' program") {
  // the second is smaller than the largest shift
  for (const Shape shape : {Shape{3, 6, 7}, Shape{1, 3, 2}}) {
    std::vector<float> picture(shape.size());
    std::iota(picture.begin(), picture.end(), 1.0F);
    const auto at = [&](const std::vector<float>& p, int y, int x, int c) {
      return p[static_cast<std::size_t>((y * shape.width + x) * shape.channels + c)];
    };
    for (int down = -4; down <= 4; ++down)
      for (int right = -4; right <= 4; ++right)
        for (const bool flip : {false, true}) {
          std::vector<float> result(shape.size(), -1.0F);
          augment(picture.data(), shape, {down, right, flip}, result.data());
          bool as_expected = true;
          for (int y = 0; y < shape.height; ++y)
            for (int x = 0; x < shape.width; ++x)
              for (int c = 0; c < shape.channels; ++c) {
                const int from_y = y - down;
                const int from_x = (flip ? shape.width - 1 - x : x) - right;
                const bool inside =
                    from_y >= 0 && from_y < shape.height && from_x >= 0 && from_x < shape.width;
                as_expected =
                    as_expected && at(result, y, x, c) == (inside ? at(picture, from_y, from_x, c) : 0.0F);
              }
          CAPTURE(down);
          CAPTURE(right);
          CAPTURE(flip);
          CHECK(as_expected);
        }
  }
}

TEST_CASE("a shift by the whole picture or more leaves nothing of it, however far it goes") {
  const Shape shape{2, 3, 4};
  const std::vector<float> picture(shape.size(), 1.0F), nothing(shape.size(), 0.0F);
  constexpr int most = std::numeric_limits<int>::max(), least = std::numeric_limits<int>::min();
  for (const Augmentation change :
       {Augmentation{0, 4, true}, Augmentation{0, -4, false}, Augmentation{3, 0, false},
        Augmentation{0, most, true}, Augmentation{0, least, false}, Augmentation{most, 1, false},
        Augmentation{least, 1, true}}) {
    std::vector<float> result(shape.size(), -1.0F);
    augment(picture.data(), shape, change, result.data());
    CHECK(result == nothing);
  }
}

}  // namespace sdepth::test::augment_test
