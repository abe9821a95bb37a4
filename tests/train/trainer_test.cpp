// Trainer as its users rely on it: same bytes for any number of threads, several trainers at once, layouts of
// images, clear errors.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/train/trainer.hpp>
#include <sdepth/train/weight_average.hpp>

namespace sdepth::test::trainer_test {

namespace {

using Net = CifarResNet<14, Input<3, 16, 16>>;
constexpr int batch = 20;

struct Data {
  std::vector<float> images;
  std::vector<int> labels;
};
/// Pictures whose brightness tells their class, under noise.
Data some_data(std::uint64_t seed) {
  Data data{std::vector<float>(batch * 768), std::vector<int>(batch)};
  for (std::size_t n = 0; n < batch; ++n) {
    data.labels[n] = static_cast<int>(random_words(seed, Purpose::synthetic, n, 1)[0] % 10);
    for (std::size_t i = 0; i < 768; ++i)
      data.images[n * 768 + i] =
          static_cast<float>(uniform(random_words(seed, Purpose::synthetic, n * 768 + i, 2)[0]) +
                             0.3 * data.labels[n] * ((i / 48) % 2 ? 1 : -1));
  }
  return data;
}

TrainingOptions with(int threads, std::uint64_t seed = 1) {
  TrainingOptions options;
  options.batch = batch;
  options.threads = threads;
  options.seed = seed;
  options.sgd.learning_rate = 0.05;
  return options;
}

bool same_bytes(const Trainer<Net, Cpu<>>& a, const Trainer<Net, Cpu<>>& b) {
  const auto equal = [](const Buffer<float>& x, const Buffer<float>& y) {
    return std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
  };
  return equal(a.weights()->parameters(), b.weights()->parameters()) &&
         equal(a.weights()->running(), b.weights()->running());
}

}  // namespace

TEST_CASE("any number of threads gives the same bytes, and two trainers in turn do not disturb each other") {
  Trainer<Net, Cpu<>> one(with(1)), two(with(2)), three(with(3)), other(with(2, 2));
  for (std::uint64_t step = 0; step < 4; ++step) {
    const Data data = some_data(step);
    const double loss = one.step(NHWC<float>{data.images}, data.labels).loss;
    CHECK(other.step(NHWC<float>{data.images}, data.labels).loss != loss);
    CHECK(two.step(NHWC<float>{data.images}, data.labels).loss == loss);
    CHECK(three.step(NHWC<float>{data.images}, data.labels).loss == loss);
  }
  CHECK(same_bytes(one, two));
  CHECK(same_bytes(one, three));
  CHECK_FALSE(same_bytes(one, other));
}

TEST_CASE("training lowers the loss of the data it is trained on, at test as well") {
  TrainingOptions options = with(2);
  options.sgd.learning_rate = 0.01;  // a batch of 20 with changing gates makes rough steps
  Trainer<Net, Cpu<>> trainer(options);
  const Data data = some_data(1);
  const double before = trainer.evaluate(NHWC<float>{data.images}, data.labels).loss;
  for (int step = 0; step < 60; ++step) trainer.step(NHWC<float>{data.images}, data.labels);
  const Score after = trainer.evaluate(NHWC<float>{data.images}, data.labels);
  CHECK(after.loss < 0.5 * before);
  CHECK(after.error_rate() < 0.5);
}

TEST_CASE("images may be channels last or first, bytes or floats") {
  Trainer<Net, Cpu<>> trainer(with(1));
  std::vector<std::uint8_t> bytes(768 * 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 % 256);
  std::vector<float> floats(bytes.size()), planes(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) floats[i] = static_cast<float>(bytes[i]) / 255.0f;
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t p = 0; p < 256; ++p)
      for (std::size_t c = 0; c < 3; ++c) planes[n * 768 + c * 256 + p] = floats[n * 768 + p * 3 + c];
  const auto logits = trainer.predict(NHWC<float>{floats});
  CHECK(logits.size() == 20);
  CHECK(trainer.predict(NHWC<std::uint8_t>{bytes}) == logits);
  CHECK(trainer.predict(NCHW<float>{planes}) == logits);
}

TEST_CASE("parameters are found by name, and changing them changes the network") {
  Trainer<Net, Cpu<>> trainer(with(1));
  const Data data = some_data(3);
  const auto before = trainer.predict(NHWC<float>{data.images});
  CHECK(trainer.parameter("conv1.weight").rows() == 27);
  CHECK(trainer.parameter("conv1.weight").cols() == 16);
  CHECK(trainer.parameter("fc.bias").cols() == 10);
  trainer.parameter("fc.bias").array() += 1.0f;
  const auto after = trainer.predict(NHWC<float>{data.images});
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i] == doctest::Approx(before[i] + 1));
  CHECK_THROWS_WITH_AS(trainer.parameter("conv9.weight"), doctest::Contains("conv9.weight"), Error);
  CHECK_THROWS_WITH_AS(trainer.gradient("bn1.running_mean"),
                       "\"bn1.running_mean\" is a running statistic, which has no gradient", Error);
  CHECK_THROWS_WITH_AS(trainer.optimizer_state("exp_avg"),
                       "SGD keeps nothing called \"exp_avg\" for its parameters; it keeps momentum", Error);
}

