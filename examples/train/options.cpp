// The command line of train, by CLI11, and the same options as JSON in the checkpoint. One list of options serves both.
#include "options.hpp"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <string_view>

#include <sdepth/core/error.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/text.hpp>

#include "../shared/choices.hpp"

namespace programs {

using sdepth::fail;

namespace {

const CLI::Range at_least_one(1, std::numeric_limits<int>::max());
const CLI::Range at_least_zero(0, std::numeric_limits<int>::max());
const CLI::Range probability(0.0, 1.0);
const CLI::Range not_negative(0.0, std::numeric_limits<double>::max());
/// CLI11 2.1 would read −1 as the largest number there is.
const CLI::Validator digits(
    [](const std::string& text) {
      return text.find_first_not_of("0123456789") == std::string::npos ? "" : text + " is not a whole number from 0 up";
    },
    "UINT");

/// Calls visit(name, member, help, checks…) for each option.
template <class AnyOptions, class Visit>
void for_each_option(AnyOptions& o, Visit&& visit) {
  visit("model", o.model, "the network, 6n + 2 layers", CLI::IsMember(model_names));
  visit("data", o.data, "the data set; synthetic needs no files", CLI::IsMember(data_names));
  visit("data-dir", o.data_dir, "where the data set lies; else it is looked for");
  visit("schedule", o.schedule, "survival probabilities: from 1 to P, the same P, or all 1", CLI::IsMember(schedule_names));
  visit("survival", o.survival, "survival probability of the last block (linear) or of each (uniform)", probability);
  visit("survival-warm-up", o.survival_warm_up, "epochs over which survival probabilities fall from 1 to their values", at_least_zero);
  visit("epochs", o.epochs, "length of the run (cifar: 500, resnet1202: 300, svhn: 50, fashion-mnist: 20, synthetic: 5)", at_least_one);
  visit("steps", o.steps, "length of the run in steps instead of epochs", at_least_one);
  visit("batch", o.batch, "images per step; an epoch's last step may have fewer", at_least_one);
  visit("lr", o.learning_rate, "learning rate", not_negative);
  visit("lr-drop", o.drops, "fractions of the run at which the rate falls to a tenth, rising; 1: never (svhn: 0.6,0.7)");
  visit("warm-up", o.warm_up, "epochs at a tenth of the rate first (resnet1202 without --lr: 10; short runs of resnet110 need 1)",
        at_least_zero);
  visit("momentum", o.momentum, "momentum of SGD", CLI::Range(0.0, 0.999999));
  visit("weight-decay", o.weight_decay, "weight decay, on every parameter", not_negative);
  visit("nesterov", o.nesterov, "Nesterov's momentum, or the plain one");
  visit("augment", o.augment, "shift and flip training images (svhn: not)");
  visit("shuffle", o.shuffle, "a new order in each epoch, or the data set's");
  visit("limit-train", o.limit_train, "train on the first N records of what is not held out (0: all)", at_least_zero);
  visit("limit-test", o.limit_test, "test on the first N records (0: no test)", at_least_zero);
  visit("validation", o.validation, "hold the last N training records out (cifar: 5000, svhn: 6000, others: 0)", at_least_zero);
  visit("seed", o.seed, "of weights, gates, order and augmentation", digits);
  visit("normalize", o.normalize, "subtract the training part's mean image and divide by one deviation, or divide by 255",
        CLI::IsMember(normalize_names));
  visit("skip-update", o.skip_update, "skipped blocks get weight decay and momentum (as-code), or nothing (frozen)",
        CLI::IsMember(std::vector<std::string>{"as-code", "frozen"}));
  visit("scaling", o.scaling, "branches are scaled by p at test, or by 1/p in training", CLI::IsMember(scaling_names));
  visit("init", o.init, "start from these weights, a safetensors file");
  visit("block-harm", o.block_harm, "at the end measure what the network loses with each block alone: harm.csv, and a plot");
  visit("gates", o.gates, "force the gates: a line per step, 0 or 1 for each block, separated by commas");
}

/// Options that older programs did not have, which did as the defaults do: a checkpoint may lack them.
const std::set<std::string> later_options = {"survival-warm-up", "block-harm"};

/// "0.5,0.75" as numbers. Throws Error unless they rise and are positive.
std::vector<double> drops_of(const std::string& text) {
  std::vector<double> drops;
  for (const std::string_view cell : sdepth::cells_of(text)) {
    double drop = 0;
    const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), drop);
    if (error != std::errc() || end != cell.data() + cell.size() || !(drop > (drops.empty() ? 0.0 : drops.back())))
      fail("--lr-drop ", sdepth::in_quotes(text), ": expected fractions of the run, rising and above 0, such as 0.5,0.75; 1 for no drop");
    drops.push_back(drop);
  }
  return drops;
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
  if (!given("warm-up") && !given("lr") && o.epochs > 0) o.warm_up = recipe.learning_rate.warm_up_epochs;
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
                      (option->check(check), ...);
                    }
                  });
  app.get_option("--epochs")->excludes(app.get_option("--steps"));
  app.add_option("--threads", line.threads, "threads; the result does not depend on it")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--memory", line.memory, "GB of memory that the run may take (default: what the machine has free)")->check(not_negative);
  app.add_option("--device", line.device, "where the network is trained: on the processor, or on a GPU")
      ->check(CLI::IsMember(std::vector<std::string>{"cpu", "cuda"}))
      ->capture_default_str();
  app.add_flag("--tf32", line.tf32, "on a GPU: convolve on tensor cores, with factors rounded to 10 bits")
      ->needs(app.get_option("--device"));
  auto* out = app.add_option("--out", line.out, "folder for model, checkpoint, tables and report; without it nothing is written");
  auto* resume = app.add_option("--resume", line.resume, "go on with the run in this folder, with its options")->type_name("DIR");
  out->type_name("DIR");
  for (const char* name : {"--data-dir"}) app.get_option(name)->type_name("DIR");
  for (const char* name : {"--init", "--gates"}) app.get_option(name)->type_name("FILE");
  try {
    app.parse(count, words);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    std::exit(0);
  } catch (const CLI::ParseError& error) {
    fail(error.what(), "; `train --help` lists the options");
  }
  if (line.tf32 && line.device != "cuda") fail("--tf32 is for GPUs; add --device cuda, or leave it out");
  if (resume->count() > 0 && line.resume.empty()) fail("--resume needs the folder of a run");
  if (out->count() > 0 && line.out.empty()) fail("--out needs the name of a folder");
  for_each_option(line.options, [&](const std::string& name, const auto&...) {
    if (app.get_option("--" + name)->count() > 0) line.given.insert(name);
  });
  const std::vector<double> drops = drops_of(line.options.drops);
  if (!drops.empty() && drops.back() > 1)
    std::cerr << "train: note: --lr-drop takes fractions of the run, so the drop at " << drops.back() << " will not happen\n";
  if (line.resume.empty()) fill_in_recipe(line);
  return line;
}

