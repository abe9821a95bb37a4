// The weights of a network that does not learn any more, on a GPU: what any number of Inferences read there
// at once.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <sdepth/kernels/cuda/cuda.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/run/folding.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/run/walk.hpp>

namespace sdepth::inline SDEPTH_ISA {

namespace cuda {

/// Scale and shift of the norms of a list of stages at test, each written where its running statistics lie.
template <class Stage>
struct FoldedNorms;
template <auto Operation, bool HasNorm, class Activation, class Pending>
struct FoldedNorms<detail::FusedStage<Operation, HasNorm, Activation, Pending>> {
  using Stage = detail::FusedStage<Operation, HasNorm, Activation, Pending>;

  /// @param factor  of a norm that ends a branch   @param to  moved on behind the stage's numbers
  static void fold(detail::Unfolded<float>& from, double factor, float*& to) {
    from.skip({Stage::dense_size(lanes), 0});
    if constexpr (HasNorm) {
      constexpr auto channels = static_cast<std::size_t>(padded(Stage::out.channels));
      const float *gamma = from.parameters(channels), *beta = from.parameters(channels);
      const float *mean = from.running(channels), *variance = from.running(channels);
      for (std::size_t c = 0; c < channels; ++c) {  // as norm_forward_channel
        const double inverse = 1.0 / std::sqrt(static_cast<double>(variance[c]) + BN::eps);
        const double scale = factor * static_cast<double>(gamma[c]) * inverse;
        to[c] = static_cast<float>(scale);
        to[channels + c] =
            static_cast<float>(factor * static_cast<double>(beta[c]) - static_cast<double>(mean[c]) * scale);
      }
      to += 2 * channels;
    }
  }
};
template <Shape In, class... Stages>
struct FoldedNorms<detail::StageList<In, Stages...>> {
  /// @param factor  of the last stage, where that ends in its norm
  static void fold(detail::Unfolded<float>& from, [[maybe_unused]] double factor, float*& to) {
    std::size_t next = 0;
    (FoldedNorms<Stages>::fold(from,
                               ++next == sizeof...(Stages) && !Stages::ends_in_activation ? factor : 1.0, to),
     ...);
  }
  /// A network's: those of its blocks have factors of their own. @param factors  [residual blocks]
  static void fold(detail::Unfolded<float>& from, const double* factors, float* to) {
    (fold_one<Stages>(from, factors, to), ...);
  }

 private:
  // A function of its own: nvcc 13 cannot read this `if` in a generic lambda.
  template <class Stage>
  static void fold_one(detail::Unfolded<float>& from, const double*& factors, float*& to) {
    if constexpr (Stage::blocks == 0) {
      FoldedNorms<Stage>::fold(from, 1.0, to);
    } else {
      for (int i = 0; i < Stage::blocks; ++i) {
        FoldedNorms<typename Stage::Branch>::fold(from, *factors++, to);
        if constexpr (Stage::projects) FoldedNorms<typename Stage::Projection>::fold(from, 1.0, to);
      }
    }
  }
};

}  // namespace cuda

/// See run/inference.hpp for the CPU's, which has the same functions. Here convolutions apply norms while
/// they read, which on a GPU costs nothing, so that weights stay as they are, and of a norm scale and shift
/// are made. They lie on the device of the weights they were made from, and keep what a plan drops.
template <class Net, Precision P, class Stored, class Weight>
class FoldedWeights<Net, Cuda<P, Stored>, Weight> {
 public:
  using Backend = Cuda<P, Stored>;
  static_assert(std::is_same_v<Weight, float>, "FoldedWeights: on a GPU weights are stored as float");

  /// @param survival  [residual blocks], the probabilities of training; empty: the network's own   @param
  ///                  plan  the blocks that run
  explicit FoldedWeights(const Weights<Net, Backend>& weights, std::span<const double> survival = {},
                         Scaling scaling = Scaling::test, const DepthPlan& plan = {})
      : FoldedWeights(weights.parameters().here(), weights,
                      survival.empty() ? std::span<const double>(Net::survival) : survival, scaling, plan) {}

  /// What a walk at test reads.
  [[nodiscard]] detail::WalkParameters<float> numbers() const noexcept {
    detail::WalkParameters<float> all;
    all.parameters = parameters_.data();
    all.norms = norms_.data();
    return all;
  }
  /// @return  [residual blocks]
  [[nodiscard]] std::span<const std::uint8_t> gates() const noexcept { return gates_; }
  [[nodiscard]] std::span<const double> scales() const noexcept { return scales_; }
  /// Makes their device the calling thread's while the result lives.
  [[nodiscard]] cuda::OnDevice here() const { return cuda::OnDevice(device_); }

 private:
  /// Under the guard everything that is allocated lies on the weights' device.
  FoldedWeights(const cuda::OnDevice&, const Weights<Net, Backend>& weights, std::span<const double> survival,
                Scaling scaling, const DepthPlan& plan)
      : gates_(gates_of<Net>(plan)),
        scales_(detail::test_scales(scaling, survival)),
        device_(cuda::current_device()),
        parameters_(weights.parameters().size(), "weights"),
        norms_(weights.running().size(), "norms") {
    check_survival(survival, static_cast<std::size_t>(Net::residual_blocks));
    const auto send = [](cuda::DeviceBuffer<float>& to, const float* from) {
      if (to.size() > 0)
        cuda::check(cudaMemcpy(to.data(), from, to.size() * sizeof(float), cudaMemcpyHostToDevice),
                    "cudaMemcpy of weights");
    };
    const float* const there = weights.parameters().data();
    send(parameters_, there);
    std::vector<float> norms(norms_.size());
    detail::Unfolded<float> from(there, weights.running().data());
    cuda::FoldedNorms<typename Net::Stages>::fold(from, scales_.data(), norms.data());
    send(norms_, norms.data());
  }

  std::vector<std::uint8_t> gates_;
  std::vector<double> scales_;
  int device_;
  cuda::DeviceBuffer<float> parameters_;
  cuda::DeviceBuffer<float> norms_;
};

}  // namespace sdepth::inline SDEPTH_ISA
