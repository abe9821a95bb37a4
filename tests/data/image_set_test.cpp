#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include <sdepth/data/image_set.hpp>

#include "scratch.hpp"

namespace sdepth::test::image_set_test {

namespace {

ImageSet five_pictures() {  // of 2 x 1 pixels; picture i holds 10 i and 10 i + 1 and has the label i
  ImageSet set{.shape = {1, 1, 2}, .classes = 5, .pixels = {}, .labels = {}, .name = "five"};
  for (std::uint8_t i = 0; i < 5; ++i) {
    set.labels.push_back(i);
    set.pixels.insert(set.pixels.end(),
                      {static_cast<std::uint8_t>(10 * i), static_cast<std::uint8_t>(10 * i + 1)});
  }
  return set;
}

}  // namespace

TEST_CASE("a subset has the records asked for, and no others may be asked for") {
  const ImageSet set = five_pictures();
  const ImageSet part = set.subset(1, 3);
  CHECK(part.size() == 3);
  CHECK(part.labels == Bytes{1, 2, 3});
  CHECK(part.image(2)[0] == 30);
  CHECK(part.image(2)[1] == 31);
  CHECK(set.subset(5, 0).size() == 0);
  CHECK(says(error_of([&] { (void)set.subset(3, 3); }), "five", "3 to 6", "there are 5"));
  CHECK(error_of([&] { (void)set.subset(-1, 1); }) != "no error");
}

TEST_CASE("splitting off takes the last records away and keeps both parts' order") {
  ImageSet set = five_pictures();
  const ImageSet held_out = set.split_off(2);
  CHECK(set.labels == Bytes{0, 1, 2});
  CHECK(set.pixels.size() == 6);
  CHECK(held_out.labels == Bytes{3, 4});
  CHECK(held_out.pixels == Bytes{30, 31, 40, 41});
  CHECK(held_out.classes == 5);
  CHECK(held_out.shape == Shape{1, 1, 2});
  CHECK(says(error_of([&] { (void)set.split_off(3); }), "cannot hold out 3 of 3"));
  CHECK(set.size() == 3);
}

TEST_CASE("a limit above the number of records changes nothing") {
  ImageSet set = five_pictures();
  set.limit(9);
  CHECK(set.size() == 5);
  set.limit(2);
  CHECK(set.labels == Bytes{0, 1});
  CHECK(set.pixels == Bytes{0, 1, 10, 11});
}

TEST_CASE(
    "numbers that no set has, and parts that do not fit together, are refused, and the set stays as it was") {
  constexpr int most = std::numeric_limits<int>::max(), least = std::numeric_limits<int>::min();
  ImageSet set = five_pictures();
  for (const int count : {-1, least}) {
    CHECK(says(error_of([&] { set.limit(count); }), "five: cannot be limited to " + std::to_string(count)));
    CHECK(says(error_of([&] { (void)set.split_off(count); }), "cannot hold out " + std::to_string(count)));
    CHECK(error_of([&] { (void)set.subset(0, count); }) != "no error");
    CHECK(error_of([&] { (void)set.subset(count, 1); }) != "no error");
  }
  CHECK(error_of([&] { (void)set.subset(most, most); }) != "no error");
  CHECK(says(error_of([&] { (void)set.split_off(most); }), "cannot hold out 2147483647 of 5"));
  CHECK(set.size() == 5);
  ImageSet empty = set.subset(0, 0);
  CHECK(says(error_of([&] { (void)empty.split_off(0); }), "five: there are no records"));
  empty.limit(3);
  CHECK(empty.size() == 0);

  CHECK(error_of([&] { set.check(); }) == "no error");
  set.pixels.pop_back();
  CHECK(says(error_of([&] { set.check(); }), "five: 9 bytes of pixels do not fit 5 records of 2"));
  CHECK(says(error_of([&] { (void)set.subset(4, 1); }), "9 bytes of pixels do not fit"));
  for (const Shape shape :
       // the last has 0 bytes after wrapping around
       {Shape{0, 1, 2}, Shape{1, -1, -2}, Shape{1 << 22, 1 << 22, 1 << 22}}) {
    set.shape = shape;
    CHECK(says(error_of([&] { set.check(); }), "five: pictures of ", "expected 1 or more of each"));
  }
}

TEST_CASE("planes become pixels") {
  // 3 channels of 2 x 3
  const Bytes planes{1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 26};
  Bytes pixels(18);
  planes_to_pixels(planes.data(), {3, 2, 3}, pixels.data());
  CHECK(pixels == Bytes{1, 11, 21, 2, 12, 22, 3, 13, 23, 4, 14, 24, 5, 15, 25, 6, 16, 26});
}

}  // namespace sdepth::test::image_set_test
