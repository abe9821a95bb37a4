// A checkpoint: everything a stopped run needs to go on to the same bytes as one never stopped, in one safetensors file.
//
//     conv1.weight, …            the weights and running statistics, as in weights.hpp
//     momentum.conv1.weight, …   SGD's momentum of each trainable parameter
//     metadata                   format, step, epoch, training (JSON: what the trainer was made with), program (text of the program's own)
//
// Gates, shuffles and shifts are functions of (seed, step or epoch), so no generator's state is kept.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/core/memory.hpp>
#include <sdepth/io/json.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::inline SDEPTH_ISA {

inline constexpr std::string_view checkpoint_format = "sdepth checkpoint 1";
inline constexpr std::string_view momentum_prefix = "momentum.";

/// A checkpoint in memory, not yet in a trainer: a program reads its options first, makes the trainer of them, then restores it.
struct Checkpoint {
  std::uint64_t step = 0;  // steps made
  int epoch = 0;           // epochs complete
  std::string program;     // what the program stored
  nlohmann::json training;
  SafeTensors weights;
  SafeTensors momentum;
  std::string where;  // the file, for messages
};

/// What decides a trainer's next steps besides its numbers. The number of threads does not, nor how γ began.
template <class Net, class Backend>
[[nodiscard]] nlohmann::json training_state(const Trainer<Net, Backend>& trainer) {
  const TrainingOptions& options = trainer.options();
  const auto survival = trainer.survival();
  return {{"batch", options.batch},
          {"seed", options.seed},
          {"learning_rate", options.sgd.learning_rate},
          {"momentum", options.sgd.momentum},
          {"weight_decay", options.sgd.weight_decay},
          {"nesterov", options.sgd.nesterov},
          {"skip_update", options.skip_update == SkipUpdate::frozen ? "frozen" : "as-code"},
          {"scaling", options.scaling == Scaling::train ? "train" : "test"},
          {"survival", std::vector<double>(survival.begin(), survival.end())}};
}

/// Writes the trainer's state, replacing an older file only when complete.
/// @param epoch    Epochs complete.   @param program  Whatever the program wants back: its options, as JSON, say. What is not UTF-8 in it is lost.
/// A trainer of doubles is rounded to float32 and resumes nearly, not exactly.
/// Throws Error where the file cannot be written, or a number is not finite; the older file is then left as it was.
template <class Net, class Backend>
void save_checkpoint(const std::filesystem::path& path, Trainer<Net, Backend>& trainer, int epoch, std::string program = "") {
  if (epoch < 0) fail(path.string(), " cannot be written: ", epoch, " epochs are said to be complete, expected 0 or more");
  const auto& weights = *trainer.weights();
  SafeTensors file;
  file.metadata = {{"format", std::string(checkpoint_format)},
                   {"step", std::to_string(trainer.steps())},
                   {"epoch", std::to_string(epoch)},
                   {"training", training_state(trainer).dump()},
                   {"program", std::move(program)}};
  append_weights(file, weights.tensors(), weights.parameters().data(), weights.running().data());
  using T = typename Backend::Scalar;
  append_weights<T>(file, weights.tensors(), trainer.velocity().data(), nullptr, std::string(momentum_prefix));
  write_safetensors(path, file);
}

/// Reads a checkpoint. Throws Error where the file is missing, damaged, or something else, such as weights alone.
[[nodiscard]] inline Checkpoint read_checkpoint(const std::filesystem::path& path) {
  SafeTensors file = read_safetensors(path);
  Checkpoint checkpoint;
  checkpoint.where = path.string();
  const auto text = [&](const char* key) -> const std::string& {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end() || file.metadata["format"] != checkpoint_format)
      fail(checkpoint.where, " is not a checkpoint of this version (its metadata lack ",
           in_quotes(found == file.metadata.end() ? std::string_view(key) : checkpoint_format),
           "); weights alone are a place to start from, not to go on from");
    return found->second;
  };
  const auto number = [&]<class Number>(const char* key, Number& value) {
    const std::string& digits = text(key);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || std::cmp_less(value, 0))
      fail(checkpoint.where, " is damaged: its ", key, " is ", in_quotes(digits), ", expected a whole number; use an older checkpoint");
  };
  text("format");
  number("step", checkpoint.step);
  number("epoch", checkpoint.epoch);
  checkpoint.program = text("program");
  checkpoint.training = parse_json(text("training")).value_or(nullptr);
  if (!checkpoint.training.is_object())
    fail(checkpoint.where, " is damaged: its training options are not a JSON object; use an older checkpoint");
  for (Tensor& tensor : file.tensors)
    (tensor.name.starts_with(momentum_prefix) ? checkpoint.momentum : checkpoint.weights).tensors.push_back(std::move(tensor));
  return checkpoint;
}

/// Makes `trainer` the one that was saved: weights, momentum, steps and learning rate.
/// Throws Error, and leaves the trainer as it was, where the checkpoint is of another network, or of a trainer made with other options or
/// with another survival table: going on would be another run.
template <class Net, class Backend>
void restore(const Checkpoint& checkpoint, Trainer<Net, Backend>& trainer) {
  const nlohmann::json now = training_state(trainer);
  double learning_rate = 0;
  for (const auto& [key, value] : now.items()) {
    const auto saved = checkpoint.training.find(key);
    if (saved == checkpoint.training.end()) fail(checkpoint.where, " is damaged: it does not say its ", key, "; use an older checkpoint");
    const auto refuse = [&](const auto&... what) {
      fail(checkpoint.where, " is damaged: its ", key, " ", what..., "; use an older checkpoint");
    };
    if (std::string_view(saved->type_name()) != value.type_name())
      refuse("is of JSON's type ", saved->type_name(), ", expected ", value.type_name());
    if (key == "learning_rate") {
      learning_rate = saved->template get<double>();
      if (learning_rate < 0) refuse("is ", learning_rate, ", expected a number from 0 up");
    } else if (*saved != value) {
      const auto probability = [](const nlohmann::json& p) { return p.is_number() && p.get<double>() >= 0 && p.get<double>() <= 1; };
      if (key == "survival" && !std::all_of(saved->begin(), saved->end(), probability)) refuse("is not a list of numbers from 0 to 1");
      if (key == "survival")
        fail(checkpoint.where, " was saved with another survival table than the trainer has; use the network and schedule of that run");
      fail(checkpoint.where, " was saved with ", key, " ", saved->dump(), ", the trainer has ", value.dump(),
           "; use the options of that run");
    }
  }
  using T = typename Backend::Scalar;
  auto& weights = *trainer.weights();
  // Momentum goes to a place of its own first, so that whatever is wrong with either is found before anything changes.
  typename Trainer<Net, Backend>::Storage velocity(trainer.velocity().size());
  take_weights<T>(checkpoint.momentum, weights.tensors(), velocity.data(), nullptr, std::string(momentum_prefix), checkpoint.where);
  take_weights<T>(checkpoint.weights, weights.tensors(), weights.parameters().data(), weights.running().data(), "", checkpoint.where);
  trainer.velocity() = std::move(velocity);
  trainer.set_steps(checkpoint.step);
  trainer.set_learning_rate(learning_rate);
}

}  // namespace sdepth::inline SDEPTH_ISA
