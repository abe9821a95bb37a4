// Trainer<Net, Backend, Loss, Optimizer>: one network being trained. The user's loop calls step; everything
// else is here, and nothing is global.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/kernels/backend.hpp>
#include <sdepth/network/head.hpp>
#include <sdepth/run/evaluation.hpp>
#include <sdepth/run/images.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/run/walk.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/schedule/gates.hpp>
#include <sdepth/train/batch_score.hpp>
#include <sdepth/train/initialise.hpp>
#include <sdepth/train/options.hpp>
#include <sdepth/train/parameter_update.hpp>
#include <sdepth/train/refused_calls.hpp>
#include <sdepth/train/score.hpp>
#include <sdepth/train/shared_steps.hpp>
#include <sdepth/train/step_gates.hpp>
#include <sdepth/train/trainer_arguments.hpp>
#include <sdepth/train/training_pass.hpp>
// nvcc reads Eigen with dozens of warnings; Trainer::parameter and gradient are left out there
#if !defined(__CUDACC__)
#include <sdepth/train/views.hpp>
#endif

namespace sdepth::inline SDEPTH_ISA {

/// Trains `Net` on `Backend` by SGD with stochastic depth, or by another optimizer, on cross-entropy or
/// another loss.
///
///     Trainer<Net, Cpu<>> trainer({.batch = 128, .seed = 1});
///     for (…) Score score = trainer.step(NHWC<float>{images}, labels);
///
/// A step in its halves, where something is to happen between them:
///
///     Trainer<Net, Cpu<>, CrossEntropy, AdamW> trainer({.batch = 64, .optimizer = {.learning_rate = 3e-4}});
///     trainer.compute_gradients(images, labels);  // once, or several times: the mean over all images counts
///     trainer.clip_gradient_norm(1.0);
///     trainer.apply();
///
/// Every result is a function of the options, the weights and the images: not of the number of threads, nor
/// of other trainers in the process. Throws Error on options that no training can be made with, images or
/// targets of the wrong size, labels out of range, and a loss that is not finite. A step that throws, for
/// whatever reason, changes nothing but gradient(): not weights and statistics, nor steps(), gates() and
/// memory. The next step then gives the bits that it would have given anyway.
///
/// One thread at a time uses a trainer; saving it is a use, too. A call in the middle of another throws Error
/// where it is seen.
///
/// @tparam Loss_       CrossEntropy, MeanSquaredError, or one's own: see losses/loss.hpp
/// @tparam Optimizer_  SGD, AdamW, Lion, or one's own: see optimizers/optimizer.hpp
template <class Net, class Backend, class Loss_ = CrossEntropy, class Optimizer_ = SGD>
class Trainer : detail::RefusedCalls<Loss_> {
 public:
  static_assert(CheckedBackend<Backend>::said && CheckedLoss<Loss_>::said &&
                CheckedOptimizer<Optimizer_>::said);
  using Loss = Loss_;
  using Optimizer = Optimizer_;
  using T = typename Backend::Scalar;
  using Storage = typename Backend::template Storage<T>;
  using Options = TrainingOptionsOf<Loss, Optimizer>;
  using Targets = typename Loss::Targets;
  using Update = detail::ParameterUpdate<Net, Backend, Optimizer>;
  static constexpr int classes = static_cast<int>(Net::output.size());

  explicit Trainer(const Options& options = {}) : Trainer(options, detail::SharedSteps<Net, Backend>()) {}
  /// Trains together with other processes, of which each makes such a trainer with the same options, and
  /// gives step, compute_gradients and evaluate its share() of each batch. The result is that of one process
  /// with whole batches, to the bit; Scores are of whole batches.
  /// @param others       must outlive the trainer
  /// @param local_norms  normalise by the statistics of the own share: fewer messages, and another result
  Trainer(const Options& options, Communicator& others, bool local_norms = false)
      : Trainer(options, detail::SharedSteps<Net, Backend>(others, local_norms)) {}
  Trainer(const Options& options, detail::SharedSteps<Net, Backend> together)
      : options_(checked<Loss, Optimizer>(options)),
        together_(together),
        weights_(std::make_shared<Weights<Net, Backend>>()),
        update_(*weights_),
        pass_(together.most_here(options.batch), options.threads, weights_->running().size()),
        survival_(survival_vector(Net::survival)),
        gates_(options.batch),
        next_gates_(options.batch) {
    check_rounding<Backend>(options.rounding);
    initialise(*weights_, options.seed, options.gamma);
  }
  Trainer(const Trainer&) = delete;  // a copy would share the weights; see Trainer::weights
  Trainer& operator=(const Trainer&) = delete;
  Trainer(Trainer&&) = default;
  Trainer& operator=(Trainer&&) = default;

  /// Which images of a batch are this process's: share().images_of(count).
  [[nodiscard]] const BatchShare& share() const noexcept { return together_.share(); }

