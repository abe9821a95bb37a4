// Trainings with stochastic rounding on the device: the reference's random bits through the whole walk, step
// by step, whatever is skipped and however it is launched.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/cuda.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/layout.hpp>

namespace sdepth::test::rounding_training_test {
namespace {

using Device = Cuda<Precision::float32, bfloat16>;
using Expected = BasicReference<float, bfloat16>;

template <int C, int Stride = 1, Gating G = Gating::per_batch>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>, LinearDecay<0.5>, G>;
/// Channels that fill no group of 8, pools, a dropout, and blocks that are skipped.
template <Gating G = Gating::per_batch>
using Net = Network<Input<3, 8, 8>, Conv<12>, BN, ReLU, Repeat<2, Drop<12, 1, G>>, MaxPool<2>, Dropout<0.2>,
                    Drop<20, 2, G>, Drop<20, 1, G>, GlobalAvgPool, Linear<5>>;
constexpr int batch = 6, classes = 5;

/// A batch whose numbers are those of bfloat16: images are not rounded stochastically.
template <class Network>
struct Data {
  std::vector<float> images = std::vector<float>(batch * Network::input.size());
  std::vector<int> labels = std::vector<int>(batch);

  explicit Data(std::uint32_t number = 0) {
    for (std::size_t i = 0; i < images.size(); ++i)
      images[i] = bfloat16(normal(random_words(9, Purpose::synthetic, i, number)[0],
                                  random_words(9, Purpose::synthetic, i, number)[1]));
    for (int n = 0; n < batch; ++n) labels[static_cast<std::size_t>(n)] = n % classes;
  }
};
[[nodiscard]] TrainingOptions options(Rounding rounding = Rounding::stochastic) {
  TrainingOptions all;
  all.batch = batch;
  all.threads = 1;
  all.seed = 5;
  all.rounding = rounding;
  return all;
}

template <class Network, class Backend>
[[nodiscard]] std::vector<double> losses(Rounding rounding = Rounding::stochastic) {
  Trainer<Network, Backend> trainer(options(rounding));
  std::vector<double> all;
  for (std::uint32_t step = 0; step < 5; ++step) {
    const Data<Network> data(step);
    all.push_back(trainer.step(NHWC<float>{data.images}, data.labels).loss);
  }
  return all;
}
TEST_CASE("stochastically on the device: a training has the losses of the reference's, and is reproducible") {
  const std::vector<double> device = losses<Net<>, Device>(), expected = losses<Net<>, Expected>(),
                            nearest = losses<Net<>, Device>(Rounding::nearest);
  for (std::size_t i = 0; i < device.size(); ++i)
    CHECK(device[i] == doctest::Approx(expected[i]).epsilon(1e-2));
  const double near = std::abs(device[0] - expected[0]);
  CHECK(near < 0.2 * std::abs(device[0] - nearest[0]));
  CHECK(losses<Net<>, Device>() == device);
}
TEST_CASE(
    "stochastically on the device: images with gates of their own are counted among a block's survivors") {
  using Own = Net<Gating::per_sample>;
  const std::vector<double> device = losses<Own, Device>(), expected = losses<Own, Expected>();
  for (std::size_t i = 0; i < device.size(); ++i)
    CHECK(device[i] == doctest::Approx(expected[i]).epsilon(2e-2));
  CHECK(losses<Own, Device>() == device);
  CHECK(losses<Own, Device>(Rounding::nearest)[0] != device[0]);
}

/// So shallow, and so nearly linear, that a number which is rounded the other way leaves the rest as it is.
using Shallow = Network<Input<3, 8, 8>, Conv<20>, Conv<20>, GlobalAvgPool, Linear<classes>>;
/// Weights stay what they are.
[[nodiscard]] TrainingOptions staying(Rounding rounding = Rounding::stochastic) {
  TrainingOptions all = options(rounding);
  all.sgd.learning_rate = 1e-30;
  return all;
}
template <class Backend>
[[nodiscard]] std::vector<float> gradient(Trainer<Shallow, Backend>& trainer, std::uint64_t step) {
  const Data<Shallow> data;
  trainer.set_steps(step);
  static_cast<void>(trainer.step(NHWC<float>{data.images}, data.labels));
  return to_pytorch(trainer.weights()->find("conv1.weight"), std::as_const(trainer).gradients().data());
}
template <class Backend>
[[nodiscard]] std::vector<float> gradient(std::uint64_t step, Rounding rounding = Rounding::stochastic) {
  Trainer<Shallow, Backend> trainer(staying(rounding));
  return gradient(trainer, step);
}
[[nodiscard]] double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    squares += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
  return std::sqrt(squares);
}
TEST_CASE(
    "stochastically on the device: the walk gives each tensor the reference's number, and each step another") {
  Trainer<Shallow, Device> trainer(staying());
  const std::vector<float> found = gradient(trainer, 3), next = gradient(trainer, 4);
  const double near = distance(found, gradient<Expected>(3));
  CHECK(near < 0.2 * distance(found, gradient<Expected>(4)));
  CHECK(near < 0.2 * distance(found, gradient<Expected>(3, Rounding::nearest)));
  CHECK(distance(next, gradient<Expected>(4)) < 0.2 * distance(next, found));
}

/// Whether its first block runs makes no difference to what this network computes: it adds zeros, to numbers
/// that are finished already.
using Zeros = Network<Input<3, 8, 8>, Conv<20>, BN, ReLU, MaxPool<2>, Repeat<2, Drop<20>>, GlobalAvgPool,
                      Linear<classes>>;
TEST_CASE("stochastically on the device: a block's bits are its own, whichever others run") {
  const Data<Zeros> data;
  std::vector<double> of_steps;
  std::vector<std::vector<float>> gradients;
  for (const std::uint8_t gate : {std::uint8_t{0}, std::uint8_t{1}}) {
    Trainer<Zeros, Device> trainer(options());
    for (const char* name : {"blocks.0.bn2.weight", "blocks.0.bn2.bias"})
      from_pytorch(trainer.weights()->find(name), std::vector<float>(20),
                   trainer.weights()->parameters().data());
    of_steps.push_back(
        trainer.step(NHWC<float>{data.images}, data.labels, std::vector<std::uint8_t>{gate, 1}).loss);
    gradients.push_back(to_pytorch(trainer.weights()->find("blocks.1.bn1.weight"),
                                   std::as_const(trainer).gradients().data()));
  }
  CHECK(of_steps[0] == of_steps[1]);
  CHECK(gradients[0] == gradients[1]);
}

TEST_CASE(
    "stochastically on the device: evaluation and inference round to nearest, and a run that goes on draws its own bits") {
  const Data<Zeros> data;
  const NHWC<float> images{data.images};
  Trainer<Zeros, Device> trainer(options()), other(options()), nearest(options(Rounding::nearest));
  static_cast<void>(trainer.step(images, data.labels));
  static_cast<void>(other.step(images, data.labels));
  for (const ParameterInfo& tensor : trainer.weights()->tensors()) {
    const auto copy = [&](const auto& from, auto& to) {
      from_pytorch(tensor, to_pytorch(tensor, from.data()), to.data());
    };
    if (tensor.trainable())
      copy(std::as_const(*trainer.weights()).parameters(), nearest.weights()->parameters());
    else
      copy(std::as_const(*trainer.weights()).running(), nearest.weights()->running());
  }
  const std::vector<float> logits = trainer.predict(images);
  CHECK(logits == nearest.predict(images));
  CHECK(logits == Inference<Zeros, Device>(trainer.weights(), {.batch = batch}).predict(images));
  // what was read in between changes nothing
  CHECK(trainer.step(images, data.labels).loss == other.step(images, data.labels).loss);
}

/// Blocks of one shape with small pictures, which may be one launch forward.
using Deep = Network<Input<3, 4, 4>, Conv<32>, BN, ReLU, Repeat<4, Drop<32>>, GlobalAvgPool, Linear<classes>>;
TEST_CASE("stochastically on the device: graphs, single launches and runs of blocks draw the same bits") {
  Trainer<Deep, Device> graphs(options()), single(options()), runs(options()),
      nearest(options(Rounding::nearest));
  single.walk().context().use_graphs(false);
  runs.walk().context().use_persistent_blocks(true);
  const std::vector<std::uint8_t> open(4, 1);
  const auto changes = [](Trainer<Deep, Device>& trainer) {
    std::size_t all = 0;
    for (const cuda::Replay& replay : trainer.walk().context().replays()) all += replay.changes();
    return all;
  };
  for (std::uint32_t step = 0; step < 4; ++step) {
    CAPTURE(step);
    const Data<Deep> data(step);
    const NHWC<float> images{data.images};
    const double expected = single.step(images, data.labels, open).loss;
    CHECK(graphs.step(images, data.labels, open).loss == expected);
    CHECK(runs.step(images, data.labels, open).loss == expected);
    static_cast<void>(nearest.step(images, data.labels, open));
  }
  // the number of the step is no operand
  CHECK(changes(graphs) == changes(nearest));
}

}  // namespace
}  // namespace sdepth::test::rounding_training_test
