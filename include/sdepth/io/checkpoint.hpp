// A checkpoint: everything a stopped run needs to go on to the same bytes as one never stopped, in one
// safetensors file.
//
//     conv1.weight, …            the weights and running statistics, as in weights.hpp
//     momentum.conv1.weight, …   SGD's momentum of each trainable parameter; of other optimizers what they keep, by its names
//     average.conv1.weight, …     a running average of the weights, where there is one
//     metadata                   format, step, epoch, training (JSON: what the trainer was made with), program (text of
//                                the program's own), of optimizers that count updates, counts (JSON, by parameter),
//                                and of an average its decay and updates (JSON)
//
// Gates, shuffles and shifts are functions of (seed, step or epoch), so no generator's state is kept.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <span>
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
#include <sdepth/train/weight_average.hpp>

namespace sdepth::inline SDEPTH_ISA {

inline constexpr std::string_view checkpoint_format = "sdepth checkpoint 1";

/// A checkpoint in memory, not yet in a trainer: a program reads its options first, makes the trainer of
/// them, then restores it.
struct Checkpoint {
  std::uint64_t step = 0;  // steps made
  int epoch = 0;           // epochs complete
  std::string program;     // what the program stored
  nlohmann::json training;
  nlohmann::json counts;  // of each trainable parameter how many updates it has had; null: not counted
  SafeTensors weights;
  SafeTensors state;                // the optimizer's
  SafeTensors average;              // of the weights
  nlohmann::json average_training;  // its decay and updates; null: there is none
  std::string where;                // the file, for messages
};

/// The options of an optimizer or a loss, by their names.
template <class Kind, class Options>
[[nodiscard]] nlohmann::json options_as_json(const Options& options) {
  nlohmann::json all = nlohmann::json::object();
  if constexpr (requires { Kind::each_option(options, [](std::string_view, const auto&) {}); })
    Kind::each_option(options,
                      [&](std::string_view name, const auto& value) { all[std::string(name)] = value; });
  return all;
}
/// The groups of parameters, each by its parameters' names and what it makes of the trainer's options.
/// @param groups  what each group makes of them   @param group_of  [trainable tensors]
[[nodiscard]] inline nlohmann::json groups_as_json(std::span<const ParameterInfo> tensors,
                                                   const std::vector<int>& group_of, nlohmann::json groups) {
  std::size_t i = 0;
  for (const ParameterInfo& tensor : tensors)
    if (tensor.trainable())
      if (const auto group = static_cast<std::size_t>(group_of[i++]); group < groups.size())
        groups[group]["parameters"].push_back(tensor.name);
  return groups;
}
/// What decides a trainer's next steps besides loss, optimizer and numbers.
[[nodiscard]] inline nlohmann::json steps_as_json(int batch, std::uint64_t seed, SkipUpdate skip_update,
                                                  Scaling scaling, std::span<const double> survival) {
  return {{"batch", batch},
          {"seed", seed},
          {"skip_update", skip_update == SkipUpdate::frozen ? "frozen" : "as-code"},
          {"scaling", scaling == Scaling::train ? "train" : "test"},
          {"survival", std::vector<double>(survival.begin(), survival.end())}};
}

/// What decides a trainer's next steps besides its numbers. The number of threads does not, nor how γ began.
template <class Net, class Backend, class Loss, class Optimizer>
[[nodiscard]] nlohmann::json training_state(const Trainer<Net, Backend, Loss, Optimizer>& trainer) {
  const auto& options = trainer.options();
  nlohmann::json state =
      steps_as_json(options.batch, options.seed, options.skip_update, options.scaling, trainer.survival());
  if (options.rounding == Rounding::stochastic) state["rounding"] = "stochastic";
  nlohmann::json& loss = state["loss"] = options_as_json<Loss>(options.loss);
  loss["name"] = std::string(Loss::name);
  state["optimizer"] = std::string(Optimizer::name);
  state.update(options_as_json<Optimizer>(optimizer_options(options)));
  // A schedule changes the learning rate: a group's is what it makes of 1.
  auto of_unit_rate = optimizer_options(options);
  of_unit_rate.learning_rate = 1;
  const auto& groups = trainer.update().groups();
  nlohmann::json of_groups = nlohmann::json::array();
  for (const ParameterGroup<Optimizer>& group : groups.groups()) {
    nlohmann::json& entry = of_groups.emplace_back();
    entry["options"] = options_as_json<Optimizer>(groups.options_of(group, of_unit_rate));
    entry["frozen"] = group.frozen;
    entry["parameters"] = nlohmann::json::array();
  }
  state["groups"] =
      groups_as_json(trainer.weights()->tensors(), groups.tensor_groups(), std::move(of_groups));
  return state;
}

/// With what the optimizer keeps, so that a reader who does not know the optimizer tells its numbers from
/// weights.
template <class Names>
[[nodiscard]] nlohmann::json with_state_names(nlohmann::json training, const Names& names) {
  training["state"] = nlohmann::json::array();
  for (const std::string_view name : names) training["state"].push_back(std::string(name));
  return training;
}
/// Of each trainable tensor, by its name, how many updates it has had.
[[nodiscard]] inline nlohmann::json counts_as_json(std::span<const ParameterInfo> tensors,
                                                   const std::vector<std::uint64_t>& counts) {
  nlohmann::json by_name = nlohmann::json::object();
  std::size_t i = 0;
  for (const ParameterInfo& tensor : tensors)
    if (tensor.trainable()) by_name[tensor.name] = counts[i++];
  return by_name;
}
/// What the names of an average's tensors begin with.
inline const std::string average_prefix = "average.";
/// What the names of an optimizer's state begin with.
[[nodiscard]] inline std::string state_prefix(std::string_view state) { return std::string(state) + "."; }

/// Writes the trainer's state, replacing an older file only when complete.
/// @param epoch    Epochs complete.   @param program  Whatever the program wants back: its options, as JSON,
///                 say. What is not UTF-8 in it is lost.
/// @param average  of the trainer's weights, kept with them   @see WeightAverage
/// A trainer of doubles is rounded to float32 and resumes nearly, not exactly. Gradients that wait for apply
/// are not stored. Throws Error where the file cannot be written, or a number is not finite; the older file
/// is then left as it was.
template <class Net, class Backend, class Loss, class Optimizer>
void save_checkpoint(const std::filesystem::path& path, Trainer<Net, Backend, Loss, Optimizer>& trainer,
                     int epoch, std::string program = "",
                     const WeightAverage<Net, Backend>* average = nullptr) {
  if (epoch < 0)
    fail(path.string(), " cannot be written: ", epoch, " epochs are said to be complete, expected 0 or more");
  if (!trainer.weights())
    fail(path.string(), " cannot be written: this trainer was moved from; save the one that it was moved to");
  const auto& weights = std::as_const(*trainer.weights());
  SafeTensors file;
  file.metadata = {{"format", std::string(checkpoint_format)},
                   {"step", std::to_string(trainer.steps())},
                   {"epoch", std::to_string(epoch)},
                   {"training", with_state_names(training_state(trainer), Optimizer::state).dump()},
                   {"program", std::move(program)}};
  append_weights(file, weights.tensors(), weights.parameters().data(), weights.running().data());
  using T = typename Backend::Scalar;
  for (const std::string_view name : Optimizer::state)
    append_weights<T>(file, weights.tensors(), std::as_const(trainer.optimizer_state(name)).data(), nullptr,
                      state_prefix(name));
  if constexpr (counts_updates<Optimizer>) {
    file.metadata["counts"] =
        counts_as_json(weights.tensors(), trainer.update().groups().tensor_counts()).dump();
  }
  if (average) {
    const auto& averaged = std::as_const(*average->weights());
    file.metadata["average"] =
        nlohmann::json{{"decay", average->decay()}, {"updates", average->updates()}}.dump();
    append_weights(file, averaged.tensors(), averaged.parameters().data(), averaged.running().data(),
                   average_prefix);
  }
  write_safetensors(path, file);
}

/// Reads a checkpoint. Throws Error where the file is missing, damaged, or something else, such as weights
/// alone.
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
      fail(checkpoint.where, " is damaged: its ", key, " is ", in_quotes(digits),
           ", expected a whole number; use an older checkpoint");
  };
  text("format");
  number("step", checkpoint.step);
  number("epoch", checkpoint.epoch);
  checkpoint.program = text("program");
  checkpoint.training = parse_json(text("training")).value_or(nullptr);
  if (!checkpoint.training.is_object())
    fail(checkpoint.where,
         " is damaged: its training options are not a JSON object; use an older checkpoint");
  if (const auto counts = file.metadata.find("counts"); counts != file.metadata.end())
    checkpoint.counts = parse_json(counts->second).value_or(nullptr);
  if (const auto average = file.metadata.find("average"); average != file.metadata.end())
    checkpoint.average_training = parse_json(average->second).value_or(nullptr);
  const bool averaged = !checkpoint.average_training.is_null();
  const nlohmann::json names = checkpoint.training.value("state", nlohmann::json::array({"momentum"}));
  const auto is_state = [&](const Tensor& tensor) {
    return std::any_of(names.begin(), names.end(), [&](const nlohmann::json& name) {
      return name.is_string() && tensor.name.starts_with(state_prefix(name.get_ref<const std::string&>()));
    });
  };
  for (Tensor& tensor : file.tensors)
    (is_state(tensor)                                      ? checkpoint.state
     : averaged && tensor.name.starts_with(average_prefix) ? checkpoint.average
                                                           : checkpoint.weights)
        .tensors.push_back(std::move(tensor));
  return checkpoint;
}

