// Options as JSON, as checkpoints keep them, and what a run that goes on makes of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/core/utf8.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/options.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Options that checkpoints and reports leave out where they are as by default, so that runs without them are
/// as they were.
inline const std::set<std::string> rare_options = {
    "test-split",  "skip-broken", "keep-best",    "early-stopping",  "optimizer",
    "beta1",       "beta2",       "epsilon",      "label-smoothing", "clip-norm",
    "ema",         "mixup",       "time-limit",   "cutmix",          "freeze",
    "tensorboard", "local-norms", "augmentation", "rounding"};
/// More that older programs did not have, which did as the defaults do: a checkpoint may lack these and the
/// rare ones.
inline const std::set<std::string> later_options = {"survival-warm-up", "block-harm",    "survival-over-time",
                                                    "lr-schedule",      "warm-up-shape", "precision"};

/// A text in JSON, which is UTF-8, as a path need not be: as it is where it is UTF-8, else as a list of its
/// bytes.
[[nodiscard]] inline nlohmann::json to_json_text(const std::string& text) {
  return is_utf8(text) ? nlohmann::json(text)
                       : nlohmann::json(std::vector<std::uint8_t>(text.begin(), text.end()));
}
[[nodiscard]] inline std::string from_json_text(const nlohmann::json& stored) {
  if (!stored.is_array()) return stored.get<std::string>();
  const auto bytes = stored.get<std::vector<std::uint8_t>>();
  return {bytes.begin(), bytes.end()};
}

/// Options as a JSON object: a text that is no UTF-8, as a path may be, as a list of its bytes.
[[nodiscard]] inline nlohmann::json to_json(const Options& options) {
  nlohmann::json stored = nlohmann::json::object();
  for_each_option(options, {}, [&]<class Value>(const std::string& name, const Value& value, const auto&...) {
    if constexpr (std::is_same_v<Value, std::string>)
      stored[name] = to_json_text(value);
    else
      stored[name] = value;
  });
  return stored;
}
/// The same as checkpoints and reports have it.
[[nodiscard]] inline nlohmann::json to_stored(const Options& options) {
  nlohmann::json stored = to_json(options);
  const nlohmann::json defaults = to_json(Options{});
  for (const std::string& name : rare_options)
    if (stored.at(name) == defaults.at(name)) stored.erase(name);
  return stored;
}

/// Names and values of all options but empty ones, for a report.
[[nodiscard]] inline std::vector<std::pair<std::string, std::string>> shown_options(const Options& options) {
  std::vector<std::pair<std::string, std::string>> shown;
  const nlohmann::json all = to_stored(options);
  for (const auto& [name, value] : all.items())
    if (value != "" && (options.optimizer == "sgd" || (name != "momentum" && name != "nesterov")))
      shown.emplace_back(name,
                         value.is_number() || value.is_boolean() ? value.dump() : from_json_text(value));
  return shown;
}

/// The opposite of to_json. Throws Error where `stored` is not what that wrote.
[[nodiscard]] inline Options from_json(const nlohmann::json& stored, const std::string& where) {
  Options options;
  for_each_option(options, {}, [&]<class Value>(const std::string& name, Value& value, const auto&...) {
    const auto unreadable = [&] {
      fail(where, ": the option ", name,
           " stored in it is missing or unreadable; it was written by another program or version");
    };
    const auto found = stored.is_object() ? stored.find(name) : stored.end();
    if (found == stored.end()) {
      if (later_options.contains(name) || rare_options.contains(name)) return;
      unreadable();
    }
    try {
      if constexpr (std::is_same_v<Value, std::string>)
        value = from_json_text(found.value());
      else
        found.value().get_to(value);
    } catch (const nlohmann::json::exception&) {
      unreadable();
    }
  });
  static_cast<void>(drops_of(options.drops, any_drop));
  static_cast<void>(phase_of(options.survival_over_time));
  for (const auto& [name, text, names] :
       {std::tuple("lr-schedule", options.learning_rate_schedule, learning_rate_names),
        {"warm-up-shape", options.warm_up_shape, warm_up_shapes},
        {"precision", options.precision, precision_names},
        {"rounding", options.rounding, rounding_names},
        {"optimizer", options.optimizer, optimizer_names}})
    if (std::find(names.begin(), names.end(), text) == names.end())
      fail(where, ": the option ", name, " stored in it is ", in_quotes(text),
           ", which this program does not know; it was written by another version");
  if ((options.epochs > 0) == (options.steps > 0))
    fail(
        where,
        ": of the options epochs and steps stored in it exactly one must be above 0; it was written by another program or version");
  return options;
}

/// The options of a run that goes on: those of the checkpoint. Options given again must agree, but --data-dir
/// may name another place, --time-limit another time, and --epochs or --steps a later end, which moves what
/// is still to come of the learning rate and of the survival probabilities. Throws Error for a contradiction.
[[nodiscard]] inline Options resumed_options(const nlohmann::json& stored, const CommandLine& line,
                                             const std::string& where) {
  Options options = from_json(stored, where);
  const nlohmann::json before = to_json(options), now = to_json(line.options);
  for_each_option(options, {}, [&]<class Value>(const std::string& name, Value& value, const auto&...) {
    if (!line.given.contains(name) || now[name] == before[name]) return;
    const bool longer = (name == "epochs" || name == "steps") && before[name] > 0 && now[name] > before[name];
    const auto shown = [](const nlohmann::json& v) {
      return v.is_array() ? in_quotes(from_json_text(v)) : v.dump();
    };
    if (!longer && name != "data-dir" && name != "block-harm" && name != "time-limit" &&
        name != "tensorboard")  // these change nothing in the run itself
      fail("--", name, " is ", shown(now[name]), ", but the run in ", line.resume, " has ",
           shown(before[name]), "; leave the option out to go on, or start another run with --out");
    if constexpr (std::is_same_v<Value, std::string>)
      value = from_json_text(now[name]);
    else
      now[name].get_to(value);
  });
  return options;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
