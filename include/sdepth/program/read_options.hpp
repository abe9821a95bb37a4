// The command line of a training program, by CLI11.
#pragma once

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/core/version.hpp>
#include <sdepth/program/choices.hpp>
#include <sdepth/program/cli11.hpp>
#include <sdepth/program/command_line.hpp>
#include <sdepth/program/networks.hpp>
#include <sdepth/program/options.hpp>
#include <sdepth/program/options_file.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Defaults that depend on other options; what was given stays.
inline void fill_in_recipe(CommandLine& line, const Networks& networks) {
  Options& o = line.options;
  const auto network = std::ranges::find(networks, o.model, &Trainable::name);
  const int residual_blocks = network == networks.end() ? 0 : network->facts().residual_blocks;
  const auto given = [&](const char* name) { return line.given.contains(name); };
  if (o.optimizer == "adamw") {
    if (!given("lr")) o.learning_rate = AdamW::Options{}.learning_rate;
    if (!given("weight-decay")) o.weight_decay = AdamW::Options{}.weight_decay;
  }
  const Recipe recipe = recipe_of(o.data, residual_blocks);
  if (o.epochs == 0 && o.steps == 0) o.epochs = recipe.epochs;
  if (!given("validation")) o.validation = recipe.validation;
  if (!given("augment")) o.augment = recipe.augment;
  if (!given("lr-drop") && o.data == "svhn") o.drops = "0.6,0.7";
  if (!given("warm-up") && !given("lr") && o.learning_rate_schedule == "steps" && o.epochs > 0)
    o.warm_up = recipe.learning_rate.warm_up_epochs;
}

/// Throws Error where options of a new run do not go together.
inline void check_together(const CommandLine& line) {
  const Options& o = line.options;
  const bool adamw = o.optimizer == "adamw";
  for (const char* name : {"momentum", "nesterov"})
    if (adamw && line.given.contains(name))
      fail("--", name, " is an option of SGD, and this run has --optimizer adamw; leave it out");
  for (const char* name : {"beta1", "beta2", "epsilon"})
    if (!adamw && line.given.contains(name))
      fail("--", name, " is an option of AdamW; add --optimizer adamw, or leave it out");
  if (o.rounding == "stochastic" && o.precision != "bf16")
    fail(
        "--rounding stochastic is of activations in bfloat16, and --precision float32 rounds none; add --precision bf16, or leave it out");
  if (o.batch == 1 && (o.mixup > 0 || o.cutmix > 0))
    fail("--", o.mixup > 0 ? "mixup" : "cutmix",
         " mixes the pictures of a batch, and --batch 1 has one; choose a larger --batch");
  static_cast<void>(beginnings_of(o.freeze));
}

/// --augment, --augment NAME and --no-augment. A file of options may say true and false.
inline void add_augmentation(CLI::App& app, CommandLine& line, const std::string& help) {
  const auto set = [&line](const std::string& kind) {
    Options& o = line.options;
    o.augment = kind != "none" && kind != "false";
    o.augmentation = kind == "paper" || kind == "imagenet" ? kind : "";
    line.given.insert("augment");
    if (!o.augmentation.empty()) line.given.insert("augmentation");
  };
  std::vector<std::string> kinds = augmentation_choices;
  kinds.insert(kinds.end(), {"true", "false"});
  CLI::Option* augment = app.add_option_function<std::string>("--augment", set, help)
                             ->expected(0, 1)
                             ->type_name("{paper,imagenet,none}")
                             ->check(CLI::IsMember(kinds).name(""));
  app.add_flag_callback(
         "--no-augment", [set] { set("none"); }, "the same as --augment none")
      ->check(true_or_false())
      ->excludes(augment);
}