/// Throws Error where a checkpoint was saved with something else than the trainer has.
[[noreturn]] inline void refuse(const Checkpoint& checkpoint, const std::string& key,
                                const nlohmann::json& saved, const nlohmann::json& now) {
  fail(checkpoint.where, " was saved with ", key, " ", saved.dump(), ", the trainer has ", now.dump(),
       "; use the options of that run");
}

/// Of each trainable tensor how many updates it has had. Throws Error where the checkpoint does not say so.
[[nodiscard]] inline std::vector<std::uint64_t> saved_counts(const Checkpoint& checkpoint,
                                                             const std::vector<ParameterInfo>& tensors) {
  std::vector<std::uint64_t> all;
  for (const ParameterInfo& tensor : tensors) {
    if (!tensor.trainable()) continue;
    const auto found =
        checkpoint.counts.is_object() ? checkpoint.counts.find(tensor.name) : checkpoint.counts.end();
    if (found == checkpoint.counts.end() || !found->is_number_unsigned())
      fail(checkpoint.where, " is damaged: it does not say how many updates ", tensor.name,
           " has had; use an older checkpoint");
    all.push_back(found->get<std::uint64_t>());
  }
  return all;
}

/// How often the average had been updated. Throws Error where the checkpoint has none, or one with another
/// decay.
[[nodiscard]] inline std::uint64_t saved_updates(const Checkpoint& checkpoint, double expected_decay) {
  const nlohmann::json& saved = checkpoint.average_training;
  if (saved.is_null())
    fail(checkpoint.where, " has no average of the weights, the run has; use the options of that run");
  const nlohmann::json decay = saved.is_object() ? saved.value("decay", nlohmann::json()) : nlohmann::json(),
                       updates =
                           saved.is_object() ? saved.value("updates", nlohmann::json()) : nlohmann::json();
  if (!updates.is_number_unsigned())
    fail(checkpoint.where,
         " is damaged: it does not say how many updates the average has had; use an older checkpoint");
  if (decay != expected_decay) refuse(checkpoint, "average", decay, expected_decay);
  return updates.get<std::uint64_t>();
}

