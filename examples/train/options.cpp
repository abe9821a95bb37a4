// The command line of train, by CLI11, and the same options as JSON in the checkpoint. One list of options serves both.
#include "options.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>
#include <type_traits>

#include <sdepth/core/error.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/core/utf8.hpp>

#include "../shared/choices.hpp"
#include "../shared/command_line.hpp"

namespace programs {

using sdepth::fail;

namespace {

const CLI::Validator at_least_one = whole_number(1);
const CLI::Validator at_least_zero = whole_number(0);
const CLI::Validator probability = finite_number(0, 1);
const std::vector<std::string> warm_up_shapes = {"constant", "linear"};
const CLI::Validator not_negative = finite_number(0);

/// Calls visit(name, member, help, check) for each option, without a check where any text but an empty one will do.
template <class AnyOptions, class Visit>
void for_each_option(AnyOptions& o, Visit&& visit) {
  visit("model", o.model, "the network, 6n + 2 layers", CLI::IsMember(model_names));
  visit("data", o.data, "the data set; synthetic needs no files", CLI::IsMember(data_names));
  visit("data-dir", o.data_dir, "where the data set lies; else it is looked for");
  visit("schedule", o.schedule, "survival probabilities: from 1 to P, the same P, or all 1", CLI::IsMember(schedule_names));
  visit("survival", o.survival, "survival probability of the last block (linear) or of each (uniform)", probability);
  visit("survival-warm-up", o.survival_warm_up, "epochs over which survival probabilities fall from 1 to their values", at_least_zero);
  visit("survival-over-time", o.survival_over_time,
        "when blocks are skipped: constant, early:E or late:E (in the first E of the run, or after it), warm-up:E");
  visit("epochs", o.epochs, "length of the run (cifar: 500, resnet1202: 300, svhn: 50, fashion-mnist: 20, synthetic: 5)", at_least_one);
  visit("steps", o.steps, "length of the run in steps instead of epochs", at_least_one);
  visit("batch", o.batch, "images per step; an epoch's last step may have fewer", at_least_one);
  visit("lr", o.learning_rate, "learning rate", not_negative);
  visit("lr-schedule", o.learning_rate_schedule, "the rate falls by --lr-drop, or on a cosine with every step, rises and falls, or stays",
        CLI::IsMember(learning_rate_names));
  visit("lr-drop", o.drops, "steps: fractions of the run at which the rate falls to a tenth, rising; 1: never (svhn: 0.6,0.7)");
  visit("warm-up", o.warm_up, "epochs at a tenth of the rate first (resnet1202 without --lr: 10; short runs of resnet110 need 1)",
        at_least_zero);
  visit("warm-up-shape", o.warm_up_shape, "the warm-up stays at a tenth of the rate, or rises from there with every step",
        CLI::IsMember(warm_up_shapes));
  visit("momentum", o.momentum, "momentum of SGD", finite_number(0, 0.999999));
  visit("weight-decay", o.weight_decay, "weight decay, on every parameter", not_negative);
  visit("nesterov", o.nesterov, "Nesterov's momentum, or the plain one");
  visit("augment", o.augment, "shift and flip training images (svhn: not)");
  visit("shuffle", o.shuffle, "a new order in each epoch, or the data set's");
  visit("limit-train", o.limit_train, "train on the first N records of what is not held out (0: all)", at_least_zero);
  visit("limit-test", o.limit_test, "test on the first N records (0: no test)", at_least_zero);
  visit("validation", o.validation, "hold the last N training records out (cifar: 5000, svhn: 6000, others: 0)", at_least_zero);
  visit("seed", o.seed, "of weights, gates, order and augmentation", whole_number(0, std::numeric_limits<std::uint64_t>::max()));
  visit("normalize", o.normalize, "subtract the training part's mean image and divide by one deviation, or divide by 255",
        CLI::IsMember(normalize_names));
  visit("skip-update", o.skip_update, "skipped blocks get weight decay and momentum (as-code), or nothing (frozen)",
        CLI::IsMember(std::vector<std::string>{"as-code", "frozen"}));
  visit("scaling", o.scaling, "branches are scaled by p at test, or by 1/p in training", CLI::IsMember(scaling_names));
  visit("init", o.init, "start from these weights, a safetensors file");
  visit("block-harm", o.block_harm, "at the end measure what the network loses with each block alone: harm.csv, and a plot");
  visit("precision", o.precision, "what activations lie in memory as; bf16 takes half the memory, float32 is exact",
        CLI::IsMember(precision_names));
  visit("gates", o.gates, "force the gates: a line per step, 0 or 1 for each block, separated by commas");
}

/// Options that older programs did not have, which did as the defaults do: a checkpoint may lack them.
const std::set<std::string> later_options = {"survival-warm-up", "block-harm",    "survival-over-time",
                                             "lr-schedule",      "warm-up-shape", "precision"};

/// "0.5,0.75" as numbers. Throws Error unless they rise, are positive, and at most `most`.
std::vector<double> drops_of(const std::string& text, double most) {
  std::vector<double> drops;
  for (const std::string_view cell : sdepth::cells_of(text)) {
    double drop = 0;
    if (!read_number(cell, drop) || !(drop > (drops.empty() ? 0.0 : drops.back())) || !(drop <= most))
      fail("--lr-drop ", sdepth::in_quotes(text),
           ": expected fractions of the run, rising, above 0 and at most 1, such as 0.5,0.75; 1 for no drop");
    drops.push_back(drop);
  }
  return drops;
}
/// What runs of older versions have beyond 1 never happens in them, and is left so.
constexpr double any_drop = std::numeric_limits<double>::max();

struct Phase {
  sdepth::SurvivalPhase phase = sdepth::SurvivalPhase::constant;
  double fraction = 0;  // of the run
};
/// "early:0.5" as a phase. Throws Error unless it is one with a fraction from 0 to 1, or constant.
Phase phase_of(const std::string& text) {
  using enum sdepth::SurvivalPhase;
  if (text == "constant") return {};
  for (const auto& [name, phase] :
       {std::pair<std::string_view, sdepth::SurvivalPhase>("early:", early), {"late:", late}, {"warm-up:", warm_up}}) {
    double fraction = 0;
    if (text.starts_with(name) && read_number(std::string_view(text).substr(name.size()), fraction) && fraction >= 0 && fraction <= 1)
      return {phase, fraction};
  }
  fail("--survival-over-time ", sdepth::in_quotes(text),
       ": expected constant, or early:E, late:E or warm-up:E with a fraction of the run from 0 to 1, such as early:0.5");
}

/// A text in JSON, which is UTF-8, as a path need not be: as it is where it is UTF-8, else as a list of its bytes.
nlohmann::json to_json_text(const std::string& text) {
  return sdepth::is_utf8(text) ? nlohmann::json(text) : nlohmann::json(std::vector<std::uint8_t>(text.begin(), text.end()));
}
std::string from_json_text(const nlohmann::json& stored) {
  if (!stored.is_array()) return stored.get<std::string>();
  const auto bytes = stored.get<std::vector<std::uint8_t>>();
  return {bytes.begin(), bytes.end()};
}

/// Defaults that depend on other options; what was given stays.
void fill_in_recipe(CommandLine& line) {
  Options& o = line.options;
  const auto given = [&](const char* name) { return line.given.contains(name); };
  const sdepth::Recipe recipe = recipe_of(o.data, o.model);
  if (!given("epochs") && !given("steps")) o.epochs = recipe.epochs;
  if (!given("validation")) o.validation = recipe.validation;
  if (!given("augment")) o.augment = recipe.augment;
  if (!given("lr-drop") && o.data == "svhn") o.drops = "0.6,0.7";
  if (!given("warm-up") && !given("lr") && o.learning_rate_schedule == "steps" && o.epochs > 0)
    o.warm_up = recipe.learning_rate.warm_up_epochs;
}

}  // namespace

CommandLine read_command_line(int count, char** words) {
  CommandLine line;
  CLI::App app("Trains a residual network with stochastic depth. Defaults are the recipe of Huang et al., ECCV 2016.", "train");
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.get_formatter()->column_width(36);
  for_each_option(line.options,
                  [&]<class Value, class... Check>(const std::string& name, Value& value, const std::string& help, Check... check) {
                    if constexpr (std::is_same_v<Value, bool>) {
                      app.add_flag("--" + name + ",!--no-" + name, value, help);
                    } else {
                      const bool obvious = name != "epochs" && name != "steps" && !name.starts_with("limit") && name != "validation";
                      CLI::Option* option = app.add_option("--" + name, value, help);
                      if (obvious) option->capture_default_str();
                      if constexpr (sizeof...(check) == 0) option->check(some_text());
                      (option->transform(check), ...);
                    }
                  });
  app.get_option("--epochs")->excludes(app.get_option("--steps"));
  app.add_option("--threads", line.threads, "threads; the result does not depend on it")
      ->transform(whole_number(1, 1024))
      ->capture_default_str();
  app.add_option("--memory", line.memory, "GB of memory that the run may take (default: what the machine has free)")
      ->transform(finite_number(0.001));
  app.add_option("--device", line.device, "where the network is trained: on the processor, or on a GPU")
      ->check(CLI::IsMember(std::vector<std::string>{"cpu", "cuda"}))
      ->capture_default_str();
  app.add_flag("--tf32", line.tf32, "on a GPU: convolve on tensor cores, with factors rounded to 10 bits")
      ->needs(app.get_option("--device"));
  auto* out = app.add_option("--out", line.out, "folder for model, checkpoint, tables and report; without it nothing is written");
  auto* resume = app.add_option("--resume", line.resume, "go on with the run in this folder, with its options")->type_name("DIR");
  out->type_name("DIR")->check(some_text());
  resume->check(some_text());
  for (const char* name : {"--data-dir"}) app.get_option(name)->type_name("DIR");
  for (const char* name : {"--init", "--gates"}) app.get_option(name)->type_name("FILE");
  parse(app, count, words);
  if (line.tf32 && line.device != "cuda") fail("--tf32 is for GPUs; add --device cuda, or leave it out");
  for_each_option(line.options, [&](const std::string& name, const auto&...) {
    if (app.get_option("--" + name)->count() > 0) line.given.insert(name);
  });
  drops_of(line.options.drops, 1);
  if (phase_of(line.options.survival_over_time).phase != sdepth::SurvivalPhase::constant && line.options.survival_warm_up > 0)
    fail("--survival-warm-up and --survival-over-time both say when blocks are skipped; give one of them, such as --survival-over-time ",
         line.options.survival_over_time);
  if (line.options.block_harm && line.out.empty() && line.resume.empty())
    fail("--block-harm writes harm.csv and a plot into the folder of the run; name one by --out");
  if (line.resume.empty()) fill_in_recipe(line);
  return line;
}

nlohmann::json to_json(const Options& options) {
  nlohmann::json stored = nlohmann::json::object();
  for_each_option(options, [&]<class Value>(const std::string& name, const Value& value, const auto&...) {
    if constexpr (std::is_same_v<Value, std::string>)
      stored[name] = to_json_text(value);
    else
      stored[name] = value;
  });
  return stored;
}

std::vector<std::pair<std::string, std::string>> shown_options(const Options& options) {
  std::vector<std::pair<std::string, std::string>> shown;
  const nlohmann::json all = to_json(options);
  for (const auto& [name, value] : all.items())
    if (value != "") shown.emplace_back(name, value.is_number() || value.is_boolean() ? value.dump() : from_json_text(value));
  return shown;
}

Options from_json(const nlohmann::json& stored, const std::string& where) {
  Options options;
  for_each_option(options, [&]<class Value>(const std::string& name, Value& value, const auto&...) {
    const auto found = stored.is_object() ? stored.find(name) : stored.end();
    if (found == stored.end() && later_options.contains(name)) return;
    try {
      if constexpr (std::is_same_v<Value, std::string>)
        value = from_json_text(found.value());
      else
        found.value().get_to(value);
    } catch (const nlohmann::json::exception&) {
      fail(where, ": the option ", name, " stored in it is missing or unreadable; it was written by another program or version");
    }
  });
  drops_of(options.drops, any_drop);
  phase_of(options.survival_over_time);
  for (const auto& [name, text, names] : {std::tuple("lr-schedule", options.learning_rate_schedule, learning_rate_names),
                                          {"warm-up-shape", options.warm_up_shape, warm_up_shapes},
                                          {"precision", options.precision, precision_names}})
    if (std::find(names.begin(), names.end(), text) == names.end())
      fail(where, ": the option ", name, " stored in it is ", sdepth::in_quotes(text),
           ", which this program does not know; it was written by another version");
  if ((options.epochs > 0) == (options.steps > 0))
    fail(where, ": of the options epochs and steps stored in it exactly one must be above 0; it was written by another program or version");
  return options;
}

Options resumed_options(const nlohmann::json& stored, const CommandLine& line, const std::string& where) {
  Options options = from_json(stored, where);
  const nlohmann::json before = to_json(options), now = to_json(line.options);
  for_each_option(options, [&]<class Value>(const std::string& name, Value& value, const auto&...) {
    if (!line.given.contains(name) || now[name] == before[name]) return;
    const bool longer = (name == "epochs" || name == "steps") && before[name] > 0 && now[name] > before[name];
    const auto shown = [](const nlohmann::json& v) { return v.is_array() ? sdepth::in_quotes(from_json_text(v)) : v.dump(); };
    if (!longer && name != "data-dir" && name != "block-harm")  // these change nothing in the run itself
      fail("--", name, " is ", shown(now[name]), ", but the run in ", line.resume, " has ", shown(before[name]),
           "; leave the option out to go on, or start another run with --out");
    if constexpr (std::is_same_v<Value, std::string>)
      value = from_json_text(now[name]);
    else
      now[name].get_to(value);
  });
  return options;
}

sdepth::TrainingOptions training_options(const Options& options, int threads) {
  return {.batch = options.batch,
          .threads = threads,
          .seed = options.seed,
          .sgd = {.learning_rate = options.learning_rate,
                  .momentum = options.momentum,
                  .weight_decay = options.weight_decay,
                  .nesterov = options.nesterov},
          .skip_update = options.skip_update == "frozen" ? sdepth::SkipUpdate::frozen : sdepth::SkipUpdate::as_code,
          .scaling = scaling_of(options.scaling),
          .gamma = sdepth::GammaInit::one};
}

LearningRatePlan::LearningRatePlan(const Options& options, int steps_per_epoch)
    : epochs_(options.epochs), steps_(options.steps > 0 ? options.steps : std::int64_t{options.epochs} * steps_per_epoch) {
  constexpr double tenth = 0.1;
  const double rate = options.learning_rate;
  if (options.learning_rate_schedule == "constant") schedule_ = sdepth::ConstantRate{rate};
  if (options.learning_rate_schedule == "cosine") schedule_ = sdepth::CosineAnnealing{.base = rate};
  if (options.learning_rate_schedule == "one-cycle") schedule_ = sdepth::OneCycle{.max_lr = rate};
  if (options.learning_rate_schedule == "steps") {
    sdepth::StepDecay steps{.base = rate, .drops = {}};
    for (const double drop : drops_of(options.drops, any_drop))
      if (drop < 1) steps.drops.push_back(drop);
    schedule_ = steps;
  }
  const bool rising = options.warm_up_shape == "linear";
  rising_ = {{1.0}, rising ? static_cast<double>(options.warm_up) * steps_per_epoch : 0.0, tenth};
  constant_warm_up_ = tenth * rate;
  warm_up_epochs_ = rising ? 0 : options.warm_up;
}

double LearningRatePlan::after_warm_up(std::uint64_t step, int epoch) const {
  const auto steps_made = static_cast<std::int64_t>(step);
  return std::visit(
      [&]<class Schedule>(const Schedule& schedule) {
        if constexpr (!std::is_same_v<Schedule, sdepth::StepDecay>)
          return schedule.at(steps_made + 1, steps_);
        else if (epochs_ > 0)
          return epoch == 1 ? schedule.base : schedule.at(epoch, epochs_);
        else
          return steps_made == 0 ? schedule.base : schedule.at(steps_made, steps_);
      },
      schedule_);
}

double LearningRatePlan::at(std::uint64_t step, int epoch) const {
  if (epoch <= warm_up_epochs_) return constant_warm_up_;
  return after_warm_up(step, epoch) * rising_.at(static_cast<std::int64_t>(step) + 1, steps_);
}

SurvivalPlan::SurvivalPlan(const Options& options, int steps_per_epoch) {
  if (options.survival_warm_up > 0) {
    phase_ = sdepth::SurvivalPhase::warm_up;
    length_ = options.survival_warm_up;
    return;
  }
  const auto [phase, fraction] = phase_of(options.survival_over_time);
  phase_ = phase;
  length_ = fraction;
  steps_ = options.steps > 0 ? options.steps : static_cast<double>(options.epochs) * steps_per_epoch;
  steps_per_epoch_ = steps_per_epoch;
}

std::vector<double> SurvivalPlan::at(std::span<const double> survival, int epoch) const {
  // One division of whole numbers gives the double that is nearest to the fraction, as the number on the command line is.
  const double done = steps_ > 0 ? std::min(1.0, (epoch - 1) * steps_per_epoch_ / steps_) : epoch - 1;
  std::vector<double> table;
  for (const double p : survival) table.push_back(sdepth::survival_in_phase(phase_, length_, p, done));
  return table;
}

std::string SurvivalPlan::text() const {
  using enum sdepth::SurvivalPhase;
  const std::string part = sdepth::decimal(100 * length_, 6) + " % of the run";
  if (phase_ == early) return " in the first " + part;
  if (phase_ == late) return " after the first " + part;
  if (phase_ == warm_up) return " after a warm-up of " + (steps_ > 0 ? part : sdepth::decimal(length_, 9) + " epochs");
  return "";
}

}  // namespace programs
