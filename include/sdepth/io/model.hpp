// A trained network as one file: its weights, and what inference must know besides.
//
//     save("model.safetensors", trainer);
//     const auto model = load<Net, Cpu<>>("model.safetensors");
//     const std::vector<int> classes = model.inference().predict_classes(NHWC<float>{images});
//
// The tensors have PyTorch's names and layouts; the metadata hold survival and scaling, with which branches
// are scaled at test.
#pragma once

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/io/json.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Writes the trainer's weights as they are, replacing an older file only when complete.
/// @param metadata  more texts for the file: names of classes, where the training images came from
/// Throws Error where the file cannot be written, a number is not finite, or the trainer was moved from; the
/// older file is then left as it was.
template <class Net, class Backend, class... Others>
void save(const std::filesystem::path& path, const Trainer<Net, Backend, Others...>& trainer,
          std::map<std::string, std::string> metadata = {}) {
  if (!trainer.weights())
    fail(path.string(), " cannot be written: this trainer was moved from; save the one that it was moved to");
  const auto survival = trainer.survival();
  metadata["survival"] = nlohmann::json(std::vector<double>(survival.begin(), survival.end())).dump();
  metadata["scaling"] = trainer.options().scaling == Scaling::train ? "train" : "test";
  const auto& weights = *trainer.weights();
  SafeTensors file{std::move(metadata), {}};
  append_weights(file, weights.tensors(), weights.parameters().data(), weights.running().data());
  write_safetensors(path, file);
}

/// What load returns.
template <class Net, class Backend>
struct TrainedModel {
  std::shared_ptr<const Weights<Net, Backend>> weights;
  std::vector<double> survival;  // [residual blocks]
  Scaling scaling = Scaling::test;
  std::map<std::string, std::string> metadata;

  /// Runs the model. Threads that share its weights take each an Inference from one FoldedWeights instead:
  /// see run/inference.hpp.
  /// @tparam Weight  what the folded weights lie in memory as: `model.template inference<float16>()` takes
  ///                 half the bytes; see FoldedWeights
  template <class Weight = typename Backend::Scalar>
  [[nodiscard]] Inference<Net, Backend, Weight> inference(int batch = 128, int threads = 1) const {
    return Inference<Net, Backend, Weight>(weights, {survival, scaling, batch, threads});
  }
};

/// Reads a file of save's, or of weights alone, for which survival and scaling are the network's own and the
/// paper's. Throws Error where the file is missing, damaged, or of another network.
template <class Net, class Backend>
[[nodiscard]] TrainedModel<Net, Backend> load(const std::filesystem::path& path) {
  SafeTensors file = read_safetensors(path);
  const auto weights = std::make_shared<Weights<Net, Backend>>();
  take_weights<typename Backend::Scalar>(file, weights->tensors(), weights->parameters().data(),
                                         weights->running().data(), "", path.string());
  TrainedModel<Net, Backend> model{weights, {Net::survival.begin(), Net::survival.end()}, Scaling::test, {}};
  const auto refuse = [&](const char* key, const std::string& found, const char* expected) {
    fail(path.string(), ": the metadata's ", key, " is ", in_quotes(found), ", expected ", expected,
         "; save the model again");
  };
  if (const auto found = file.metadata.find("survival"); found != file.metadata.end()) {
    const auto list = parse_json(found->second);
    const auto probability = [](const nlohmann::json& p) {
      return p.is_number() && p.get<double>() >= 0 && p.get<double>() <= 1;
    };
    if (!list || !list->is_array() || list->size() != model.survival.size() ||
        !std::all_of(list->begin(), list->end(), probability))
      refuse("survival", found->second, "a list with a probability for each residual block");
    model.survival = list->template get<std::vector<double>>();
  }
  if (const auto found = file.metadata.find("scaling"); found != file.metadata.end()) {
    if (found->second != "test" && found->second != "train")
      refuse("scaling", found->second, "test or train");
    model.scaling = found->second == "train" ? Scaling::train : Scaling::test;
  }
  model.metadata = std::move(file.metadata);
  return model;
}

}  // namespace sdepth::inline SDEPTH_ISA
