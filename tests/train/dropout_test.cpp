#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

#include "dropout_checks.hpp"

namespace sdepth::test::dropout_test {

using namespace dropout;

TEST_CASE("a share of P of the numbers becomes zero, and which ones depends on seed, step, stage and place") {
  const auto zeros = [](const DropoutMask& mask) {
    std::vector<bool> all;
    for (std::uint32_t pixel = 0; pixel < 4000; ++pixel)
      for (int channel = 0; channel < 6; ++channel)
        all.push_back(dropout_factor(mask, 6, pixel, channel) == 0);
    return all;
  };
  const DropoutMask mask = DropoutMask::of(0.3, 5, 7, 2);
  CHECK(mask.scale == doctest::Approx(1 / 0.7));
  const std::vector<bool> all = zeros(mask);
  const auto count = static_cast<double>(all.size());
  const auto dropped = static_cast<double>(std::count(all.begin(), all.end(), true));
  CHECK(std::abs(dropped / count - 0.3) < 4 * std::sqrt(0.3 * 0.7 / count));
  CHECK(zeros(mask) == all);
  for (const DropoutMask& other :
       {DropoutMask::of(0.3, 6, 7, 2), DropoutMask::of(0.3, 5, 8, 2), DropoutMask::of(0.3, 5, 7, 3)}) {
    const std::vector<bool> others = zeros(other);
    double both = 0;
    for (std::size_t i = 0; i < all.size(); ++i) both += all[i] && others[i];
    CHECK(std::abs(both / count - 0.09) < 4 * std::sqrt(0.09 * 0.91 / count));  // independent
  }
  const std::vector<bool> none = zeros(DropoutMask::of(0, 5, 7, 2));
  CHECK(std::count(none.begin(), none.end(), true) == 0);
}

TEST_CASE("a dropout alone: the loss of a linear network of the masked and scaled numbers") {
  using Net = Network<Input<6, 2, 2>, Dropout<0.4>, Linear<3>>;
  const Data data = some_data<Net>(5);
  Trainer<Net, ReferenceDouble> trainer({.batch = 5, .threads = 1, .seed = 11});
  trainer.set_steps(3);
  std::vector<float> masked = data.images;
  const DropoutMask mask = DropoutMask::of(0.4, 11, 3, 0);
  for (std::size_t i = 0; i < masked.size(); ++i)
    masked[i] *= dropout_factor(mask, 6, static_cast<std::uint32_t>(i / 6), static_cast<int>(i % 6));
  Trainer<Network<Input<6, 2, 2>, Linear<3>>, ReferenceDouble> plain({.batch = 5, .threads = 1});
  std::copy_n(trainer.weights()->parameters().data(), trainer.weights()->parameters().size(),
              plain.weights()->parameters().data());
  const double whole = trainer.evaluate(NHWC<float>{data.images}, data.labels).loss;
  // nothing happens at test
  CHECK(plain.evaluate(NHWC<float>{data.images}, data.labels).loss == doctest::Approx(whole).epsilon(1e-12));
  const double expected = plain.evaluate(NHWC<float>{masked}, data.labels).loss;
  CHECK(std::abs(expected - whole) > 1e-3);
  CHECK(trainer.step(NHWC<float>{data.images}, data.labels).loss == doctest::Approx(expected).epsilon(1e-6));
}

TEST_CASE("gradients are those of the loss with the step's masks, wherever a dropout stands") {
  const Data data = some_data<Everywhere>(4);
  const auto loss_at = [&](const std::string& name, Eigen::Index row, Eigen::Index column, double change) {
    auto trainer = some_trainer<ReferenceDouble>();
    trainer.parameter(name)(row, column) += change;
    return trainer.compute_gradients(NHWC<float>{data.images}, data.labels, gates).loss;
  };
  auto trainer = some_trainer<ReferenceDouble>();
  trainer.compute_gradients(NHWC<float>{data.images}, data.labels, gates);
  for (const char* name :
       {"conv1.weight", "bn1.bias", "blocks.0.conv1.weight", "blocks.0.conv2.weight", "blocks.1.bn1.weight",
        "blocks.1.conv1.weight", "blocks.2.conv1.weight", "fc.weight"}) {
    CAPTURE(name);
    const auto gradient = trainer.gradient(name);
    const Eigen::Index row = gradient.rows() / 2, column = gradient.cols() / 2;
    const double step = 1e-5,
                 difference =
                     (loss_at(name, row, column, step) - loss_at(name, row, column, -step)) / (2 * step);
    CHECK(gradient(row, column) == doctest::Approx(difference).epsilon(1e-4));
  }
}

TEST_CASE("a step on the CPU is the reference's, and does not depend on threads") {
  check_like_reference<Cpu<>>();
}

TEST_CASE("a trained network runs as if there were no dropout") {
  const Data data = some_data<Everywhere>(4);
  auto trainer = some_trainer<Cpu<>>();
  const auto expected = trainer.predict(NHWC<float>{data.images});
  const auto logits = Inference<Everywhere, Cpu<>>(trainer.weights()).predict(NHWC<float>{data.images});
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(logits[i] == doctest::Approx(expected[i]).epsilon(1e-4));
}

}  // namespace sdepth::test::dropout_test