  /// One step on a mini-batch of up to options().batch images, with the gates of (seed, step):
  /// compute_gradients and apply.
  /// @param targets  what the loss compares with: labels [N] in [0, classes), Probabilities of [N, classes],
  ///                 or numbers [N, outputs]
  template <Images Given>
  Score step(const Given& images, const Targets& targets) {
    return finish(start(images, targets));
  }

  /// The same with gates from elsewhere. @param gates  [residual blocks], 1 open, 0 closed; a block outside
  /// StochasticDepth must be open. Where images have gates of their own: these, or [residual blocks][N];
  /// Gating::per_sample_exact scales by how many are open, see exact_branch_scale
  template <Images Given>
  Score step(const Given& images, const Targets& targets, std::span<const std::uint8_t> gates) {
    return finish(start(images, targets, gates));
  }

  /// A step whose score has not been asked for.
  struct Started {
    typename Backend::Loss loss;
    Score score;  // without loss and errors
    std::uint64_t step = 0;
    std::vector<std::uint64_t> counts = {};  // of updates before it, where the optimizer counts them
  };
  /// The same as step in two halves, for a backend that works by itself: start returns as soon as all work
  /// has been handed over, so that the caller can prepare the next batch; finish waits for the loss. On the
  /// host start does everything. Steps are finished in the order of their start.
  template <Images Given>
  [[nodiscard]] Started start(const Given& images, const Targets& targets) {
    return start_with_gates(images, targets, draw_gates_for<false>(images, targets));
  }
  template <Images Given>
  [[nodiscard]] Started start(const Given& images, const Targets& targets,
                              std::span<const std::uint8_t> gates) {
    return start_with_gates(images, targets, take_gates_for<false>(images, targets, gates));
  }
  /// Throws Error where the loss is not finite; that step, and those started after it, then never were.
  Score finish(const Started& started) {
    const LossResult result = started.loss.get();
    if (!std::isfinite(result.loss)) {
      if (step_ == started.step + 1) std::swap(gates_, next_gates_);  // no other step has been started since
      if (step_ > started.step && counts_updates<Optimizer>) update_.set_counts(started.counts);
      step_ = std::min(step_, started.step);
      fail_for(result.loss);
    }
    return started.score.with(result);
  }

  /// The first half of a step: forward, loss and backward, to gradients(). Called again before apply it adds
  /// to them: they become the mean over all images so far, to which a block counts zero where it was closed.
  /// All of a step's mini-batches have the gates of (seed, step) unless gates are given, and each changes the
  /// running statistics. Waits for the loss.
  /// @param ready  called on the way back with a GradientRange, the last stages first, as soon as gradients
  ///               of this mini-batch are final (on a device: as soon as the work that makes them has been
  ///               handed over), closed blocks included. What it throws ends the step.
  template <Images Given, std::invocable<GradientRange> Ready = detail::TellNobody>
  Score compute_gradients(const Given& images, const Targets& targets, Ready&& ready = Ready()) {
    return compute_with_gates(images, targets, draw_gates_for<true>(images, targets), ready);
  }
  template <Images Given, std::invocable<GradientRange> Ready = detail::TellNobody>
  Score compute_gradients(const Given& images, const Targets& targets, std::span<const std::uint8_t> gates,
                          Ready&& ready = Ready()) {
    return compute_with_gates(images, targets, take_gates_for<true>(images, targets, gates), ready);
  }
  /// Between the halves: scales the gradients so that their norm, of all together, is `most` at most.
  /// Parameters of closed blocks and of frozen groups have none.
  /// @return  the norm before   Throws Error where there are no gradients, or their norm is not finite.
  /// Source: PyTorch's torch.nn.utils.clip_grad_norm_, which divides by norm + 1e-6, too.
  double clip_gradient_norm(double most) {
    pass_.check_idle("clip_gradient_norm");
    return update_.clip(walk().context(), most);
  }
  /// The second half: the optimizer's update, and one step more. Throws Error where there are no gradients.
  void apply() {
    pass_.check_idle("apply");
    update_.check_pending("apply");
    const bool frozen = options_.skip_update == SkipUpdate::frozen;
    update_.apply(walk().context(), optimizer_options(options_), frozen, for_kernels(weights_->parameters()));
    ++step_;
  }

  /// Loss and error of the network as it is, with running statistics. @param plan  the blocks that run
  /// Throws Error where there are no images, and naming the first whose logits are not finite.
  template <Images Given>
  [[nodiscard]] Score evaluate(const Given& images, const Targets& targets, const DepthPlan& plan = {}) {
    return finish(start_evaluation(images, targets, plan));
  }
  /// The same in two halves, as start and finish are of a step. At most two may be started and not finished.
  template <Images Given>
  [[nodiscard]] StartedEvaluation<Backend> start_evaluation(const Given& images, const Targets& targets,
                                                            const DepthPlan& plan = {}) {
    const detail::Calls::Call call = pass_.begin("evaluate");
    return start_evaluation_of<Loss>(walk(), *weights_, together_, options_.batch, images, targets, plan,
                                     options_.loss, detail::test_scales(options_.scaling, survival_));
  }
  [[nodiscard]] Score finish(const StartedEvaluation<Backend>& started) { return score_of<Net>(started); }

  /// Logits [N, classes], as evaluate computes them, but whatever they are: see check_logits.
  template <Images Given>
  [[nodiscard]] std::vector<float> predict(const Given& images, const DepthPlan& plan = {}) {
    const detail::Calls::Call call = pass_.begin("predict");
    return detail::predict_all(walk(), detail::numbers_at_test(*weights_), images, gates_of<Net>(plan),
                               detail::test_scales(options_.scaling, survival_));
  }

  // What cannot be meant, in a sentence.
  template <class Given, class... Others>
    requires(!std::is_base_of_v<Trainer, Given> && !std::is_convertible_v<const Given&, const Options&>)
  explicit Trainer(const Given&, const Others&...)
      : Trainer(detail::refuse_the_options<Options, Given, Others...>()) {}
  using detail::RefusedCalls<Loss_>::step, detail::RefusedCalls<Loss_>::start,
      detail::RefusedCalls<Loss_>::compute_gradients, detail::RefusedCalls<Loss_>::evaluate,
      detail::RefusedCalls<Loss_>::predict;

  /// A tensor by its PyTorch name, in place: `trainer.parameter("conv1.weight") *= 2`; see matrix_view.
  [[nodiscard]] auto parameter(std::string_view name) {
    const ParameterInfo& tensor = detail::tensor_of(weights_, name);
    return matrix_view(tensor,
                       tensor.trainable() ? weights_->parameters().data() : weights_->running().data());
  }
  /// The last step's gradient of a parameter; of a skipped block's it is an older step's, or zero where a
  /// step had several mini-batches.
  [[nodiscard]] auto gradient(std::string_view name) {
    const ParameterInfo& tensor = detail::tensor_of(weights_, name);
    if (!tensor.trainable()) fail("\"", name, "\" is a running statistic, which has no gradient");
    return matrix_view(tensor, update_.current().data());
  }

  /// A convolution's weight, or its gradient, by PyTorch's indices:
  /// `trainer.convolution("conv1.weight")(output, input, row, column)`.
  [[nodiscard]] auto convolution(std::string_view name) {
    const ParameterInfo& tensor = detail::tensor_of(weights_, name);
    return oihw_view(tensor, weights_->parameters().data());
  }
  [[nodiscard]] auto convolution_gradient(std::string_view name) {
    return oihw_view(detail::tensor_of(weights_, name), update_.current().data());
  }

  /// Replaces p_l: [residual blocks], 1 for blocks outside StochasticDepth. For sweeps in one program.
  void set_survival(std::span<const double> survival) {
    detail::check_survival_of<Net>(survival);
    survival_ = survival_vector(survival);
  }
  [[nodiscard]] std::span<const double> survival() const noexcept { return survival_; }

  /// Throws Error unless it is a finite number that is not negative.
  void set_learning_rate(double rate) {
    auto changed = optimizer_options(options_);
    changed.learning_rate = rate;
    update_.groups().check(changed);
    optimizer_options(options_) = changed;
  }
  /// Forgets the gradients that wait for apply.
  void zero_gradients() noexcept { update_.drop_pending(); }
  /// Parameters that are updated in another way than the others: see ParameterGroup. The first group that
  /// contains a parameter has it.
  void set_parameter_groups(std::vector<ParameterGroup<Optimizer>> groups) {
    pass_.check_idle("set_parameter_groups");
    update_.set_groups(*weights_, std::move(groups), optimizer_options(options_));
  }
  [[nodiscard]] const Options& options() const noexcept { return options_; }
  /// Of the last step that was started: [residual blocks], or with gates for each image [residual blocks][N].
  [[nodiscard]] std::span<const std::uint8_t> gates() const noexcept { return gates_.all(); }
  /// Steps made; with the seed it is all the state that gates have.
  [[nodiscard]] std::uint64_t steps() const noexcept { return step_; }
  void set_steps(std::uint64_t steps) noexcept { step_ = steps; }

