// Trainer<Net, Backend>: one network being trained. The user's loop calls step; everything else is here, and nothing is global.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/network/head.hpp>
#include <sdepth/run/evaluation.hpp>
#include <sdepth/run/images.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/run/walk.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/schedule/gates.hpp>
#include <sdepth/train/initialise.hpp>
#include <sdepth/train/options.hpp>
#include <sdepth/train/score.hpp>
#include <sdepth/train/step_gates.hpp>
#if !defined(__CUDACC__)  // nvcc reads Eigen with dozens of warnings; Trainer::parameter and gradient are left out there
#include <sdepth/train/views.hpp>
#endif

namespace sdepth::inline SDEPTH_ISA {

/// Trains `Net` on `Backend` by SGD with stochastic depth.
///
///     Trainer<Net, Cpu<>> trainer({.batch = 128, .seed = 1});
///     for (…) Score score = trainer.step(NHWC<float>{images}, labels);
///
/// Every result is a function of the options, the weights and the images: not of the number of threads, nor of other trainers in the process.
/// Throws Error on options that no training can be made with, images or labels of the wrong size, labels out of range, and a loss that is not finite.
/// A step that throws, for whatever reason, changes nothing but gradient(): not weights and statistics, nor steps(), gates() and memory. The next step then gives
/// the bits that it would have given anyway.
template <class Net, class Backend>
class Trainer {
 public:
  using T = typename Backend::Scalar;
  using Storage = typename Backend::template Storage<T>;
  static constexpr int classes = static_cast<int>(Net::output.size());

  explicit Trainer(const TrainingOptions& options = {})
      : options_(checked(options)),
        weights_(std::make_shared<Weights<Net, Backend>>()),
        gradients_(weights_->parameters().size()),
        velocity_(weights_->parameters().size()),
        walk_(options.batch, options.threads, true),
        optimizer_(segments(weights_->tensors()), blocks),
        survival_(survival_vector(Net::survival)),
        gates_(options.batch),
        next_gates_(options.batch),
        scales_(blocks, 1.0),
        running_before_(Backend::on_host ? weights_->running().size() : 0) {
    initialise(*weights_, options.seed, options.gamma);
  }

  /// One step of SGD on a mini-batch of up to options().batch images, with the gates of (seed, step). @param labels  [N], in [0, classes)
  template <Images Given>
  Score step(const Given& images, std::span<const int> labels) {
    return finish(start(images, labels));
  }

  /// The same with gates from elsewhere. @param gates  [residual blocks], 1 open, 0 closed; a block outside StochasticDepth must be open.
  /// Where images have gates of their own: these, or [residual blocks][N]; Gating::per_sample_exact scales by how many are open, see exact_branch_scale
  template <Images Given>
  Score step(const Given& images, std::span<const int> labels, std::span<const std::uint8_t> gates) {
    return finish(start(images, labels, gates));
  }

  /// A step whose score has not been asked for.
  struct Started {
    typename Backend::Loss loss;
    Score score;  // without loss and errors
    std::uint64_t step = 0;
  };
  /// The same as step in two halves, for a backend that works by itself: start returns as soon as all work has been handed over, so that the caller can prepare
  /// the next batch; finish waits for the loss. On the host start does everything. Steps are finished in the order of their start.
  template <Images Given>
  [[nodiscard]] Started start(const Given& images, std::span<const int> labels) {
    const int count = checked_count(images, labels);
    next_gates_.draw(options_.seed, step_, survival_, count);
    optimizer_.take_drawn_gates(walk_.space(), options_.seed, step_, survival_, next_gates_.open_blocks());
    return start_with_gates(images, labels, count);
  }
  template <Images Given>
  [[nodiscard]] Started start(const Given& images, std::span<const int> labels, std::span<const std::uint8_t> gates) {
    const int count = checked_count(images, labels);
    next_gates_.take(gates, count);
    optimizer_.take_gates(walk_.space(), next_gates_.open_blocks());
    return start_with_gates(images, labels, count);
  }
  /// Throws Error where the loss is not finite; that step, and those started after it, then never were.
  Score finish(const Started& started) {
    const LossResult result = started.loss.get();
    if (!std::isfinite(result.loss)) {
      if (step_ == started.step + 1) std::swap(gates_, next_gates_);  // no other step has been started since
      step_ = std::min(step_, started.step);
      fail_for(result.loss);
    }
    Score score = started.score;
    score.loss = result.loss;
    score.errors = result.errors;
    return score;
  }

  template <class Given, class... Others>
    requires(!Images<Given>)
  Score step(const Given&, Others&&...) {
    return wrap_the_images<Score, Given>();
  }
  template <class Given, class... Others>
    requires(!Images<Given>)
  Started start(const Given&, Others&&...) {
    return wrap_the_images<Started, Given>();
  }

  /// Loss and error of the network as it is, with running statistics. @param plan  the blocks that run
  /// Throws Error naming the first image whose logits are not finite.
  template <Images Given>
  [[nodiscard]] Score evaluate(const Given& images, std::span<const int> labels, const DepthPlan& plan = {}) {
    const int count = image_count(Net::input, images);
    check_labels(count, labels, classes);
    const std::vector<std::uint8_t> gates = gates_of<Net>(plan);
    const std::vector<double> scales = test_scales(options_.scaling, survival_);
    const int kept = blocks_kept<Net>(plan);
    Score score{0, 0, count, kept, std::int64_t{count} * kept};
    for (int first = 0; first < count; first += walk_.capacity()) {
      const int n = std::min(walk_.capacity(), count - first);
      const T* logits = run_open_blocks(walk_, *weights_, images, first, n, gates, scales);
      const LossResult part = Backend::softmax_cross_entropy(walk_.space(), n, classes, logits, labels.data() + first, nullptr).get();
      const auto read = Backend::read(walk_.space(), logits, static_cast<std::size_t>(n) * walk_.classes_stride);
      check_logits(std::span(std::as_const(read)), classes, walk_.classes_stride, first);
      score.loss += part.loss * n;
      score.errors += part.errors;
    }
    if (count > 0) score.loss /= count;
    return score;
  }

  /// Logits [N, classes], as evaluate computes them, but whatever they are: see check_logits.
  template <Images Given>
  [[nodiscard]] std::vector<float> predict(const Given& images, const DepthPlan& plan = {}) {
    return predict_all(walk_, *weights_, images, gates_of<Net>(plan), test_scales(options_.scaling, survival_));
  }

  template <class Given, class... Others>
    requires(!Images<Given>)
  Score evaluate(const Given&, Others&&...) {
    return wrap_the_images<Score, Given>();
  }
  template <class Given, class... Others>
    requires(!Images<Given>)
  std::vector<float> predict(const Given&, Others&&...) {
    return wrap_the_images<std::vector<float>, Given>();
  }

  /// A tensor by its PyTorch name, in place: `trainer.parameter("conv1.weight") *= 2`. See matrix_view for rows and columns.
  [[nodiscard]] auto parameter(std::string_view name) {
    const ParameterInfo& tensor = weights_->find(name);
    return matrix_view(tensor, tensor.trainable() ? weights_->parameters().data() : weights_->running().data());
  }
  /// The last step's gradient of a parameter; of a skipped block's it is an older step's.
  [[nodiscard]] auto gradient(std::string_view name) {
    const ParameterInfo& tensor = weights_->find(name);
    if (!tensor.trainable()) fail("\"", name, "\" is a running statistic, which has no gradient");
    return matrix_view(tensor, gradients_.data());
  }

  /// Replaces p_l, for sweeps without another instantiation. @param survival  [residual blocks], 1 for blocks outside StochasticDepth
  void set_survival(std::span<const double> survival) {
    check_survival(survival, blocks);
    for (std::size_t block = 0; block < blocks; ++block)
      if (survival[block] != 1.0 && !Net::stochastic[block])
        fail("survival table: block ", block, " stands outside StochasticDepth, expected 1, found ", survival[block]);
      else if (Net::fixed[block] && survival[block] != Net::survival[block])
        fail("survival table: block ", block, " has a gate of FixedGates, expected ", Net::survival[block], ", found ", survival[block],
             "; to choose probabilities at run time use a schedule such as LinearDecay");
    survival_ = survival_vector(survival);
  }
  [[nodiscard]] std::span<const double> survival() const noexcept { return survival_; }

  /// Throws Error unless it is a finite number that is not negative.
  void set_learning_rate(double rate) {
    check_rate("learning_rate", rate);
    options_.sgd.learning_rate = rate;
  }
  [[nodiscard]] const TrainingOptions& options() const noexcept { return options_; }
  /// The gates of the last step that was started: [residual blocks], or where images have gates of their own [residual blocks][N].
  [[nodiscard]] std::span<const std::uint8_t> gates() const noexcept { return gates_.all(); }
  /// Steps made; with the seed it is all the state that gates have.
  [[nodiscard]] std::uint64_t steps() const noexcept { return step_; }
  void set_steps(std::uint64_t steps) noexcept { step_ = steps; }

  /// The numbers, shared with any Inference made from them.
  [[nodiscard]] const std::shared_ptr<Weights<Net, Backend>>& weights() const noexcept { return weights_; }
  /// Momentum, laid out as the parameters are.
  [[nodiscard]] Storage& velocity() noexcept { return velocity_; }
  [[nodiscard]] const Storage& gradients() const noexcept { return gradients_; }
  [[nodiscard]] Walk<Net, Backend>& walk() noexcept { return walk_; }

 private:
  static_assert(CheckedHead < Net::sound ? head_error<Net>() : HeadError::none > ::said);
  static constexpr std::size_t blocks = static_cast<std::size_t>(Net::residual_blocks);

  /// The flat buffer of parameters, cut where a block's branch begins or ends.
  [[nodiscard]] static std::vector<ParameterSegment> segments(const std::vector<ParameterInfo>& tensors) {
    std::vector<ParameterSegment> all;
    for (const ParameterInfo& tensor : tensors) {
      if (!tensor.trainable()) continue;
      if (all.empty() || all.back().block != tensor.block) all.push_back({tensor.offset, 0, tensor.block});
      all.back().size += tensor.size;
    }
    return all;
  }

  template <Images Given>
  [[nodiscard]] int checked_count(const Given& images, std::span<const int> labels) const {
    const int count = image_count(Net::input, images);
    if (count < 1 || count > walk_.capacity())
      fail("step: expected between 1 and ", walk_.capacity(), " images (the trainer's batch), found ", count);
    check_labels(count, labels, classes);
    return count;
  }

  template <Images Given>
  Started start_with_gates(const Given& images, std::span<const int> labels, int count) {
    std::transform(survival_.begin(), survival_.end(), scales_.begin(), [&](double p) { return branch_scale(options_.scaling, true, p); });
    if constexpr (std::ranges::count(Net::gating, Gating::per_sample_exact) > 0)
      for (std::size_t block = 0; block < blocks; ++block)
        if (Net::gating[block] == Gating::per_sample_exact)
          scales_[block] =
              exact_branch_scale(options_.scaling, survival_[block], static_cast<std::size_t>(count), next_gates_.survivors(block));

    walk_.load(images, 0, count);
    T* const parameters = for_kernels(weights_->parameters());
    T* const running = for_kernels(weights_->running());
    T* const gradients = for_kernels(gradients_);
    const WalkParameters<T> numbers{parameters, running, gradients, running};
    const T* logits = walk_.forward(count, true, numbers, next_gates_.all(), scales_);
    T* logits_gradient = walk_.take_gradient();
    const auto loss = Backend::softmax_cross_entropy(walk_.space(), count, classes, logits, labels.data(), logits_gradient);
    // A backend that works by itself sees to it that a loss that is not finite changes nothing.
    if constexpr (Backend::on_host)
      if (!std::isfinite(loss.loss)) fail_for(loss.loss);
    backward(count, numbers, logits_gradient);
    optimizer_.step(walk_.space(), options_.sgd, options_.skip_update == SkipUpdate::frozen, parameters, gradients, for_kernels(velocity_));
    std::swap(gates_, next_gates_);
    return {loss, {0, 0, count, gates_.blocks_run(), gates_.branches_run()}, step_++};
  }

  /// Each norm changes its running statistics when the way back reaches it. Where that ends halfway, for want of memory, they become what they were.
  void backward(int count, const WalkParameters<T>& numbers, T* logits_gradient) {
    if constexpr (Backend::on_host) {
      const std::span<T> running = weights_->running().span();
      std::copy(running.begin(), running.end(), running_before_.begin());
      try {
        walk_.backward(count, numbers, logits_gradient);
      } catch (...) {
        std::copy(running_before_.begin(), running_before_.end(), running.begin());
        throw;
      }
    } else {
      walk_.backward(count, numbers, logits_gradient);
    }
  }

  [[noreturn]] void fail_for(double loss) const {
    fail("step ", step_, ": the loss is ", loss, ", expected a finite number; lower the learning rate (now ", options_.sgd.learning_rate,
         ") or look for bad input images");
  }

  TrainingOptions options_;
  std::shared_ptr<Weights<Net, Backend>> weights_;
  Storage gradients_;
  Storage velocity_;
  Walk<Net, Backend> walk_;
  typename Backend::Optimizer optimizer_;
  std::vector<double> survival_;
  StepGates<Net> gates_;       // of the last step
  StepGates<Net> next_gates_;  // of the step being started: it may still fail
  std::vector<double> scales_;
  std::vector<T> running_before_;  // running statistics
  std::uint64_t step_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA
