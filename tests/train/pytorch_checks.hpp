// What every backend must get right of PyTorch's numbers: one body of tests, which each includes.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/train/trainer.hpp>

#include "pytorch.hpp"

namespace pytorch {

/// Relative L2 distance allowed: float32 results within the 1e-4; a double walk shows that only
/// rounding is left (oracles are float32).
template <class Backend>
constexpr double tolerance = std::is_same_v<typename Backend::Scalar, double> ? 2e-7 : 1e-4;

template <class Net, class Backend>
Trainer<Net, Backend> trainer_with(const Oracle& oracle, const TrainingOptions& options) {
  Trainer<Net, Backend> trainer(options);
  oracle.load(*trainer.weights(), "init.");
  return trainer;
}

/// One training step from init.*: everything under `prefix` in the oracle.
template <class Net, class Backend>
void check_training_step(const Oracle& oracle, const std::string& prefix) {
  CAPTURE(prefix);
  TrainingOptions options;
  options.batch = 8;
  options.threads = 2;
  options.sgd.learning_rate = 0;  // the parameters stay, so that gradients can be looked at
  auto trainer = trainer_with<Net, Backend>(oracle, options);
  std::vector<std::uint8_t> gates(static_cast<std::size_t>(Net::residual_blocks), 1);
  if (oracle.has(prefix + "gates")) gates = oracle.gates(prefix + "gates");
  const Score score = trainer.step(NHWC<float>{oracle.values("images")}, oracle.integers("labels"), gates);
  CHECK(std::abs(score.loss / static_cast<double>(oracle.values(prefix + "loss")[0]) - 1) <
        (tolerance<Backend> < 1e-6 ? 1e-7 : 1e-5));  // the oracle is float32

  const auto& weights = *trainer.weights();
  int compared = 0;
  for (const ParameterInfo& tensor : weights.tensors()) {
    CAPTURE(tensor.name);
    if (tensor.trainable()) {
      if (tensor.block >= 0 && !gates[static_cast<std::size_t>(tensor.block)]) continue;
      const auto ours = to_pytorch(tensor, trainer.gradients().data());
      const auto theirs = oracle.values(prefix + "grad." + tensor.name);
      // The gradient of a bias before a BN is exactly zero in mathematics: what both compute is rounding.
      double size = 0;
      for (const float v : theirs) size = std::max(size, std::abs(static_cast<double>(v)));
      if (size < 1e-12) continue;
      CHECK(relative_distance(ours, theirs) < tolerance<Backend>);
    } else {
      const bool skipped = tensor.block >= 0 && !gates[static_cast<std::size_t>(tensor.block)];
      const auto ours = to_pytorch(tensor, weights.running().data());
      const auto theirs = oracle.values((skipped ? "init." : prefix + "after.") + tensor.name);
      if (skipped)
        CHECK(std::equal(ours.begin(), ours.end(), theirs.begin()));
      else
        CHECK(relative_distance(ours, theirs) < tolerance<Backend>);
    }
    ++compared;
  }
  CHECK(compared > 20);
}

template <class Net, class Backend>
void check_test_logits(const Oracle& oracle) {
  const auto survival = oracle.values("survival");
  const std::vector<double> table(survival.begin(), survival.end());
  for (std::size_t block = 0; block < table.size(); ++block)
    CHECK(table[block] == doctest::Approx(Net::survival[block]).epsilon(1e-6));
  for (const Scaling scaling : {Scaling::test, Scaling::train}) {
    const std::string name = scaling == Scaling::test ? "test.scaling_test" : "test.scaling_train";
    CAPTURE(name);
    TrainingOptions options;
    options.scaling = scaling;
    options.batch = 5;  // does not divide 8
    auto trainer = trainer_with<Net, Backend>(oracle, options);
    CHECK(relative_distance(trainer.predict(NHWC<float>{oracle.values("images")}), oracle.values(name)) <
          tolerance<Backend>);
    Inference<Net, Backend> inference(trainer.weights(), {.scaling = scaling, .batch = 3});
    CHECK(relative_distance(inference.predict(NHWC<float>{oracle.values("images")}), oracle.values(name)) <
          tolerance<Backend>);
  }
}

/// 20 steps with given gates: no further from float64 than 20 times PyTorch's own float32.
template <class Backend>
void check_sgd(SkipUpdate skip_update, Scaling scaling) {
  const Oracle inputs("sgd_inputs");
  const Oracle oracle(std::string("sgd_") + (skip_update == SkipUpdate::as_code ? "as_code" : "frozen") +
                      (scaling == Scaling::test ? "_test" : "_train"));
  TrainingOptions options;
  options.batch = 8;
  options.skip_update = skip_update;
  options.scaling = scaling;
  auto trainer = trainer_with<Small, Backend>(inputs, options);
  const auto images = inputs.values("images");
  const auto labels = inputs.integers("labels");
  const auto gates = inputs.gates("gates");
  const std::size_t steps = inputs.values("lr").size(), batch = images.size() / steps;
  double drift = 0, theirs = 0;
  for (std::size_t step = 0; step < steps; ++step) {
    trainer.set_learning_rate(inputs.values("lr")[step]);
    const double loss =
        trainer
            .step(NHWC<float>{images.subspan(step * batch, batch)}, std::span(labels).subspan(step * 8, 8),
                  std::span(gates).subspan(step * 6, 6))
            .loss;
    const double expected = static_cast<double>(oracle.values("losses_hi")[step]) +
                            static_cast<double>(oracle.values("losses_lo")[step]);
    if (step == 0) CHECK(std::abs(loss / expected - 1) < 1e-5);
    drift = std::max(drift, std::abs(loss - expected));
    theirs = std::max(theirs, static_cast<double>(oracle.values("float32.losses")[step]));
    if (step != 3 && step != 19) continue;
    CAPTURE(step);
    const std::size_t snapshot = step == 3 ? 0 : 1;
    // Allowances of a few float32 roundings, since the oracle's numbers are rounded themselves.
    CHECK(drift <= 20 * theirs + 1e-7);
    Distance parameters, statistics;
    const auto& weights = *trainer.weights();
    for (const ParameterInfo& tensor : weights.tensors()) {
      const auto expected_values = oracle.values((step == 3 ? "step4." : "step20.") + tensor.name);
      (tensor.trainable() ? parameters : statistics)
          .add(to_pytorch(tensor, (tensor.trainable() ? weights.parameters() : weights.running()).data()),
               expected_values);
    }
    CHECK(parameters.relative() <=
          20 * static_cast<double>(oracle.values("float32.parameters")[snapshot]) + 1e-7);
    CHECK(statistics.relative() <=
          20 * static_cast<double>(oracle.values("float32.statistics")[snapshot]) + 1e-7);
    MESSAGE("after ", step + 1, " steps: loss ", drift, " (float32 PyTorch ", theirs, "), parameters ",
            parameters.relative(), " (", oracle.values("float32.parameters")[snapshot], ")");
  }
}

}  // namespace pytorch
