// Running a trained network on a GPU, or what a DepthPlan leaves of it: a skipped block launches nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/kernels/cuda/cuda.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/network/head.hpp>
#include <sdepth/run/evaluation.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/run/logits.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Logits for images, from weights that several of these may share; see run/inference.hpp for the CPU's,
/// whose functions it has.
///
/// Norms are not folded into the weights but applied by the convolutions that read through them, which on a
/// GPU costs nothing.
template <class Net, Precision P>
class Inference<Net, Cuda<P>> {
 public:
  using Backend = Cuda<P>;
  static constexpr std::size_t classes = Net::output.size();
  static_assert(CheckedHead < Net::sound ? output_error<Net>() : HeadError::none > ::said);

  /// Runs on the device that the weights are on, whichever is the thread's.
  ///
  /// @param weights   shared, must not be null   @param survival  [residual blocks], the probabilities of
  ///                  training; empty: the network's own
  /// @param batch     images that run at once, at least 1; more make several batches   @param threads  at
  ///                  least 1, but a device decides for itself
  /// @param plan      the blocks that run
  explicit Inference(std::shared_ptr<const Weights<Net, Backend>> weights,
                     std::span<const double> survival = {}, Scaling scaling = Scaling::test, int batch = 128,
                     int threads = 1, const DepthPlan& plan = {})
      : Inference(checked(weights, batch, threads).parameters().here(), weights, survival, scaling, batch,
                  threads, plan) {}

  /// Logits [N, classes] of the images, each image's its own: where one is not finite, that image's are as
  /// the arithmetic makes them, as on the CPU.
  template <template <class> class Layout, class Number>
  [[nodiscard]] std::vector<float> predict(const Layout<Number>& images) {
    return predict_all(walk_, *weights_, images, gates_, scales_);
  }
  /// The same to memory of the caller's.
  template <template <class> class Layout, class Number>
  void predict(const Layout<Number>& images, std::span<float> logits) {
    const std::size_t numbers = static_cast<std::size_t>(image_count(Net::input, images)) * classes;
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
  [[nodiscard]] static const Weights<Net, Backend>& checked(
      const std::shared_ptr<const Weights<Net, Backend>>& weights, int batch, int threads) {
    if (!weights) fail("inference: the pointer to its weights is null");
    if (batch < 1) fail("inference: batch is ", batch, ", expected at least 1");
    if (threads < 1) fail("inference: threads is ", threads, ", expected at least 1");
    return *weights;
  }
  /// Under the guard everything that is allocated lies on the weights' device.
  Inference(const cuda::OnDevice&, std::shared_ptr<const Weights<Net, Backend>> weights,
            std::span<const double> survival, Scaling scaling, int batch, int threads, const DepthPlan& plan)
      : weights_(std::move(weights)), walk_(batch, threads, false), gates_(gates_of<Net>(plan)) {
    const std::span<const double> table =
        survival.empty() ? std::span<const double>(Net::survival) : survival;
    check_survival(table, static_cast<std::size_t>(Net::residual_blocks));
    scales_ = test_scales(scaling, table);
  }

  std::shared_ptr<const Weights<Net, Backend>> weights_;
  Walk<Net, Backend> walk_;
  std::vector<std::uint8_t> gates_;
  std::vector<double> scales_;
};

}  // namespace sdepth::inline SDEPTH_ISA