/// Reads the command line; defaults that depend on data set and model are the paper's. Prints help where
/// asked for, and throws HelpWasAsked then. Throws Error with a sentence for whatever is wrong with it.
/// @param networks  at least one   @param defaults  of the options that are not given
[[nodiscard]] inline CommandLine read_command_line(int count, char** words, const Networks& networks,
                                                   const Options& defaults = {}) {
  const std::vector<std::string> models = names_of(networks);
  CommandLine line;
  line.program = count > 0 ? std::filesystem::path(words[0]).filename().string() : "train";
  line.options = defaults;
  if (line.options.model.empty()) line.options.model = models.front();
  CLI::App app(
      "Trains a residual network with stochastic depth. Defaults are the recipe of Huang et al., ECCV 2016.",
      line.program);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  app.get_formatter()->column_width(36);
  for_each_option(line.options, models,
                  [&]<class Value, class... Check>(const std::string& name, Value& value,
                                                   const std::string& help, Check... check) {
                    if (name == "augmentation") return;
                    if (name == "augment") return add_augmentation(app, line, help);
                    if constexpr (std::is_same_v<Value, bool>) {
                      app.add_flag("--" + name + ",!--no-" + name, value, help)
                          ->check(true_or_false())
                          ->multi_option_policy(CLI::MultiOptionPolicy::Throw);
                    } else {
                      const bool obvious = name != "epochs" && name != "steps" &&
                                           !name.starts_with("limit") && name != "validation";
                      CLI::Option* option = app.add_option("--" + name, value, help);
                      if (obvious) option->capture_default_str();
                      if constexpr (sizeof...(check) == 0) option->check(some_text());
                      (option->transform(check), ...);
                    }
                  });
  app.get_option("--epochs")->excludes(app.get_option("--steps"));
  app.add_option("--threads", line.threads, "threads; the result does not depend on it")
      ->transform(whole_number(1, most_threads))
      ->capture_default_str();
  app.add_option("--memory", line.memory,
                 "GB of memory that the run may take (default: what the machine has free)")
      ->transform(finite_number(0.001));
  app.add_option("--device", line.device, "where the network is trained: on the processor, or on a GPU")
      ->check(CLI::IsMember(std::vector<std::string>{"cpu", "cuda"}))
      ->capture_default_str();
  app.add_flag("--tf32", line.tf32, "on a GPU: convolve on tensor cores, with factors rounded to 10 bits")
      ->check(true_or_false())
      ->needs(app.get_option("--device"));
  auto* out = app.add_option(
      "--out", line.out, "folder for model, checkpoint, tables and report; without it nothing is written");
  auto* resume =
      app.add_option("--resume", line.resume, "go on with the run in this folder, with its options")
          ->type_name("DIR");
  out->type_name("DIR")->check(some_text());
  resume->check(some_text());
  app.get_option("--data-dir")->type_name("DIR");
  for (const char* name : {"--init", "--gates"}) app.get_option(name)->type_name("FILE");
  app.add_flag("--summary", line.summary,
               "print the layers of the network that --model names, and train nothing");
  app.set_version_flag("--version", line.program + " (sdepth " + std::string(version_text) + ")",
                       "print the version, and train nothing");
  app.set_config("--config", "",
                 "read options from a file of lines `lr = 0.05`; those of the command line win")
      ->check(some_text())
      ->type_name("FILE");
  app.config_formatter(std::make_shared<OptionsFile>(app));
  parse(app, count, words);
  if (line.tf32 && line.device != "cuda") fail("--tf32 is for GPUs; add --device cuda, or leave it out");
  for_each_option(line.options, models, [&](const std::string& name, const auto&...) {
    if (name != "augmentation" && app.get_option("--" + name)->count() > 0) line.given.insert(name);
  });
  static_cast<void>(drops_of(line.options.drops, 1));
  if (phase_of(line.options.survival_over_time).phase != SurvivalPhase::constant &&
      line.options.survival_warm_up > 0)
    fail(
        "--survival-warm-up and --survival-over-time both say when blocks are skipped; give one of them, such as --survival-over-time ",
        line.options.survival_over_time);
  if (line.options.block_harm && line.out.empty() && line.resume.empty())
    fail("--block-harm writes harm.csv and a plot into the folder of the run; name one by --out");
  if (line.options.tensorboard && line.out.empty() && line.resume.empty())
    fail("--tensorboard writes a file of events into the folder of the run; name one by --out");
  if (!line.resume.empty()) return line;
  fill_in_recipe(line, networks);
  check_together(line);
  return line;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
