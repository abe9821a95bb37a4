#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <sdepth/data/synthetic.hpp>

#include "scratch.hpp"

namespace sdepth::test::synthetic_test {

namespace {

/// Error of choosing the class whose mean of `features` over the training set is nearest.
template <class Features>
double nearest_mean_error(const DataSet& data, Features features) {
  const auto classes = static_cast<std::size_t>(data.train.classes);
  std::vector<std::vector<double>> means(classes);
  for (int i = 0; i < data.train.size(); ++i) {
    const std::vector<double> f = features(data.train, i);
    auto& mean = means[data.train.labels[static_cast<std::size_t>(i)]];
    mean.resize(f.size());
    for (std::size_t k = 0; k < f.size(); ++k) mean[k] += f[k] * data.train.classes / data.train.size();
  }
  int wrong = 0;
  for (int i = 0; i < data.test.size(); ++i) {
    const std::vector<double> f = features(data.test, i);
    std::vector<double> distances;
    for (const auto& mean : means) {
      double distance = 0;
      for (std::size_t k = 0; k < f.size(); ++k) distance += (f[k] - mean[k]) * (f[k] - mean[k]);
      distances.push_back(distance);
    }
    wrong += std::min_element(distances.begin(), distances.end()) - distances.begin() !=
             data.test.labels[static_cast<std::size_t>(i)];
  }
  return static_cast<double>(wrong) / data.test.size();
}

std::vector<double> raw_pixels(const ImageSet& set, int i) {
  const auto image = set.image(i);
  return {image.begin(), image.end()};
}

/// How strongly the picture repeats itself at each small offset, over its whole: pooled like a small
/// network's features.
std::vector<double> autocorrelation(const ImageSet& set, int i) {
  const auto image = set.image(i);
  std::vector<double> features;
  for (int dy = 0; dy <= 4; ++dy)
    for (int dx = 0; dx <= 4; ++dx) {
      double difference = 0;
      for (int y = 0; y + dy < set.shape.height; ++y)
        for (int x = 0; x + dx < set.shape.width; ++x)
          for (int c = 0; c < set.shape.channels; ++c) {
            const auto at = [&](int row, int column) {
              return static_cast<int>(
                  image[static_cast<std::size_t>((row * set.shape.width + column) * set.shape.channels + c)]);
            };
            difference += std::abs(at(y + dy, x + dx) - at(y, x)) + std::abs(at(y + dy, x) - at(y, x + dx));
          }
      features.push_back(difference / ((set.shape.height - dy) * (set.shape.width - dx)));
    }
  const double mean =
      std::accumulate(features.begin(), features.end(), 0.0) / static_cast<double>(features.size());
  for (double& feature : features) feature /= mean;
  return features;
}

}  // namespace

TEST_CASE("a picture depends on seed, part and index, not on how many there are") {
  const DataSet few = synthetic({3, 16, 16}, 10, 20, 10, 7);
  const DataSet many = synthetic({3, 16, 16}, 10, 40, 30, 7);
  CHECK(few.train.pixels == many.train.subset(0, 20).pixels);
  CHECK(few.test.pixels == many.test.subset(0, 10).pixels);
  CHECK(few.test.pixels != many.train.subset(0, 10).pixels);
  CHECK(synthetic({3, 16, 16}, 10, 20, 10, 8).train.pixels != few.train.pixels);
  CHECK(few.train.shape == Shape{3, 16, 16});
  CHECK(few.train.labels[13] == 3);
}

TEST_CASE("the bytes are the same on every compiler and machine") {
  const DataSet data = synthetic({3, 32, 32}, 10, 100, 0, 1);
  std::uint32_t hash = 2166136261;  // FNV-1a
  for (const std::uint8_t byte : data.train.pixels) hash = (hash ^ byte) * 16777619;
  CHECK(hash == 1872225910);
}

TEST_CASE("the class is in the texture, not in the pixels") {
  const DataSet data = synthetic({3, 32, 32}, 10, 2000, 500, 1);
  const double pixels = nearest_mean_error(data, raw_pixels);
  const double texture = nearest_mean_error(data, autocorrelation);
  CAPTURE(pixels);
  CAPTURE(texture);
  CHECK(pixels > 0.75);
  CHECK(texture < 0.3);
}

TEST_CASE("any shape and number of classes can be drawn, and impossible ones are refused") {
  for (const Shape shape : {Shape{1, 8, 8}, Shape{1, 28, 28}, Shape{4, 9, 40}}) {
    const DataSet data = synthetic(shape, 100, 200, 3, 1);
    CHECK(data.train.pixels.size() == 200 * shape.size());
    CHECK(*std::max_element(data.train.labels.begin(), data.train.labels.end()) == 99);
  }
  CHECK(says(error_of([] { (void)synthetic({3, 7, 8}, 10, 1, 1, 1); }), "3 x 7 x 8"));
  CHECK(says(error_of([] { (void)synthetic({3, 8, 8}, 257, 1, 1, 1); }), "257 classes"));
  CHECK(says(error_of([] { (void)synthetic({3, 8, 8}, 10, -1, 1, 1); }), "-1 training"));
  constexpr int most = std::numeric_limits<int>::max();
  CHECK(says(error_of([] { (void)synthetic({most, 1024, 1024}, 10, most, most, 1); }),
             "more than memory holds"));
  CHECK(says(error_of([] { (void)synthetic({3, 32, 32}, 10, 0, most, 1); }),
             "2147483647 test pictures of 3072 bytes"));
}

}  // namespace sdepth::test::synthetic_test
