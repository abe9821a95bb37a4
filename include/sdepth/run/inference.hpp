// Running a trained network, or what a DepthPlan leaves of it: norms and survival probabilities are folded
// into its weights, and images pass through several layers while they are in L2.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/calls.hpp>
#include <sdepth/core/memory.hpp>
#include <sdepth/core/parallel.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/network/head.hpp>
#include <sdepth/run/images.hpp>
#include <sdepth/run/inference_plan.hpp>
#include <sdepth/run/logits.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/schedule/gates.hpp>
#include <sdepth/schedule/scaling.hpp>

namespace sdepth::inline SDEPTH_ISA {

namespace detail {

/// The factors by which branches are multiplied at test. @param survival  [residual blocks]
[[nodiscard]] inline std::vector<double> test_scales(Scaling scaling, std::span<const double> survival) {
  std::vector<double> scales;
  for (const double p : survival) scales.push_back(branch_scale(scaling, false, p));
  return scales;
}

}  // namespace detail

/// How a network is run that does not learn any more.
struct InferenceOptions {
  // [residual blocks], the probabilities of training; empty: the network's own
  std::span<const double> survival = {};
  Scaling scaling = Scaling::test;
  int batch = 128;      // images that run at once, at least 1; more make several batches
  int threads = 1;      // 1 to most_threads
  DepthPlan plan = {};  // the blocks that run
};

/// What inference reads: the weights as they are when this is made, with batch normalisations and branch
/// scales folded in, in the kernels' own form. It does not change, so any number of threads may read it at
/// once, without locks.
///
/// @tparam Weight  What they lie in memory as: the backend's number, or float16 or bfloat16, which take half
///                 the bytes and are rounded once, here: a single image's speed is that at which weights
///                 arrive. Biases, activations and all arithmetic stay the backend's. float16 keeps 11 bits
///                 and refuses weights beyond 43,000, bfloat16 8 bits of any weight.
template <class Net, class Backend, class Weight = typename Backend::Scalar>
class FoldedWeights {
  using Plan = detail::InferencePlan<Net, detail::WithWeights<Backend, Weight>>;

 public:
  using T = typename Backend::Scalar;
  using Depth = typename Plan::Depth;

  /// @param survival  [residual blocks], the probabilities of training; empty: the network's own
  /// @param plan      the blocks that run; a dropped one has no numbers here, and those that run keep their
  ///                  scales
  explicit FoldedWeights(const Weights<Net, Backend>& weights, std::span<const double> survival = {},
                         Scaling scaling = Scaling::test, const DepthPlan& plan = {})
      : FoldedWeights(weights, survival.empty() ? std::span<const double>(Net::survival) : survival, scaling,
                      gates_of<Net>(plan)) {}
  [[nodiscard]] const T* data() const noexcept { return numbers_.data(); }
  /// How many numbers of the backend's they take the place of.
  [[nodiscard]] std::size_t size() const noexcept { return numbers_.size(); }
  [[nodiscard]] const Depth& depth() const noexcept { return depth_; }

 private:
  FoldedWeights(const Weights<Net, Backend>& weights, std::span<const double> survival, Scaling scaling,
                const std::vector<std::uint8_t>& keep)
      : depth_(keep.data()), numbers_(depth_.size()) {
    check_survival(survival, static_cast<std::size_t>(Net::residual_blocks));
    const std::vector<double> scales = detail::test_scales(scaling, survival);
    Plan::fold(weights.parameters().data(), weights.running().data(), scales.data(), keep.data(),
               numbers_.data());
  }
  Depth depth_;
  Buffer<T> numbers_;
};

namespace detail {

/// What an Inference shares with nobody. Throws Error where there are no weights.
template <class Weight, class Net, class Backend>
[[nodiscard]] std::shared_ptr<const FoldedWeights<Net, Backend, Weight>> fold_weights(
    const Weights<Net, Backend>* weights, const InferenceOptions& options) {
  if (!weights) fail("inference: the pointer to its weights is null");
  return std::make_shared<const FoldedWeights<Net, Backend, Weight>>(*weights, options.survival,
                                                                     options.scaling, options.plan);
}

/// What is said to a user who makes an Inference from something else.
template <class Pointer, bool Right>
[[noreturn]] Pointer refuse_the_weights() {
  static_assert(
      Right,
      "Inference(weights, options): weights are a trainer's, as in Inference<Net, Cpu<>> network(trainer.weights(), {.batch = 1}), or a "
      "std::shared_ptr of FoldedWeights, and of the same network and backend; options are InferenceOptions");
  fail("an Inference that does not compile was made");
}

/// What uses an Inference until the result is destroyed. Throws Error where another call does, or it was
/// moved from.
[[nodiscard]] inline Calls::Call begin_to_predict(Calls& calls, bool moved_away) {
  if (moved_away) fail("predict: this Inference was moved from; use the one that it was moved to");
  return calls.begin(
      "predict: another thread is predicting with this Inference; give each thread its own, with the same "
      "weights");
}

}  // namespace detail

/// Logits for images, from folded weights that several of these may share. All memory is taken when it is
/// made.
///
/// Not for use from several threads at once, for which predict throws Error where it sees it: give each
/// thread its own, with the same weights. Results depend on the image and the weights alone, to the bit: not
/// on the batch, nor on the number of threads.
///
/// @tparam Weight  what the folded weights lie in memory as: see FoldedWeights
template <class Net, class Backend, class Weight = typename Backend::Scalar>
class Inference {
  using Folded = FoldedWeights<Net, Backend, Weight>;
  /// Whether one is made from these arguments.
  template <class Given, class... Others>
  static constexpr bool takes =
      std::is_same_v<Given, Inference> ||
      (std::is_convertible_v<const Given&, std::shared_ptr<const Folded>> && sizeof...(Others) <= 2 &&
       (std::is_convertible_v<const Others&, int> && ...)) ||
      (std::is_convertible_v<const Given&, std::shared_ptr<const Weights<Net, Backend>>> &&
       sizeof...(Others) <= 1 && (std::is_convertible_v<const Others&, const InferenceOptions&> && ...));

 public:
  using T = typename Backend::Scalar;
  static constexpr std::size_t classes = Net::output.size();

  /// @param weights  shared, must not be null
  /// @param batch    images that run at once, at least 1; more make several batches   @param threads  at
  ///                 least 1
  explicit Inference(std::shared_ptr<const Folded> weights, int batch = 128, int threads = 1)
      : weights_(std::move(weights)), threads_(check_threads("inference", threads)) {
    check_at_least_one("inference", "batch", batch);
    if (!weights_) fail("inference: the pointer to its weights is null");
    // Enough to read large weights rarely (measured: 32 and 64 are not faster), few enough to share a batch
    // evenly.
    constexpr int largest_part = 16;
    const int part = std::min(batch / threads + (batch % threads != 0), largest_part);
    memories_.reserve(static_cast<std::size_t>(threads));
    for (int thread = 0; thread < threads; ++thread) memories_.emplace_back(part, weights_->depth());
    parallel_for(threads, threads, [](int, int) {});  // starts the threads
  }
  /// The same from weights as they are now, must not be null.
  explicit Inference(std::shared_ptr<const Weights<Net, Backend>> weights,
                     const InferenceOptions& options = {})
      : Inference(detail::fold_weights<Weight>(weights.get(), options), options.batch, options.threads) {}

  /// Logits [N, classes] of the images, whatever they are: an image with NaN in it has NaN here, and the
  /// others have the same bits as ever. check_logits throws there.
  template <Images Given>
  [[nodiscard]] std::vector<float> predict(const Given& images) {
    std::vector<float> logits(static_cast<std::size_t>(detail::image_count(Net::input, images)) * classes);
    predict(images, logits);
    return logits;
  }
// A sentence that is thrown and helpers that are woken are not what predict promises on one thread. clang is
// told so for predict itself, and to look at all that predict_part calls.
#if __has_cpp_attribute(clang::nonblocking)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunknown-warning-option"  // clang 19 knows the attribute alone
#pragma clang diagnostic ignored "-Wfunction-effects"
#pragma clang diagnostic ignored "-Wperf-constraint-implies-noexcept"
#endif
  /// The same to memory of the caller's. Allocates nothing, but in the first loop of another thread than the
  /// one that made this: there it starts threads. With one thread it takes no lock and asks nothing of the
  /// system either, which clang's RealtimeSanitizer is told by the attribute.
  template <Images Given>
  void predict(const Given& images, std::span<float> logits)
#if __has_cpp_attribute(clang::nonblocking)
      [[clang::nonblocking]]
#endif
  {
    const int count = detail::image_count(Net::input, images);
    if (logits.size() != static_cast<std::size_t>(count) * classes)
      fail("predict: expected room for ", static_cast<std::size_t>(count) * classes, " logits (", count,
           " images, ", classes, " classes), found ", logits.size());
    const detail::Calls::Call call = detail::begin_to_predict(calls_, memories_.empty());
    const int part = memories_.front().images();
    const int parts = std::min(count, round_up((count + part - 1) / part, threads_));
    parallel_for(parts, threads_, [&](int index, int thread) {
      predict_part(images, part_of(count, parts, index), thread, logits.data());
    });
  }
#if __has_cpp_attribute(clang::nonblocking)
#pragma clang diagnostic pop
#endif
  /// The class of each image, [N]: that of its first largest logit. Throws Error naming the first image whose
  /// logits are not finite.
  template <Images Given>
  [[nodiscard]] std::vector<int> predict_classes(const Given& images) {
    return classes_of(predict(images), static_cast<int>(classes));
  }

  // What cannot be meant, in a sentence.
  template <class Given>
    requires(!takes<Given>)
  explicit Inference(const Given&, const InferenceOptions& = {})
      : Inference(detail::refuse_the_weights<std::shared_ptr<const Folded>, takes<Given>>()) {}
  template <class Given, class First, class... Others>
    requires(!takes<Given, First, Others...>)
  explicit Inference(const Given&, const First&, const Others&...)
      : Inference(
            detail::refuse_the_weights<std::shared_ptr<const Folded>, takes<Given, First, Others...>>()) {}
  template <class Given, class... Others>
    requires(!Images<Given>)
  std::vector<float> predict(const Given&, Others&&...) {
    return detail::wrap_the_images<std::vector<float>, Given>();
  }
  template <class Given>
    requires(!Images<Given>)
  std::vector<int> predict_classes(const Given&) {
    return detail::wrap_the_images<std::vector<int>, Given>();
  }
  template <Images Given, class Room>
    requires(!std::is_convertible_v<Room, std::span<float>>)
  void predict(const Given&, Room&&) {
    static_assert(std::is_convertible_v<Room, std::span<float>>,
                  "predict(images, logits): logits are room for floats, in a std::vector<float> or any "
                  "std::span<float>");
  }

 private:
  static_assert(detail::CheckedHead < Net::sound ? detail::output_error<Net>()
                                                 : detail::HeadError::none > ::said);
  using Plan = detail::InferencePlan<Net, detail::WithWeights<Backend, Weight>>;

  /// The logits of images [range.first, …) of a batch, by what `thread` has for itself.
  template <Images Given>
  void predict_part(const Given& images, Range range, int thread, float* logits) noexcept
#if __has_cpp_attribute(clang::nonblocking)
      [[clang::nonblocking]]
#endif
  {
    auto& memory = memories_[static_cast<std::size_t>(thread)];
    detail::copy_images(Net::input, images, range.first, range.size(), Plan::input_layout, memory.input());
    const T* out = memory.run(range.size(), weights_->data());
    float* to = logits + static_cast<std::size_t>(range.first) * classes;
    for (int n = 0; n < range.size(); ++n, out += Plan::output_layout.size, to += classes)
      std::transform(out, out + classes, to, [](T logit) { return static_cast<float>(logit); });
  }

  std::shared_ptr<const Folded> weights_;
  int threads_;
  std::vector<typename Plan::Memory> memories_;
  detail::Calls calls_;
};

}  // namespace sdepth::inline SDEPTH_ISA
