// A trained network as plain numbers and words: what every export is written from, whatever the network's
// type and backend.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/network/description.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/schedule/gates.hpp>
#include <sdepth/schedule/scaling.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A network, its numbers in PyTorch's order, and how it runs at inference.
struct TrainedNetwork {
  NetworkDescription network;
  std::vector<std::vector<float>> numbers;  // of each of network.tensors
  std::vector<double> scales;               // [residual blocks], the factors of the branches
  std::vector<std::uint8_t> keep;           // [residual blocks], 0: only the shortcut of this block runs

  /// How many residual blocks run.
  [[nodiscard]] std::size_t blocks_kept() const noexcept {
    return keep.size() - static_cast<std::size_t>(std::count(keep.begin(), keep.end(), std::uint8_t{0}));
  }
};

/// The network without numbers.
/// @param survival  [residual blocks], the probabilities of training; empty: the network's own
/// Throws Error where the plan or the probabilities are another network's.
template <class Net>
[[nodiscard]] TrainedNetwork network_to_export(std::span<const double> survival, Scaling scaling,
                                               const DepthPlan& plan) {
  TrainedNetwork trained{describe_network<Net>(), {}, {}, gates_of<Net>(plan)};
  if (survival.empty()) survival = Net::survival;
  check_survival(survival, static_cast<std::size_t>(Net::residual_blocks));
  for (const double p : survival) trained.scales.push_back(branch_scale(scaling, false, p));
  return trained;
}

/// A network with the weights of a file. Throws Error where they do not fit.
/// @param where  names the file in messages
template <class Net>
[[nodiscard]] TrainedNetwork trained_network(const SafeTensors& file, const std::string& where,
                                             std::span<const double> survival = {},
                                             Scaling scaling = Scaling::test, const DepthPlan& plan = {}) {
  TrainedNetwork trained = network_to_export<Net>(survival, scaling, plan);
  const ParameterSizes sizes = Net::storage(1);
  std::vector<float> parameters(sizes.trainable), running(sizes.running);
  take_weights(file, trained.network.tensors, parameters.data(), running.data(), "", where);
  for (const ParameterInfo& info : trained.network.tensors)
    trained.numbers.push_back(to_pytorch(info, info.trainable() ? parameters.data() : running.data()));
  return trained;
}

/// The same with the weights as they are now: a trainer's, a loaded model's. Doubles are rounded.
/// @param weights  Weights<Net, Backend> of a processor. Throws Error where a number is not finite.
template <template <class, class> class Weights, class Net, class Backend>
[[nodiscard]] TrainedNetwork trained_network(const Weights<Net, Backend>& weights,
                                             std::span<const double> survival = {},
                                             Scaling scaling = Scaling::test, const DepthPlan& plan = {}) {
  TrainedNetwork trained = network_to_export<Net>(survival, scaling, plan);
  for (const ParameterInfo& info : weights.tensors()) {
    trained.numbers.push_back(
        to_pytorch(info, info.trainable() ? weights.parameters().data() : weights.running().data()));
    if (!std::all_of(trained.numbers.back().begin(), trained.numbers.back().end(),
                     [](float value) { return std::isfinite(value); }))
      fail("the network is not exported: ", info.name,
           " holds a number that is not finite; use weights from before the training diverged");
  }
  return trained;
}

/// What was done to the bytes of a picture before the network read them: (byte − mean) / scale.
struct InputNormalization {
  std::vector<float> mean;   // [C], or [C, H, W]; empty: none
  std::vector<float> scale;  // 1 or [C]
};

/// From the list that a model's metadata keep: a scale; a scale and the mean picture [H, W, C]; or the
/// channels' means, then their scales. Throws Error where it is none of these.
[[nodiscard]] inline InputNormalization input_normalization(std::span<const float> values, Shape shape) {
  const auto channels = static_cast<std::size_t>(shape.channels);
  InputNormalization result;
  if (values.size() == 1 + shape.size()) {
    result.scale = {values[0]};
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t p = 0; p < shape.pixels(); ++p) result.mean.push_back(values[1 + p * channels + c]);
  } else if (values.size() == 2 * channels) {
    result.mean.assign(values.begin(), values.begin() + shape.channels);
    result.scale.assign(values.begin() + shape.channels, values.end());
  } else if (values.size() == 1) {
    result.scale = {values[0]};
  } else {
    fail("normalization: ", values.size(), " values, expected 1 (a scale), ", 1 + shape.size(),
         " (a scale and a mean for each value) or ", 2 * channels,
         " (a mean and a scale for each channel); the weights belong to other pictures");
  }
  const auto finite = [](float value) { return std::isfinite(value); };
  if (!std::all_of(result.mean.begin(), result.mean.end(), finite) ||
      !std::all_of(result.scale.begin(), result.scale.end(),
                   [](float value) { return std::isfinite(value) && value > 0; }))
    fail("normalization: expected finite means and scales above 0; the file is damaged");
  return result;
}

/// A normalisation for readers of the metadata.
[[nodiscard]] inline std::string normalization_text(const InputNormalization& normalization) {
  return nlohmann::ordered_json{{"formula", "(byte - mean) / scale"},
                                {"layout", "CHW, or a number for each channel"},
                                {"mean", normalization.mean},
                                {"scale", normalization.scale}}
      .dump();
}

}  // namespace sdepth::inline SDEPTH_ISA
