// Running a trained network on a GPU, or what a DepthPlan leaves of it: a skipped block launches nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/cuda/folded_weights.hpp>
#include <sdepth/kernels/cuda/cuda.hpp>
#include <sdepth/network/head.hpp>
#include <sdepth/run/evaluation.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/run/logits.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Logits for images, from folded weights that several of these may share, on one device; see
/// run/inference.hpp for the CPU's, whose functions it has.
///
/// Runs on the device that the weights are on, whichever is the thread's. Not for use from several threads at
/// once: give each thread its own, with the same weights. The device runs what they launch one after the
/// other.
template <class Net, Precision P, class Stored, class Weight>
class Inference<Net, Cuda<P, Stored>, Weight> {
 public:
  using Backend = Cuda<P, Stored>;
  static constexpr std::size_t classes = Net::output.size();
  static_assert(detail::CheckedHead < Net::sound ? detail::output_error<Net>()
                                                 : detail::HeadError::none > ::said);

  /// @param weights  shared, must not be null
  /// @param batch    images that run at once, at least 1; more make several batches   @param threads  at
  ///                 least 1, but a device decides for itself
  explicit Inference(std::shared_ptr<const FoldedWeights<Net, Backend, Weight>> weights, int batch = 128,
                     int threads = 1)
      : Inference(checked(weights, batch, threads).here(), weights, batch, threads) {}
  /// The same from weights as they are now, must not be null.
  explicit Inference(std::shared_ptr<const Weights<Net, Backend>> weights,
                     const InferenceOptions& options = {})
      : Inference(detail::fold_weights<Weight>(weights.get(), options), options.batch, options.threads) {}

  /// Logits [N, classes] of the images, each image's its own: where one is not finite, that image's are as
  /// the arithmetic makes them, as on the CPU.
  template <template <class> class Layout, class Number>
  [[nodiscard]] std::vector<float> predict(const Layout<Number>& images) {
    const detail::Calls::Call call = detail::begin_to_predict(calls_, !weights_);
    return detail::predict_all(walk_, weights_->numbers(), images, weights_->gates(), weights_->scales());
  }
  /// The same to memory of the caller's.
  template <template <class> class Layout, class Number>
  void predict(const Layout<Number>& images, std::span<float> logits) {
    const std::size_t numbers = static_cast<std::size_t>(detail::image_count(Net::input, images)) * classes;
    if (logits.size() != numbers)
      fail("predict: expected room for ", numbers, " logits, found ", logits.size());
    std::ranges::copy(predict(images), logits.begin());
  }

  /// The class of each image, [N]: that of its first largest logit. Throws Error naming the first image whose
  /// logits are not finite.
  template <template <class> class Layout, class Number>
  [[nodiscard]] std::vector<int> predict_classes(const Layout<Number>& images) {
    return classes_of(predict(images), static_cast<int>(classes));
  }

 private:
  using Folded = FoldedWeights<Net, Backend, Weight>;

  [[nodiscard]] static const Folded& checked(const std::shared_ptr<const Folded>& weights, int batch,
                                             int threads) {
    if (!weights) fail("inference: the pointer to its weights is null");
    check_at_least_one("inference", "batch", batch);
    check_threads("inference", threads);
    return *weights;
  }
  /// Under the guard everything that is allocated lies on the weights' device.
  Inference(const cuda::OnDevice&, std::shared_ptr<const Folded> weights, int batch, int threads)
      : weights_(std::move(weights)), walk_(batch, threads, false) {}

  std::shared_ptr<const Folded> weights_;
  detail::Walk<Net, Backend> walk_;
  detail::Calls calls_;
};

}  // namespace sdepth::inline SDEPTH_ISA