  /// The numbers, shared with any Inference made from them.
  [[nodiscard]] const std::shared_ptr<Weights<Net, Backend>>& weights() const noexcept { return weights_; }
  /// What the optimizer keeps for each parameter, laid out as the parameters are: "momentum" of SGD.
  /// Throws Error where it keeps nothing of that name.
  [[nodiscard]] Storage& optimizer_state(std::string_view name) { return update_.state(name); }
  /// Of the last step, or what waits for apply.
  [[nodiscard]] Storage& gradients() noexcept { return update_.current(); }
  [[nodiscard]] const Storage& gradients() const noexcept { return update_.current(); }
  /// For checkpoints: all of the optimizer's state, its counts of updates and its groups.
  [[nodiscard]] Update& update() noexcept { return update_; }
  [[nodiscard]] const Update& update() const noexcept { return update_; }
  [[nodiscard]] detail::Walk<Net, Backend>& walk() noexcept { return pass_.walk(); }

 private:
  static_assert(detail::CheckedHead < !Net::sound ? detail::HeadError::none
                : Loss::needs_classifier          ? detail::head_error<Net>()
                                                  : detail::output_error<Net>() > ::said);
  static constexpr std::size_t blocks = static_cast<std::size_t>(Net::residual_blocks);

  template <Images Given>
  [[nodiscard]] int checked_count(const Given& images, const Targets& targets) {
    pass_.check_idle("step");
    int count = 0;
    whole_ = together_.whole_batch("step", [&] {
      count = detail::image_count(Net::input, images);
      Loss::check(targets, count, classes);
      return count;
    });
    if (whole_ < 1 || whole_ > options_.batch)
      fail("step: expected between 1 and ", options_.batch, " images (the trainer's batch), found ", whole_);
    return count;
  }
  template <bool Adds, Images Given>
  [[nodiscard]] int draw_gates_for(const Given& images, const Targets& targets) {
    const int count = checked_count(images, targets);
    next_gates_.draw(options_.seed, step_, survival_, whole_);
    update_.template take_drawn_gates<Adds>(walk().context(), options_.seed, step_, survival_,
                                            next_gates_.open_blocks());
    return count;
  }
  template <bool Adds, Images Given>
  [[nodiscard]] int take_gates_for(const Given& images, const Targets& targets,
                                   std::span<const std::uint8_t> gates) {
    const int count = checked_count(images, targets);
    next_gates_.take(gates, whole_);
    update_.template take_gates<Adds>(walk().context(), next_gates_.open_blocks());
    return count;
  }

  template <Images Given>
  Started start_with_gates(const Given& images, const Targets& targets, int count) {
    Started started{hand_over_gradients<false>(images, targets, count, {}), {}, step_};
    started.score = {0, 0, whole_, gates_.blocks_run(), gates_.branches_run()};
    if constexpr (counts_updates<Optimizer>) started.counts = update_.groups().counts();
    apply();
    return started;
  }
  template <Images Given, class Ready>
  Score compute_with_gates(const Given& images, const Targets& targets, int count, Ready& ready) {
    const auto tell = [](void* to, std::size_t first, std::size_t last) {
      (*static_cast<Ready*>(to))(GradientRange{first, last});
    };
    const auto before = update_.pending();
    const detail::GradientListener listener{tell, const_cast<void*>(static_cast<const void*>(&ready))};
    const LossResult result = hand_over_gradients<true>(images, targets, count, listener).get();
    if (!std::isfinite(result.loss)) {
      std::swap(gates_, next_gates_);
      update_.come_back_to(before);
      fail_for(result.loss);
    }
    return Score{0, 0, whole_, gates_.blocks_run(), gates_.branches_run()}.with(result);
  }

  template <bool Adds, Images Given>
  typename Backend::Loss hand_over_gradients(const Given& images, const Targets& targets, int count,
                                             const detail::GradientListener& ready) {
    const auto sharing = together_.sharing(walk().context(), whole_);
    const auto loss =
        pass_.run(images, targets, count, *weights_, update_.gradients_of_walk(), next_gates_, survival_,
                  options_.scaling, options_.loss, ready, options_.seed, step_, options_.rounding);
    // A backend that works by itself sees to it that a loss that is not finite changes nothing.
    if constexpr (Backend::synchronous)
      if (!std::isfinite(loss.loss)) fail_for(loss.loss);
    update_.template add<Adds>(walk().context(), whole_);
    std::swap(gates_, next_gates_);
    return loss;
  }

  [[noreturn]] void fail_for(double loss) const {
    fail("step ", step_, ": the loss is ", loss, ", expected a finite number; lower the learning rate (now ",
         optimizer_options(options_).learning_rate, ") or look for bad input images");
  }

  Options options_;
  detail::SharedSteps<Net, Backend> together_;
  int whole_ = 0;  // images of the step's batch, of all processes
  std::shared_ptr<Weights<Net, Backend>> weights_;
  Update update_;
  detail::TrainingPass<Net, Backend, Loss> pass_;
  std::vector<double> survival_;
  detail::StepGates<Net> gates_;       // of the last step
  detail::StepGates<Net> next_gates_;  // of the step being started: it may still fail
  std::uint64_t step_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA
