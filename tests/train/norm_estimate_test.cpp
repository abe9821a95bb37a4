// Running statistics estimated again: against a plain computation in double, and against what PyTorch's
// cumulative average would be.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/norm_estimate.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::test::norm_estimate_test {

namespace {

template <class Block, Gating Gates = Gating::per_batch>
using Drop = StochasticDepth<Block, LinearDecay<0.5>, Gates>;
/// Norms on pixels as they come, in branches of 1 × 1 convolutions, and in a projection; few enough words to
/// compute by hand below.
template <Gating Gates>
using NetOf =
    Network<Input<3, 4, 4>, BN, ReLU, Drop<Residual<Conv<3, 1>, BN>, Gates>,
            Drop<ResidualWith<ProjectionShortcut, Conv<5, 1, 2>, BN>, Gates>, GlobalAvgPool, Linear<3>>;
using Net = NetOf<Gating::per_batch>;

template <class Backend>
[[nodiscard]] Trainer<Net, Backend> some_trainer() {
  TrainingOptions options;
  options.batch = 8;
  options.gamma = GammaInit::uniform;
  return Trainer<Net, Backend>(options);
}
[[nodiscard]] std::vector<float> some_images(int count) {
  std::vector<float> images(static_cast<std::size_t>(count) * Net::input.size());
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(3 * uniform(random_words(5, Purpose::synthetic, i, 0)[0]) - 1 +
                                   0.5 * static_cast<double>(i % 3));
  return images;
}

/// [pixels, channels] in double.
using Table = std::vector<std::vector<double>>;
struct Moments {
  std::vector<double> mean, variance;  // biased
};
[[nodiscard]] Moments moments(const Table& x) {
  Moments m{std::vector<double>(x[0].size(), 0.0), std::vector<double>(x[0].size(), 0.0)};
  const auto count = static_cast<double>(x.size());
  for (std::size_t c = 0; c < x[0].size(); ++c) {
    for (const auto& pixel : x) m.mean[c] += pixel[c] / count;
    for (const auto& pixel : x) m.variance[c] += (pixel[c] - m.mean[c]) * (pixel[c] - m.mean[c]) / count;
  }
  return m;
}

/// The network by hand on one batch, every norm with the batch's statistics; adds mean and unbiased variance
/// of each to `sums`.
class ByHand {
 public:
  explicit ByHand(Trainer<Net, ReferenceDouble>& trainer) : trainer_(trainer) {}
  std::map<std::string, std::vector<double>> sums;

  void run(const std::vector<float>& images, int first, int count, const std::vector<double>& scales,
           const std::vector<std::uint8_t>& keep) {
    Table x;
    for (std::size_t i = static_cast<std::size_t>(first) * 48;
         i < static_cast<std::size_t>(first + count) * 48; i += 3)
      x.push_back({static_cast<double>(images[i]), static_cast<double>(images[i + 1]),
                   static_cast<double>(images[i + 2])});
    x = relu(norm("bn1", x));
    if (keep[0]) x = relu(sum(x, norm("blocks.0.bn1", convolve("blocks.0.conv1", x)), scales[0]));
    Table halved;  // every second pixel of every second row
    for (std::size_t i = 0; i < x.size(); ++i)
      if (i % 2 == 0 && i / 4 % 2 == 0) halved.push_back(x[i]);
    const Table shortcut = norm("blocks.1.shortcut.bn", convolve("blocks.1.shortcut.conv", halved));
    if (keep[1]) norm("blocks.1.bn1", convolve("blocks.1.conv1", halved));
  }

 private:
  Table convolve(const std::string& name, const Table& x) {
    const auto weights = trainer_.parameter(name + ".weight");  // [in, out]
    Table y(x.size(), std::vector<double>(static_cast<std::size_t>(weights.cols()), 0.0));
    for (std::size_t i = 0; i < x.size(); ++i)
      for (int o = 0; o < weights.cols(); ++o)
        for (int c = 0; c < weights.rows(); ++c)
          y[i][static_cast<std::size_t>(o)] += x[i][static_cast<std::size_t>(c)] * weights(c, o);
    return y;
  }
  Table norm(const std::string& name, Table x) {
    const Moments m = moments(x);
    const auto count = static_cast<double>(x.size());
    auto& means = sums[name + ".running_mean"];
    auto& variances = sums[name + ".running_var"];
    means.resize(m.mean.size()), variances.resize(m.mean.size());
    const auto gamma = trainer_.parameter(name + ".weight"), beta = trainer_.parameter(name + ".bias");
    for (std::size_t c = 0; c < m.mean.size(); ++c) {
      means[c] += m.mean[c];
      variances[c] += m.variance[c] * count / (count - 1);
      const auto column = static_cast<int>(c);
      for (auto& pixel : x)
        pixel[c] =
            gamma(0, column) * (pixel[c] - m.mean[c]) / std::sqrt(m.variance[c] + 1e-5) + beta(0, column);
    }
    return x;
  }
  static Table relu(Table x) {
    for (auto& pixel : x)
      for (double& v : pixel) v = v > 0 ? v : 0;
    return x;
  }
  static Table sum(Table x, const Table& branch, double scale) {
    for (std::size_t i = 0; i < x.size(); ++i)
      for (std::size_t c = 0; c < x[i].size(); ++c) x[i][c] += scale * branch[i][c];
    return x;
  }
  Trainer<Net, ReferenceDouble>& trainer_;
};

template <class T>
[[nodiscard]] std::vector<T> numbers(const Buffer<T>& buffer) {
  return {buffer.data(), buffer.data() + buffer.size()};
}

}  // namespace

TEST_CASE(
    "running statistics are the mean of the batches', computed by hand; parameters and dropped blocks' stay") {
  const std::vector<float> images = some_images(12);
  for (const std::vector<std::uint8_t>& keep : {std::vector<std::uint8_t>{1, 1}, {0, 1}, {1, 0}})
    for (const int batches : {1, 3}) {
      CAPTURE(keep);
      CAPTURE(batches);
      auto trainer = some_trainer<ReferenceDouble>();
      for (std::size_t i = 0; i < trainer.weights()->running().size(); ++i)
        trainer.weights()->running()[i] = 100 + static_cast<double>(i);
      const auto parameters = numbers(trainer.weights()->parameters());
      const auto before = numbers(trainer.weights()->running());
      ByHand expected(trainer);
      for (int batch = 0; batch < batches; ++batch)
        expected.run(images, batch * 12 / batches, 12 / batches, {0.75, 0.5}, keep);

      TestOptions options;
      options.batch = 12 / batches;
      reestimate_norms(*trainer.weights(), NHWC<float>{images}, {keep}, options);
      CHECK(numbers(trainer.weights()->parameters()) == parameters);
      int estimated = 0;
      for (const ParameterInfo& tensor : trainer.weights()->tensors()) {
        if (tensor.trainable()) continue;
        CAPTURE(tensor.name);
        const auto found = expected.sums.find(tensor.name);
        CHECK((found != expected.sums.end()) ==
              (tensor.block < 0 || keep[static_cast<std::size_t>(tensor.block)] == 1));
        const auto values = trainer.parameter(tensor.name);
        for (int c = 0; c < values.cols(); ++c) {
          const auto i = static_cast<std::size_t>(c);
          if (found == expected.sums.end()) {
            CHECK(values(0, c) == before[tensor.offset + i]);
          } else {
            CHECK(values(0, c) == doctest::Approx(found->second[i] / batches).epsilon(1e-9));
            ++estimated;
          }
        }
      }
      CHECK(estimated == 2 * (3 + 5 + 3 * keep[0] + 5 * keep[1]));
    }
}

