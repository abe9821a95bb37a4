#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <sdepth/data/normalize.hpp>
#include <sdepth/data/order.hpp>
#include <sdepth/data/random_stream.hpp>

#include "scratch.hpp"

namespace sdepth::test::normalize_test {

namespace {

ImageSet random_set(int count) {
  ImageSet set{.shape = {3, 5, 4},
               .classes = 2,
               .pixels = {},
               .labels = Bytes(static_cast<std::size_t>(count)),
               .name = "random"};
  RandomStream random(1, Purpose::synthetic, 0);
  for (std::size_t i = 0; i < static_cast<std::size_t>(count) * set.shape.size(); ++i)
    set.pixels.push_back(
        static_cast<std::uint8_t>(random.below(static_cast<std::uint32_t>(40 + i % set.shape.size() * 3))));
  return set;
}

}  // namespace

TEST_CASE(
    "the paper's normalisation leaves every position with mean 0 and all values together with deviation 1") {
  const ImageSet set = random_set(300);
  const Normalization paper = Normalization::paper(set);
  std::vector<double> sums(set.shape.size());
  double squares = 0;
  std::vector<float> out(set.shape.size());
  for (int i = 0; i < set.size(); ++i) {
    paper.apply(set.image(i), out.data());
    for (std::size_t p = 0; p < out.size(); ++p) {
      sums[p] += out[p];
      squares += static_cast<double>(out[p]) * out[p];
    }
  }
  for (const double sum : sums) CHECK(std::abs(sum / set.size()) < 1e-6);
  CHECK(squares / (set.size() * static_cast<double>(set.shape.size())) == doctest::Approx(1.0).epsilon(1e-6));
}

TEST_CASE("mean and deviation have the same bits for any order of the records") {
  const ImageSet set = random_set(200);
  ImageSet shuffled = set;
  std::vector<int> order;
  shuffled_order(order, set.size(), 1, 1);
  for (int i = 0; i < set.size(); ++i) {
    const auto from = set.image(order[static_cast<std::size_t>(i)]);
    std::copy(from.begin(), from.end(), shuffled.pixels.begin() + static_cast<std::ptrdiff_t>(i) * 60);
  }
  REQUIRE(shuffled.pixels != set.pixels);
  CHECK(Normalization::paper(set).values() == Normalization::paper(shuffled).values());
}

TEST_CASE("without normalisation a byte is divided by 255, exactly as a division gives it") {
  Bytes bytes(256);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i);
  std::vector<float> out(256);
  Normalization::none().apply(bytes, out.data());
  for (std::size_t i = 0; i < bytes.size(); ++i) CHECK(out[i] == static_cast<float>(i) / 255.0F);
}

TEST_CASE("a normalisation survives the way through plain values") {
  const ImageSet set = random_set(50);
  for (const Normalization& original : {Normalization::paper(set), Normalization::none()}) {
    const Normalization copy = Normalization::from_values(original.values(), set.shape);
    std::vector<float> a(set.shape.size()), b(set.shape.size());
    original.apply(set.image(7), a.data());
    copy.apply(set.image(7), b.data());
    CHECK(a == b);
  }
}

TEST_CASE("values of other pictures or damaged ones are refused") {
  const auto error = [](const std::vector<float>& values) {
    return error_of([&] { (void)Normalization::from_values(values, {1, 1, 2}); });
  };
  CHECK(error({255}) == "no error");
  CHECK(error({60, 1, 2}) == "no error");
  CHECK(says(error({60, 1, 2, 3}), "4 values, expected 1", "or 3", "or 2"));
  CHECK(says(error({1, 0}), "the scale is 0"));  // of the channel
  CHECK(says(error({}), "0 values"));
  CHECK(says(error({0, 1, 2}), "the scale is 0"));
  CHECK(says(error({-1}), "the scale is -1"));
  CHECK(says(error({60, 1, std::numeric_limits<float>::quiet_NaN()}), "not a finite number"));
}

TEST_CASE("pictures that do not differ cannot be normalised as in the paper") {
  ImageSet set{
      .shape = {1, 2, 2}, .classes = 2, .pixels = Bytes(400, 255), .labels = Bytes(100), .name = "white"};
  CHECK(says(error_of([&] { (void)Normalization::paper(set); }),
             "white: the 100 training pictures do not differ"));
  set.pixels[3] = 254;
  CHECK(Normalization::paper(set).scale() == doctest::Approx(std::sqrt(0.01 * 0.99 / 4)));
  CHECK(says(error_of([&] { (void)Normalization::paper(set.subset(0, 0)); }), "do not differ"));
}

TEST_CASE("pictures that their labels are too many for are refused, not read beyond") {
  ImageSet set = random_set(50);
  set.labels.resize(51);
  CHECK(says(error_of([&] { (void)Normalization::paper(set); }),
             "random: 3000 bytes of pixels do not fit 51 records"));
  set.shape = {0, 5, 4};
  CHECK(says(error_of([&] { (void)Normalization::paper(set); }), "pictures of 0 x 5 x 4"));
}

TEST_CASE(
    "a mean and a deviation for each channel, as torchvision's Normalize, of bytes and of numbers, and back from what is kept") {
  const Normalization imagenet = Normalization::imagenet();
  CHECK(imagenet.by_channel());
  CHECK(imagenet.fits({3, 7, 5}));
  CHECK(!imagenet.fits({1, 7, 5}));
  const Bytes bytes{0, 0, 0, 255, 128, 64};
  const std::vector<float> numbers(bytes.begin(), bytes.end());
  std::vector<float> a(6), b(6);
  imagenet.apply(std::span(bytes), a.data());
  imagenet.apply(std::span(numbers), b.data());
  CHECK(a == b);
  const double expected[] = {-0.485 / 0.229,
                             -0.456 / 0.224,
                             -0.406 / 0.225,
                             0.515 / 0.229,
                             (128 / 255.0 - 0.456) / 0.224,
                             (64 / 255.0 - 0.406) / 0.225};
  for (std::size_t i = 0; i < 6; ++i)
    CHECK(static_cast<double>(a[i]) == doctest::Approx(expected[i]).epsilon(1e-5));
  const std::vector<float> kept = imagenet.values();
  CHECK(kept.size() == 6);
  CHECK(Normalization::from_values(kept, {3, 224, 224}).values() == kept);
  CHECK(says(error_of([] { (void)Normalization::channels(std::vector<float>{1}, std::vector<float>{1, 2}); }),
             "1 means and 2 deviations"));
  CHECK(says(error_of([] { (void)Normalization::channels(std::vector<float>{1}, std::vector<float>{0}); }),
             "the scale is 0"));
}

}  // namespace sdepth::test::normalize_test