/// The learning rate of a checkpoint. Throws Error where it was saved with something else than `now` says, as
/// training_state has it.
[[nodiscard]] inline double checked_learning_rate(const Checkpoint& checkpoint, const nlohmann::json& now) {
  // Checkpoints of before there was a choice do not say these, nor do those that are rounded to nearest.
  const nlohmann::json cross_entropy = {{"name", "CrossEntropy"}, {"label_smoothing", 0.0}};
  const std::pair<std::string, nlohmann::json> usual[] = {{"optimizer", "SGD"},
                                                          {"loss", cross_entropy},
                                                          {"groups", nlohmann::json::array()},
                                                          {"rounding", "nearest"}};
  for (const auto& [key, value] : usual) {
    const nlohmann::json saved = checkpoint.training.value(key, value), wanted = now.value(key, value);
    if (saved != wanted) refuse(checkpoint, key, saved, wanted);
  }
  double learning_rate = 0;
  for (const auto& [key, value] : now.items()) {
    if (std::any_of(std::begin(usual), std::end(usual),
                    [&](const auto& compared) { return compared.first == key; }))
      continue;
    const auto saved = checkpoint.training.find(key);
    if (saved == checkpoint.training.end())
      fail(checkpoint.where, " is damaged: it does not say its ", key, "; use an older checkpoint");
    const auto damaged = [&](const auto&... what) {
      fail(checkpoint.where, " is damaged: its ", key, " ", what..., "; use an older checkpoint");
    };
    if (std::string_view(saved->type_name()) != value.type_name())
      damaged("is of JSON's type ", saved->type_name(), ", expected ", value.type_name());
    if (key == "learning_rate") {
      learning_rate = saved->get<double>();
      if (learning_rate < 0) damaged("is ", learning_rate, ", expected a number from 0 up");
    } else if (*saved != value) {
      const auto probability = [](const nlohmann::json& p) {
        return p.is_number() && p.get<double>() >= 0 && p.get<double>() <= 1;
      };
      if (key == "survival" && !std::all_of(saved->begin(), saved->end(), probability))
        damaged("is not a list of numbers from 0 to 1");
      if (key == "survival")
        fail(
            checkpoint.where,
            " was saved with another survival table than the trainer has; use the network and schedule of that run");
      refuse(checkpoint, key, *saved, value);
    }
  }
  return learning_rate;
}

