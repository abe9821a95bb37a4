// The first half of a training step: forward, loss and backward of one mini-batch, from weights to gradients.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <sdepth/core/calls.hpp>
#include <sdepth/run/walk.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/schedule/scaling.hpp>
#include <sdepth/train/batch_loss.hpp>
#include <sdepth/train/step_gates.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Where the gradients of one word's parameters, or one block's, lie: numbers [first, last) of
/// Trainer::gradients().
struct GradientRange {
  std::size_t first = 0;
  std::size_t last = 0;
};

namespace detail {

struct TellNobody {
  void operator()(const GradientRange&) const {}
};

template <class Net, class Backend, class Loss>
class TrainingPass {
 public:
  using T = typename Backend::Scalar;
  using Storage = typename Backend::template Storage<T>;
  static constexpr std::size_t blocks = static_cast<std::size_t>(Net::residual_blocks);

  /// @param batch  the largest, in images   @param running  numbers of running statistics
  TrainingPass(int batch, int threads, std::size_t running)
      : walk_(batch, threads, true),
        scales_(blocks, 1.0),
        running_before_(Backend::addressable ? running : 0) {}

  /// Writes the gradients of the first `count` images' mean loss, and changes the running statistics. On the
  /// host a loss that is not finite ends it before anything is changed; a device finds out later. What throws
  /// changes nothing but gradients.
  /// @param gates  of these images, and those of other processes   @param survival  [residual blocks]
  template <class Images>
  typename Backend::Loss run(const Images& images, const typename Loss::Targets& targets, int count,
                             Weights<Net, Backend>& weights, Storage& gradients, const StepGates<Net>& gates,
                             std::span<const double> survival, Scaling scaling,
                             const typename Loss::Options& options, const detail::GradientListener& ready,
                             std::uint64_t seed, std::uint64_t step, Rounding rounding) {
    const Calls::Call call = begin("step");
    std::transform(survival.begin(), survival.end(), scales_.begin(),
                   [&](double p) { return branch_scale(scaling, true, p); });
    if constexpr (std::ranges::count(Net::gating, Gating::per_sample_exact) > 0)
      for (std::size_t block = 0; block < blocks; ++block)
        if (Net::gating[block] == Gating::per_sample_exact)
          scales_[block] = exact_branch_scale(
              scaling, survival[block], static_cast<std::size_t>(gates.images()), gates.survivors(block));

    walk_.load(images, 0, count);
    T* const running = for_kernels(weights.running());
    const detail::WalkParameters<T> numbers{.parameters = for_kernels(weights.parameters()),
                                            .running = running,
                                            .gradients = for_kernels(gradients),
                                            .running_update = running,
                                            .seed = seed,
                                            .step = step,
                                            .rounding = rounding};
    const T* outputs = walk_.forward(count, true, numbers, gates.all(), scales_);
    T* outputs_gradient = walk_.take_gradient();
    constexpr int numbers_of_image = static_cast<int>(Net::output.size());
    const typename Backend::Loss loss = batch_loss<Backend, Loss, T>(
        walk_.context(), options, numbers_of_image, outputs, targets, count, 0, count, outputs_gradient);
    if constexpr (Backend::synchronous)
      if (!std::isfinite(loss.loss)) return loss;
    backward(count, numbers, outputs_gradient, weights, ready);
    return loss;
  }

  [[nodiscard]] detail::Walk<Net, Backend>& walk() noexcept { return walk_; }

  /// What uses the walk until the result is destroyed. Throws Error where another call does.
  [[nodiscard]] Calls::Call begin(const char* who) {
    check_idle(who);
    return calls_.begin(who, in_a_call);
  }
  /// Throws Error where a call is not over, or the trainer was moved from.
  void check_idle(const char* who) const {
    if (calls_.running()) fail(who, in_a_call);
    if (walk_.moved_away()) fail(who, ": this trainer was moved from; use the one that it was moved to");
  }

 private:
  static constexpr const char* in_a_call =
      ": this trainer is in the middle of another call; use it from one thread at a time, and not from the function that "
      "compute_gradients calls";

  /// Each norm changes its running statistics when the way back reaches it. Where that ends halfway, for want
  /// of memory, they become what they were.
  void backward(int count, const detail::WalkParameters<T>& numbers, T* outputs_gradient,
                Weights<Net, Backend>& weights, const detail::GradientListener& ready) {
    if constexpr (Backend::addressable) {
      const std::span<T> running = weights.running().span();
      std::copy(running.begin(), running.end(), running_before_.begin());
      try {
        walk_.backward(count, numbers, outputs_gradient, ready);
      } catch (...) {
        std::copy(running_before_.begin(), running_before_.end(), running.begin());
        throw;
      }
    } else {
      walk_.backward(count, numbers, outputs_gradient, ready);
    }
  }

  Calls calls_;
  detail::Walk<Net, Backend> walk_;
  std::vector<double> scales_;     // [residual blocks]
  std::vector<T> running_before_;  // running statistics
};

}  // namespace detail

}  // namespace sdepth::inline SDEPTH_ISA
