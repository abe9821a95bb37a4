// A running average of a network's weights over its training: often better at test than the last weights.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include <sdepth/core/error.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/run/walk.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/train/parameter_update.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Exponential moving average of a trainer's parameters; the first update takes them as they are:
///
///     average = decay·average + (1 − decay)·parameters
///
///     WeightAverage<Net, Cpu<>> average(0.999);
///     for (…) trainer.step(images, labels), average.update(trainer);
///     Inference<Net, Cpu<>> inference(average.weights());
///     average.swap(trainer), trainer.evaluate(…), average.swap(trainer);  // the trainer's own are back
///
/// Running statistics are copied, as PyTorch's are by default: they belong to the parameters that move.
/// reestimate_norms makes those of the average.
///
/// Source: PyTorch's torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn(decay).
template <class Net, class Backend>
class WeightAverage {
 public:
  /// @param decay  in [0, 1)
  explicit WeightAverage(double decay)
      : decay_(decay),
        weights_(std::make_shared<Weights<Net, Backend>>()),
        parameters_(all(weights_->parameters().size()), 0),
        running_(all(weights_->running().size()), 0) {
    check_decay_rate("decay", decay);
  }

  /// After a step. On a device nothing is waited for. Throws Error where the trainer was moved from.
  template <class Trainer>
  void update(Trainer& trainer) {
    const Weights<Net, Backend>& now = detail::weights_of(trainer.weights(), "average");
    auto& context = trainer.walk().context();
    [[maybe_unused]] const auto here = detail::on_device_of(now.parameters());
    const double part = updates_ == 0 ? 1 : 1 - decay_;
    detail::update_all<detail::Mix>(parameters_, context, std::array{1 - part, part}, false,
                                    for_kernels(weights_->parameters()), for_kernels(now.parameters()));
    detail::update_all<detail::Scale>(running_, context, std::array{1.0}, false,
                                      for_kernels(weights_->running()), for_kernels(now.running()));
    ++updates_;
  }
  /// Exchanges the average's numbers and the trainer's. A second time puts them back. Throws as update.
  template <class Trainer>
  void swap(Trainer& trainer) {
    Weights<Net, Backend>& others = detail::weights_of(trainer.weights(), "average");
    std::swap(weights_->parameters(), others.parameters());
    std::swap(weights_->running(), others.running());
  }

  /// The average, as weights of their own. Zero before the first update.
  [[nodiscard]] const std::shared_ptr<Weights<Net, Backend>>& weights() const noexcept { return weights_; }
  [[nodiscard]] std::uint64_t updates() const noexcept { return updates_; }
  [[nodiscard]] double decay() const noexcept { return decay_; }
  /// For checkpoints: goes on from the average of so many updates.
  void restore(std::shared_ptr<Weights<Net, Backend>> weights, std::uint64_t updates) noexcept {
    weights_ = std::move(weights);
    updates_ = updates;
  }

 private:
  [[nodiscard]] static std::array<ParameterSegment, 1> all(std::size_t numbers) {
    return {ParameterSegment{0, numbers, -1}};
  }

  double decay_;
  std::shared_ptr<Weights<Net, Backend>> weights_;
  typename Backend::Updater parameters_, running_;
  std::uint64_t updates_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA
