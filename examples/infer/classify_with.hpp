// The same with the network's type, over the library's Inference.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <vector>

#include <sdepth/io/weights.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/run/inference.hpp>

#include "../shared/networks.hpp"
#include "classify.hpp"

namespace programs {

template <class Net, class Backend>
[[nodiscard]] std::shared_ptr<sdepth::Weights<Net, Backend>> loaded_weights(const Task& task) {
  using T = typename Backend::Scalar;
  auto weights = std::make_shared<sdepth::Weights<Net, Backend>>();
  sdepth::take_weights<T>(task.weights, weights->tensors(), weights->parameters().data(),
                          weights->running().data(), "", task.where);
  return weights;
}

/// @tparam Weight  what folded weights lie in memory as
template <class Net, class Backend, class Weight>
[[nodiscard]] std::vector<float> classify_with(const Task& task) {
  constexpr int batch = 128;
  sdepth::Inference<Net, Backend, Weight> network(loaded_weights<Net, Backend>(task), task.survival,
                                                  task.scaling, batch, task.threads);

  std::vector<float> logits, images;
  const std::size_t numbers = task.pictures.shape.size();
  for (int first = 0; first < task.pictures.size(); first += batch) {
    const int count = std::min(batch, task.pictures.size() - first);
    images.resize(static_cast<std::size_t>(count) * numbers);
    for (int i = 0; i < count; ++i)
      task.normalization.apply(task.pictures.image(first + i),
                               images.data() + static_cast<std::size_t>(i) * numbers);
    const std::vector<float> part = network.predict(sdepth::NHWC<float>{images});
    logits.insert(logits.end(), part.begin(), part.end());
  }
  return logits;
}

/// The same by the network's name, for the pictures and classes of a .cpp.
template <class Image, int Classes, class Weight = float>
[[nodiscard]] std::vector<float> classify_by_name(const Task& task) {
  constexpr bool all_depths = std::is_same_v<Weight, float> || !only_the_smallest;
  return with_network<Image, Classes, all_depths>(
      task.model, [&]<class Net>() { return classify_with<Net, sdepth::Cpu<>, Weight>(task); });
}
template <class Weight>
[[nodiscard]] Classifiers classifiers_of() {
  return {classify_by_name<Gray, 10, Weight>, classify_by_name<Colour, 10, Weight>,
          classify_by_name<Colour, 100, Weight>};
}

}  // namespace programs