nlohmann::json to_json(const Options& options) {
  nlohmann::json stored = nlohmann::json::object();
  for_each_option(options, [&](const std::string& name, const auto& value, const auto&...) { stored[name] = value; });
  return stored;
}

Options from_json(const nlohmann::json& stored, const std::string& where) {
  Options options;
  for_each_option(options, [&]<class Value>(const std::string& name, Value& value, const auto&...) {
    const auto found = stored.is_object() ? stored.find(name) : stored.end();
    if (found == stored.end() && later_options.contains(name)) return;
    try {
      found.value().get_to(value);
    } catch (const nlohmann::json::exception&) {
      fail(where, ": the option ", name, " stored in it is missing or unreadable; it was written by another program or version");
    }
  });
  drops_of(options.drops);
  return options;
}

Options resumed_options(const nlohmann::json& stored, const CommandLine& line, const std::string& where) {
  Options options = from_json(stored, where);
  const nlohmann::json before = to_json(options), now = to_json(line.options);
  for_each_option(options, [&]<class Value>(const std::string& name, Value& value, const auto&...) {
    if (!line.given.contains(name) || now[name] == before[name]) return;
    const bool longer = (name == "epochs" || name == "steps") && before[name] > 0 && now[name] > before[name];
    if (!longer && name != "data-dir" && name != "block-harm")  // these change nothing in the run itself
      fail("--", name, " is ", now[name].dump(), ", but the run in ", line.resume, " has ", before[name].dump(),
           "; leave the option out to go on, or start another run with --out");
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

LearningRatePlan::LearningRatePlan(const Options& options) : epochs_(options.epochs), steps_(options.steps) {
  rate_.base = options.learning_rate;
  rate_.warm_up_epochs = options.warm_up;
  rate_.warm_up = 0.1 * options.learning_rate;
  rate_.drops.clear();
  for (const double drop : drops_of(options.drops))
    if (drop < 1) rate_.drops.push_back(drop);
}

double LearningRatePlan::at(std::uint64_t step, int epoch) const {
  if (epoch <= rate_.warm_up_epochs) return rate_.warm_up;
  if (epochs_ > 0) return epoch == 1 ? rate_.base : rate_.at(epoch, epochs_);
  double rate = rate_.base;
  for (const double drop : rate_.drops)
    if (static_cast<double>(step) >= drop * steps_) rate *= rate_.factor;
  return rate;
}

}  // namespace programs