TEST_CASE("a survival table replaced at run time is what gates are drawn from") {
  Trainer<Net, Cpu<>> trainer(with(1));
  const Data data = some_data(4);
  std::vector<double> survival(6, 0.0);
  trainer.set_survival(survival);
  CHECK(trainer.step(NHWC<float>{data.images}, data.labels).blocks_run == 0);
  survival.assign(6, 1.0);
  trainer.set_survival(survival);
  CHECK(trainer.step(NHWC<float>{data.images}, data.labels).blocks_run == 6);
}

TEST_CASE("bad input is one sentence and changes nothing") {
  Trainer<Net, Cpu<>> trainer(with(1)), untouched(with(1));
  Data data = some_data(5);
  const std::span<const float> images = data.images;
  const std::span<const int> labels = data.labels;
  CHECK_THROWS_WITH_AS(trainer.step(NHWC<float>{images.first(700)}, labels.first(1)),
                       doctest::Contains("multiple of 768"), Error);
  CHECK_THROWS_WITH_AS(trainer.step(NHWC<float>{images}, labels.first(3)),
                       doctest::Contains("expected one for each of 20"), Error);
  CHECK_THROWS_WITH_AS(trainer.step(NHWC<float>{images.first(0)}, labels.first(0)),
                       doctest::Contains("between 1 and 20"), Error);
  CHECK_THROWS_WITH_AS(trainer.step(NHWC<float>{images}, labels, std::vector<std::uint8_t>(5, 1)),
                       doctest::Contains("gates: expected 6"), Error);
  const std::vector<int> wrong(batch, 10);
  CHECK_THROWS_WITH_AS(trainer.step(NHWC<float>{images}, wrong),
                       doctest::Contains("label 10, expected a number from 0 to 9"), Error);
  data.images[17] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(trainer.step(NHWC<float>{data.images}, data.labels), doctest::Contains("loss is"),
                       Error);
  CHECK(same_bytes(trainer, untouched));
  CHECK(trainer.steps() == 0);
}

TEST_CASE("a trainer that is moved goes on, and what it was moved from says so") {
  Trainer<Net, Cpu<>> trainer(with(1)), stays(with(1));
  const Data data = some_data(6);
  trainer.step(NHWC<float>{data.images}, data.labels);
  stays.step(NHWC<float>{data.images}, data.labels);
  Trainer<Net, Cpu<>> moved(std::move(trainer));
  CHECK(moved.step(NHWC<float>{data.images}, data.labels).loss ==
        stays.step(NHWC<float>{data.images}, data.labels).loss);
  CHECK(same_bytes(moved, stays));
  CHECK_THROWS_WITH_AS(trainer.step(NHWC<float>{data.images}, data.labels),
                       "step: this trainer was moved from; use the one that it was moved to", Error);
  CHECK_THROWS_AS((void)trainer.predict(NHWC<float>{data.images}), Error);
  const char* const sentence = "this trainer was moved from; use the one that it was moved to";
  CHECK_THROWS_WITH_AS((void)trainer.parameter("fc.weight"), doctest::Contains(sentence), Error);
  CHECK_THROWS_WITH_AS((void)trainer.gradient("fc.weight"), doctest::Contains(sentence), Error);
  CHECK_THROWS_WITH_AS((void)trainer.convolution("conv1.weight"), doctest::Contains(sentence), Error);
  CHECK_THROWS_WITH_AS(trainer.set_parameter_groups({}), doctest::Contains(sentence), Error);
  WeightAverage<Net, Cpu<>> average(0.5);
  CHECK_THROWS_WITH_AS(average.update(trainer), doctest::Contains(sentence), Error);
  CHECK_THROWS_WITH_AS(average.swap(trainer), doctest::Contains(sentence), Error);
}

TEST_CASE("a convolution is read and written by PyTorch's indices") {
  Trainer<Net, Cpu<>> trainer(with(1));
  const Weights<Net, Cpu<>>& weights = *trainer.weights();
  const std::vector<float> before =
      to_pytorch(weights.find("blocks.0.conv1.weight"), weights.parameters().data());
  const auto conv = trainer.convolution("blocks.0.conv1.weight");
  CHECK(conv.shape() == std::array<std::size_t, 4>{16, 16, 3, 3});
  std::size_t i = 0;
  for (std::size_t out = 0; out < 16; ++out)
    for (std::size_t in = 0; in < 16; ++in)
      for (std::size_t row = 0; row < 3; ++row)
        for (std::size_t column = 0; column < 3; ++column) {
          CHECK(conv(out, in, row, column) == before[i]);
          conv(out, in, row, column) = static_cast<float>(i++);
        }
  const std::vector<float> after =
      to_pytorch(weights.find("blocks.0.conv1.weight"), weights.parameters().data());
  for (i = 0; i < after.size(); ++i) CHECK(after[i] == static_cast<float>(i));
  CHECK(trainer.convolution_gradient("conv1.weight").shape()[1] == 3);
  CHECK_THROWS_WITH_AS(
      (void)trainer.convolution("fc.weight"),
      "\"fc.weight\" is not the weight of a convolution; parameter(name) reads every tensor, as a matrix",
      Error);
}

}  // namespace sdepth::test::trainer_test