/// Makes `trainer` the one that was saved: weights, the optimizer's state, steps and learning rate; and
/// `average` its average. Throws Error, and leaves both as they were, where the checkpoint is of another
/// network, or of a trainer made with other options, optimizer, loss or groups of parameters, or with another
/// survival table: going on would be another run.
template <class Net, class Backend, class Loss, class Optimizer>
void restore(const Checkpoint& checkpoint, Trainer<Net, Backend, Loss, Optimizer>& trainer,
             WeightAverage<Net, Backend>* average = nullptr) {
  if (!trainer.weights())
    fail(checkpoint.where,
         " cannot be restored: this trainer was moved from; use the one that it was moved to");
  const double learning_rate = checked_learning_rate(checkpoint, training_state(trainer));
  auto options = optimizer_options(trainer.options());
  options.learning_rate = learning_rate;
  trainer.update().groups().check(options);
  using T = typename Backend::Scalar;
  using Storage = typename Trainer<Net, Backend, Loss, Optimizer>::Storage;
  auto& weights = *trainer.weights();
  // The optimizer's state goes to a place of its own first, so that whatever is wrong with anything is found
  // before anything changes.
  std::vector<std::uint64_t> counts;
  if constexpr (counts_updates<Optimizer>) counts = saved_counts(checkpoint, weights.tensors());
  std::vector<Storage> state;
  for (const std::string_view name : Optimizer::state) {
    SafeTensors of_name;
    for (const Tensor& tensor : checkpoint.state.tensors)
      if (tensor.name.starts_with(state_prefix(name))) of_name.tensors.push_back(tensor);
    state.emplace_back(trainer.optimizer_state(name).size());
    take_weights<T>(of_name, weights.tensors(), state.back().data(), nullptr, state_prefix(name),
                    checkpoint.where);
  }
  std::uint64_t updates = 0;
  std::shared_ptr<Weights<Net, Backend>> averaged;
  if (average) {
    updates = saved_updates(checkpoint, average->decay());
    averaged = std::make_shared<Weights<Net, Backend>>();
    take_weights<T>(checkpoint.average, weights.tensors(), averaged->parameters().data(),
                    averaged->running().data(), average_prefix, checkpoint.where);
  }
  take_weights<T>(checkpoint.weights, weights.tensors(), weights.parameters().data(),
                  weights.running().data(), "", checkpoint.where);
  for (std::size_t i = 0; i < state.size(); ++i) trainer.update().state()[i] = std::move(state[i]);
  if constexpr (counts_updates<Optimizer>) trainer.update().set_tensor_counts(weights, counts);
  trainer.update().drop_pending();
  trainer.set_steps(checkpoint.step);
  trainer.set_learning_rate(learning_rate);
  if (average) average->restore(std::move(averaged), updates);
}

}  // namespace sdepth::inline SDEPTH_ISA
