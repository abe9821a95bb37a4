// The learner of one network type, over the library's trainer.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <string>

#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/network/training_memory.hpp>
#include <sdepth/train/trainer.hpp>

#include "../shared/choices.hpp"
#include "learner.hpp"

namespace programs {

template <class Net, class Backend>
class LearnerOf final : public Learner {
 public:
  explicit LearnerOf(const sdepth::TrainingOptions& options) : trainer_(options) {}

  sdepth::Score step(std::span<const float> images, std::span<const int> labels, std::span<const std::uint8_t> gates) override {
    const sdepth::NHWC<float> pictures{images};
    return gates.empty() ? trainer_.step(pictures, labels) : trainer_.step(pictures, labels, gates);
  }
  sdepth::Score evaluate(std::span<const float> images, std::span<const int> labels, const sdepth::DepthPlan& plan) override {
    return trainer_.evaluate(sdepth::NHWC<float>{images}, labels, plan);
  }

  double first_gradient() override {
    const auto gates = trainer_.gates();  // a row of them for each block
    if (std::ranges::count(gates.first(gates.size() / Net::residual_blocks), 1) == 0) return std::numeric_limits<double>::quiet_NaN();
    if (!Backend::synchronous && trainer_.steps() % 16 != 1)
      return std::numeric_limits<double>::quiet_NaN();  // looking waits for the device
    const auto gradient = sdepth::to_pytorch(trainer_.weights()->find("blocks.0.conv1.weight"), trainer_.gradients().data());
    const auto add_size = [](double sum, float g) { return sum + std::abs(static_cast<double>(g)); };
    return std::accumulate(gradient.begin(), gradient.end(), 0.0, add_size) / static_cast<double>(gradient.size());
  }

  void set_learning_rate(double rate) override { trainer_.set_learning_rate(rate); }
  void set_survival(std::span<const double> survival) override { trainer_.set_survival(survival); }
  std::span<const std::uint8_t> gates() const override { return trainer_.gates(); }
  std::uint64_t steps() const override { return trainer_.steps(); }

  void load_weights(const sdepth::SafeTensors& file, const std::string& where) override {
    auto& weights = *trainer_.weights();
    sdepth::take_weights<T>(file, weights.tensors(), weights.parameters().data(), weights.running().data(), "", where);
  }
  void save_model(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) override {
    const auto& weights = *trainer_.weights();
    sdepth::SafeTensors file{metadata, {}};
    sdepth::append_weights(file, weights.tensors(), weights.parameters().data(), weights.running().data());
    sdepth::write_safetensors(path, file);
  }
  void save_checkpoint(const std::filesystem::path& path, int epoch, const std::string& program) override {
    sdepth::save_checkpoint(path, trainer_, epoch, program);
  }
  void restore(const sdepth::Checkpoint& checkpoint) override { sdepth::restore(checkpoint, trainer_); }

 private:
  using T = typename Backend::Scalar;
  sdepth::Trainer<Net, Backend> trainer_;
};

/// What is known of the network of that name, for the pictures and classes of this .cpp, with the channels padded to `lanes`.
template <class Image, int Classes, int lanes>
[[nodiscard]] NetworkFacts network_facts(const std::string& model) {
  return with_network<Image, Classes>(model, []<class Net>() -> NetworkFacts {
    const sdepth::ParameterSizes storage = Net::storage(lanes);
    return {Net::residual_blocks,
            Net::parameter_count,
            Net::operations_per_image,
            {Net::branch_operations.begin(), Net::branch_operations.end()},
            sdepth::activation_table<Net>(lanes),
            storage.trainable + storage.running};
  });
}

/// The learner of the network of that name, for the pictures and classes of this .cpp.
template <class Image, int Classes, class Backend>
[[nodiscard]] std::unique_ptr<Learner> make_learner(const std::string& model, const sdepth::TrainingOptions& options) {
  return with_network<Image, Classes>(
      model, [&]<class Net>() -> std::unique_ptr<Learner> { return std::make_unique<LearnerOf<Net, Backend>>(options); });
}

}  // namespace programs