TEST_CASE_TEMPLATE("with one batch's own statistics every norm's output is that of the training pass",
                   Backend, Reference, Cpu<>) {
  // A norm of the input alone: after the estimate its output over the batch has mean β and, but for eps and n
  // / (n − 1), deviation γ.
  using Norm = Network<Input<3, 2, 2>, BN, Linear<3>>;
  TrainingOptions options;
  options.batch = 6;
  Trainer<Norm, Backend> trainer(options);
  std::vector<float> images(6 * 12);
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(i * i % 17) + (i % 3 == 1 ? 50.0f : 0.0f);
  reestimate_norms(*trainer.weights(), NHWC<float>{images});
  for (int c = 0; c < 3; ++c) {
    double mean = 0, variance = 0;
    for (std::size_t i = static_cast<std::size_t>(c); i < images.size(); i += 3)
      mean += static_cast<double>(images[i]) / 24;
    for (std::size_t i = static_cast<std::size_t>(c); i < images.size(); i += 3)
      variance += std::pow(static_cast<double>(images[i]) - mean, 2) / 23;
    CHECK(trainer.parameter("bn1.running_mean")(0, c) == doctest::Approx(mean));
    CHECK(trainer.parameter("bn1.running_var")(0, c) == doctest::Approx(variance));
  }
}

TEST_CASE("threads and backends agree, and batches that do not come out even differ by one image") {
  const std::vector<float> images = some_images(7);
  auto reference = some_trainer<Reference>();
  auto one = some_trainer<Cpu<>>(), two = some_trainer<Cpu<>>();
  TestOptions options;
  options.batch = 3;  // 2 + 2 + 3
  options.threads = 1;
  reestimate_norms(*reference.weights(), NHWC<float>{images}, {}, options);
  reestimate_norms(*one.weights(), NHWC<float>{images}, {}, options);
  options.threads = 2;
  reestimate_norms(*two.weights(), NHWC<float>{images}, {}, options);
  CHECK(numbers(one.weights()->running()) == numbers(two.weights()->running()));
  for (const ParameterInfo& tensor : reference.weights()->tensors()) {
    if (tensor.trainable()) continue;
    const auto a = reference.parameter(tensor.name), b = one.parameter(tensor.name);
    for (int c = 0; c < a.cols(); ++c) CHECK(a(0, c) == doctest::Approx(b(0, c)).epsilon(1e-5));
  }
}

TEST_CASE(
    "where training had a gate for each image, the estimate has none: all images run what the plan keeps") {
  const std::vector<float> images = some_images(8);
  TrainingOptions options;
  options.batch = 8;
  for (const std::vector<std::uint8_t>& keep : {std::vector<std::uint8_t>{1, 1}, {0, 1}, {1, 0}}) {
    Trainer<Net, Cpu<>> batch(options);
    Trainer<NetOf<Gating::per_sample>, Cpu<>> sample(options);
    reestimate_norms(*batch.weights(), NHWC<float>{images}, {keep});
    reestimate_norms(*sample.weights(), NHWC<float>{images}, {keep});
    CHECK(numbers(batch.weights()->running()) == numbers(sample.weights()->running()));
  }
}

TEST_CASE("what cannot be estimated is refused in a sentence and changes nothing") {
  auto trainer = some_trainer<Cpu<>>();
  std::vector<float> images = some_images(8);
  const auto before = numbers(trainer.weights()->running());
  auto& weights = *trainer.weights();
  CHECK_THROWS_WITH_AS(reestimate_norms(weights, NHWC<float>{{}}),
                       doctest::Contains("expected at least 1 image"), Error);
  TestOptions options;
  options.batch = 0;
  CHECK_THROWS_WITH_AS(reestimate_norms(weights, NHWC<float>{images}, {}, options),
                       doctest::Contains("1 of them in a batch"), Error);
  options = {};
  options.survival = {1};
  CHECK_THROWS_WITH_AS(reestimate_norms(weights, NHWC<float>{images}, {}, options),
                       doctest::Contains("expected 2 probabilities"), Error);
  CHECK_THROWS_WITH_AS(reestimate_norms(weights, NHWC<float>{images}, {{1}}),
                       doctest::Contains("expected 2 entries"), Error);
  images[100] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_WITH_AS(reestimate_norms(weights, NHWC<float>{images}),
                       doctest::Contains("bn1.running_mean would not be finite"), Error);
  CHECK(numbers(weights.running()) == before);
}

}  // namespace sdepth::test::norm_estimate_test
