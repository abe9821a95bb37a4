// The learner of one network type, over the library's trainer.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <span>
#include <string>

#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/network/training_memory.hpp>
#include <sdepth/program/learner.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

template <class Net, class Backend>
class LearnerOf final : public Learner {
 public:
  explicit LearnerOf(const TrainingOptions& options) : trainer_(options) {}

  Score step(std::span<const float> images, std::span<const int> labels, std::span<const std::uint8_t> gates) override {
    const NHWC<float> pictures{images};
    return gates.empty() ? trainer_.step(pictures, labels) : trainer_.step(pictures, labels, gates);
  }
  Score evaluate(std::span<const float> images, std::span<const int> labels, const DepthPlan& plan) override {
    return trainer_.evaluate(NHWC<float>{images}, labels, plan);
  }

  double first_gradient() override {
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    if constexpr (Net::residual_blocks == 0) return none;
    const auto gates = trainer_.gates();  // a row of them for each block
    if (std::ranges::count(gates.first(gates.size() / std::max(1, Net::residual_blocks)), 1) == 0) return none;
    if (!Backend::synchronous && trainer_.steps() % 16 != 1) return none;  // looking waits for the device
    const auto& tensors = trainer_.weights()->tensors();
    const auto first = std::ranges::find_if(tensors, [](const ParameterInfo& tensor) {
      return tensor.name == "blocks.0.conv1.weight" || tensor.name == "layer1.0.conv1.weight";  // torchvision's
    });
    if (first == tensors.end()) return none;
    const auto gradient = to_pytorch(*first, trainer_.gradients().data());
    const auto add_size = [](double sum, float g) { return sum + std::abs(static_cast<double>(g)); };
    return std::accumulate(gradient.begin(), gradient.end(), 0.0, add_size) / static_cast<double>(gradient.size());
  }

  void set_learning_rate(double rate) override { trainer_.set_learning_rate(rate); }
  void set_survival(std::span<const double> survival) override { trainer_.set_survival(survival); }
  std::span<const std::uint8_t> gates() const override { return trainer_.gates(); }
  std::uint64_t steps() const override { return trainer_.steps(); }

  void load_weights(const SafeTensors& file, const std::string& where) override {
    auto& weights = *trainer_.weights();
    take_weights<T>(file, weights.tensors(), weights.parameters().data(), weights.running().data(), "", where);
  }
  void save_model(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) override {
    const auto& weights = *trainer_.weights();
    SafeTensors file{metadata, {}};
    append_weights(file, weights.tensors(), weights.parameters().data(), weights.running().data());
    write_safetensors(path, file);
  }
  void save_checkpoint(const std::filesystem::path& path, int epoch, const std::string& program) override {
    sdepth::save_checkpoint(path, trainer_, epoch, program);
  }
  void restore(const Checkpoint& checkpoint) override { sdepth::restore(checkpoint, trainer_); }

 private:
  using T = typename Backend::Scalar;
  Trainer<Net, Backend> trainer_;
};

/// What is known of a network on a backend.
template <class Net, class Backend>
[[nodiscard]] NetworkFacts network_facts() {
  const ParameterSizes storage = Net::storage(Backend::lanes);
  return {Net::residual_blocks,
          Net::parameter_count,
          Net::operations_per_image,
          {Net::branch_operations.begin(), Net::branch_operations.end()},
          activation_table<Net>(Backend::lanes),
          storage.trainable + storage.running,
          {Net::survival.begin(), Net::survival.end()},
          sizeof(typename Backend::Stored)};
}

template <class Net, class Backend>
[[nodiscard]] std::unique_ptr<Learner> make_learner(const TrainingOptions& options) {
  return std::make_unique<LearnerOf<Net, Backend>>(options);
}

}  // namespace sdepth::inline SDEPTH_ISA::program
