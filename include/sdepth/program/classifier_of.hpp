// The classifier of one network type, over the library's Inference; and lists of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/core/float16.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/program/classifier.hpp>
#include <sdepth/program/depth_study.hpp>
#include <sdepth/program/named_network.hpp>
#include <sdepth/run/inference.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

template <class Net, class Backend>
[[nodiscard]] std::shared_ptr<Weights<Net, Backend>> loaded_weights(const ClassifierTask& task) {
  using T = typename Backend::Scalar;
  auto weights = std::make_shared<Weights<Net, Backend>>();
  take_weights<T>(task.weights, weights->tensors(), weights->parameters().data(), weights->running().data(),
                  "", task.where);
  return weights;
}

/// @tparam Weight  what folded weights lie in memory as
template <class Net, class Backend, class Weight>
[[nodiscard]] std::vector<float> logits_with(const ClassifierTask& task) {
  constexpr int batch = 128;
  Inference<Net, Backend, Weight> network(loaded_weights<Net, Backend>(task),
                                          {task.survival, task.scaling, batch, task.threads});

  std::vector<float> logits, images;
  const std::size_t numbers = task.pictures.shape.size();
  for (int first = 0; first < task.pictures.size(); first += batch) {
    const int count = std::min(batch, task.pictures.size() - first);
    images.resize(static_cast<std::size_t>(count) * numbers);
    for (int i = 0; i < count; ++i)
      task.normalization.apply(task.pictures.image(first + i),
                               images.data() + static_cast<std::size_t>(i) * numbers);
    const std::vector<float> part = network.predict(NHWC<float>{images});
    logits.insert(logits.end(), part.begin(), part.end());
  }
  return logits;
}

template <class Net, class Backend>
[[nodiscard]] DepthResult depth_study_with(const ClassifierTask& task, const DepthStudy& study) {
  const auto weights = loaded_weights<Net, Backend>(task);
  return study_depth(*weights, task, study);
}

template <class Net, class Backend, class Weight>
[[nodiscard]] Classifier classifier(std::string name) {
  constexpr bool exact = std::is_same_v<Weight, float>;
  Classifier all{std::move(name),
                 Net::input,
                 static_cast<int>(Net::output.size()),
                 exact                             ? "float32"
                 : std::is_same_v<Weight, float16> ? "f16"
                                                   : "bf16",
                 {Net::survival.begin(), Net::survival.end()},
                 logits_with<Net, Backend, Weight>};
  if constexpr (exact) all.study_depth = depth_study_with<Net, Backend>;
  return all;
}
template <class Entry, class Backend, class Weight>
[[nodiscard]] Classifier classifier_from() {
  return with_named_network<Entry>([]<class Net>(std::type_identity<Net>, const char* name) {
    return classifier<Net, Backend, Weight>(name);
  });
}

/// Networks on a backend, for infer(): each a Choice<"name", Net>, or a Net alone, which is called "network",
/// as networks() of train() has them.
///
///     Classifiers small_networks() { return classifiers<Cpu<>, float, Choice<"tiny", Tiny>, Choice<"small", Small>>(); }
///
/// In a .cpp of its own this is all of that file that is slow to compile: an edit elsewhere costs nothing of
/// it.
/// @tparam Weight  what folded weights lie in memory as: float, and for --precision f16 and bf16 float16 and
///                 bfloat16
template <class Backend, class Weight, class... Entries>
[[nodiscard]] Classifiers classifiers() {
  return {classifier_from<Entries, Backend, Weight>()...};
}

}  // namespace sdepth::inline SDEPTH_ISA::program
