// The learner of one network type, over the library's trainer.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <sdepth/core/spelling.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/summary.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/network/training_memory.hpp>
#include <sdepth/program/learner.hpp>
#include <sdepth/program/starting_weights.hpp>
#include <sdepth/optimizers/adamw.hpp>
#include <sdepth/train/parameter_groups.hpp>
#include <sdepth/train/trainer.hpp>
#include <sdepth/train/weight_average.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// The optimizer's part of what a trainer is made with, put in its place.
template <class Optimizer>
[[nodiscard]] TrainingOptionsOf<CrossEntropy, Optimizer> options_with(const LearnerOptions& options) {
  const TrainingOptions& t = options.training;
  if constexpr (std::is_same_v<Optimizer, SGD>)
    return t;
  else
    return {t.batch, t.threads, t.seed,    options.adamw.value(), t.skip_update, t.scaling,
            t.gamma, t.loss,    t.rounding};
}

/// The walk and its kernels know nothing of the optimizer, so a second one costs a tenth of a network's
/// compile time.
template <class Net, class Backend, class Optimizer>
class LearnerOf final : public Learner {
 public:
  explicit LearnerOf(const LearnerOptions& options)
      : trainer_(options_with<Optimizer>(options),
                 detail::SharedSteps<Net, Backend>::with(options.others, options.local_norms)),
        clip_norm_(options.clip_norm) {
    if (options.average_decay > 0) average_.emplace(options.average_decay);
    if (!options.frozen.empty())
      trainer_.set_parameter_groups(
          {{.contains = frozen_by(options.frozen, trainer_.weights()->tensors()), .frozen = true}});
  }

  void start(std::span<const float> images, const Targets& targets,
             std::span<const std::uint8_t> gates) override {
    const NHWC<float> pictures{images};
    started_.push_back(clip_norm_ > 0  ? Begun(clipped_step(pictures, targets, gates))
                       : gates.empty() ? Begun(trainer_.start(pictures, targets))
                                       : Begun(trainer_.start(pictures, targets, gates)));
  }
  Score finish() override {
    const Begun begun = std::move(started_.front());
    started_.pop_front();
    const Score score = std::holds_alternative<Score>(begun) ? std::get<Score>(begun)
                                                             : trainer_.finish(std::get<Started>(begun));
    if (average_) average_->update(trainer_);
    return score;
  }
  /// The average is of the weights behind each step, and a norm that is clipped has been waited for.
  std::size_t ahead() const override { return Backend::synchronous || average_ || clip_norm_ > 0 ? 0 : 1; }
  std::function<Score()> start_evaluation(std::span<const float> images, std::span<const int> labels,
                                          const DepthPlan& plan) override {
    return [this, started = trainer_.start_evaluation(NHWC<float>{images}, labels, plan)] {
      return trainer_.finish(started);
    };
  }

  std::vector<float> predict(std::span<const float> images) override {
    return trainer_.predict(NHWC<float>{images});
  }

  double first_gradient() override {
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    if constexpr (Net::residual_blocks == 0) return none;
    const auto gates = trainer_.gates();  // a row of them for each block
    if (std::ranges::count(gates.first(gates.size() / std::max(1, Net::residual_blocks)), 1) == 0)
      return none;
    if (!Backend::synchronous && trainer_.steps() % 16 != 1) return none;  // looking waits for the device
    const auto& tensors = trainer_.weights()->tensors();
    const auto first = std::ranges::find_if(tensors, [](const ParameterInfo& tensor) {
      // torchvision's
      return tensor.name == "blocks.0.conv1.weight" || tensor.name == "layer1.0.conv1.weight";
    });
    if (first == tensors.end()) return none;
    const auto gradient = to_pytorch(*first, std::as_const(trainer_).gradients().data());
    const auto add_size = [](double sum, float g) { return sum + std::abs(static_cast<double>(g)); };
    return std::accumulate(gradient.begin(), gradient.end(), 0.0, add_size) /
           static_cast<double>(gradient.size());
  }

  void set_learning_rate(double rate) override { trainer_.set_learning_rate(rate); }
  void set_survival(std::span<const double> survival) override { trainer_.set_survival(survival); }
  std::span<const std::uint8_t> gates() const override { return trainer_.gates(); }
  std::uint64_t steps() const override { return trainer_.steps(); }
  std::string_view type() const override { return text_of_type<LearnerOf>(); }

  void swap_average() override { average_->swap(trainer_); }

  std::string load_weights(SafeTensors file, const std::string& where) override {
    auto& weights = *trainer_.weights();
    const std::string sentence =
        keep_head<T>(file, weights.tensors(), weights.parameters().data(), Net::output.size(), where);
    take_weights<T>(file, weights.tensors(), weights.parameters().data(), weights.running().data(), "",
                    where);
    return sentence;
  }
  void save_model(const std::filesystem::path& path,
                  const std::map<std::string, std::string>& metadata) override {
    const auto& weights = *trainer_.weights();
    SafeTensors file{metadata, {}};
    append_weights(file, weights.tensors(), weights.parameters().data(), weights.running().data());
    write_safetensors(path, file);
  }
  void save_checkpoint(const std::filesystem::path& path, int epoch, const std::string& program) override {
    sdepth::save_checkpoint(path, trainer_, epoch, program, average_ ? &*average_ : nullptr);
  }
  void restore(const Checkpoint& checkpoint) override {
    sdepth::restore(checkpoint, trainer_, average_ ? &*average_ : nullptr);
  }

 private:
  using T = typename Backend::Scalar;

  Score clipped_step(const NHWC<float>& images, const Targets& targets, std::span<const std::uint8_t> gates) {
    const Score score = gates.empty() ? trainer_.compute_gradients(images, targets)
                                      : trainer_.compute_gradients(images, targets, gates);
    trainer_.clip_gradient_norm(clip_norm_);
    trainer_.apply();
    return score;
  }

  using Started = typename Trainer<Net, Backend, CrossEntropy, Optimizer>::Started;
  using Begun = std::variant<Started, Score>;  // or already finished

  Trainer<Net, Backend, CrossEntropy, Optimizer> trainer_;
  std::deque<Begun> started_;
  std::optional<WeightAverage<Net, Backend>> average_;
  double clip_norm_;
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
          sizeof(typename Backend::Stored),
          detail::batch_parts<Backend>,
          summary_rows<Net>()};
}

template <class Net, class Backend>
[[nodiscard]] std::unique_ptr<Learner> make_learner(const LearnerOptions& options) {
  if (options.adamw) return std::make_unique<LearnerOf<Net, Backend, AdamW>>(options);
  return std::make_unique<LearnerOf<Net, Backend, SGD>>(options);
}

}  // namespace sdepth::inline SDEPTH_ISA::program
