// What a person asks of a training program: the options, and what each may be. One list serves the command
// line and the checkpoint.
#pragma once

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/core/communicator.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/core/parallel.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/choices.hpp>
#include <sdepth/program/command_line.hpp>
#include <sdepth/program/learner.hpp>
#include <sdepth/schedule/over_time.hpp>
#include <sdepth/train/options.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// The options that decide a run's result. They go into the checkpoint under their names on the command line.
struct Options {
  std::string model{};  // empty: the first that the program has
  std::string data = "fashion-mnist";
  std::string data_dir{};
  std::string schedule = "network";  // as its type says
  double survival = 0.5;
  int survival_warm_up = 0;  // epochs
  std::string survival_over_time = "constant";
  int epochs = 0;  // exactly one of epochs and steps is positive
  int steps = 0;
  int batch = 128;
  double learning_rate = 0.1;
  std::string learning_rate_schedule = "steps";
  std::string drops = "0.5,0.75";
  int warm_up = 0;  // epochs
  std::string warm_up_shape = "constant";
  double momentum = 0.9;
  double weight_decay = 1e-4;
  bool nesterov = true;
  bool augment = true;
  std::string augmentation{};  // how; empty: as the paper, of pictures in folders as for ImageNet
  bool shuffle = true;
  int limit_train = 0;  // 0: all
  int limit_test = -1;  // −1: all, 0: no test
  int validation = 0;
  std::uint64_t seed = 0;
  std::string normalize = "paper";
  std::string skip_update = "as-code";
  std::string scaling = "test";
  std::string init{};
  std::string gates{};
  bool block_harm = false;
  std::string precision = "float32";  // what activations lie in memory as
  std::string rounding = "nearest";   // of activations in bf16
  double test_split = 0;              // of pictures without a test part
  bool skip_broken = false;           // pictures
  bool keep_best = false;             // the model of the lowest validation error beside the last
  bool local_norms = false;           // of several processes each normalises by its own share of a batch
  int early_stopping = 0;             // epochs without a lower one that end the run; 0: none do
  std::string optimizer = "sgd";
  double beta1 = 0.9;  // AdamW's
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double label_smoothing = 0;
  double clip_norm = 0;  // 0: gradients stay as they are
  double ema = 0;        // decay of the weights' average; 0: there is none
  double mixup = 0;      // alpha; 0: pictures are not mixed
  double cutmix = 0;
  double time_limit = 0;  // minutes; 0: there is none
  bool tensorboard = false;
  std::string freeze{};  // beginnings of names, separated by commas
};

/// A command line: the options that decide the result, and those that do not.
struct CommandLine {
  std::string program = "train";  // its name, for messages
  Options options;
  std::set<std::string> given;  // names of the options that stand on it
  int threads = available_threads();
  std::string out;                 // empty: nothing is written
  std::string resume;              // empty: a new run
  double memory = 0;               // GB that the run may take; 0: what the machine has free
  std::string device = "cpu";      // or cuda
  bool tf32 = false;               // on a GPU: convolve by tensor cores
  Communicator* others = nullptr;  // processes that make this run together; null: this one alone
  bool summary = false;            // print the network's layers, and train nothing
};

inline const std::vector<std::string> warm_up_shapes = {"constant", "linear"};

/// Calls visit(name, member, help, check) for each option, without a check where any text but an empty one
/// will do.
/// @param models  the names that --model may have
template <class AnyOptions, class Visit>
void for_each_option(AnyOptions& o, const std::vector<std::string>& models, Visit&& visit) {
  const CLI::Validator at_least_one = whole_number(1), at_least_zero = whole_number(0),
                       probability = finite_number(0, 1), not_negative = finite_number(0),
                       decay = finite_number(0, 0.999999);
  visit("model", o.model, "the network", CLI::IsMember(models));
  visit("data", o.data,
        "the data set; synthetic needs no files, folder is pictures of your own in --data-dir",
        CLI::IsMember(data_choices));
  visit(
      "data-dir", o.data_dir,
      "where the data set lies, else it is looked for; folder: with CLASS/*, train/CLASS/*, train.csv, or a list x.csv");
  visit("schedule", o.schedule,
        "survival probabilities: from 1 to P, the same P, all 1, or as the network's type says",
        CLI::IsMember(schedule_choices));
  visit("survival", o.survival, "survival probability of the last block (linear) or of each (uniform)",
        probability);
  visit("survival-warm-up", o.survival_warm_up,
        "epochs over which survival probabilities fall from 1 to their values", at_least_zero);
  visit(
      "survival-over-time", o.survival_over_time,
      "when blocks are skipped: constant, early:E or late:E (in the first E of the run, or after it), warm-up:E");
  visit("epochs", o.epochs,
        "length of the run (cifar: 500, with 600 blocks 300, svhn: 50, synthetic: 5, others: 20)",
        at_least_one);
  visit("steps", o.steps, "length of the run in steps instead of epochs", at_least_one);
  visit(
      "time-limit", o.time_limit,
      "minutes in which the run ends; where that is too short for all of it, the schedule ends earlier, too",
      not_negative);
  visit("batch", o.batch, "images per step; an epoch's last step may have fewer", at_least_one);
  visit("lr", o.learning_rate, "learning rate (adamw: 0.001)", not_negative);
  visit("lr-schedule", o.learning_rate_schedule,
        "the rate falls by --lr-drop, or on a cosine with every step, rises and falls, or stays",
        CLI::IsMember(learning_rate_names));
  visit("lr-drop", o.drops,
        "steps: fractions of the run at which the rate falls to a tenth, rising; 1: never (svhn: 0.6,0.7)");
  visit("warm-up", o.warm_up,
        "epochs at a tenth of the rate first (600 blocks without --lr: 10; short runs of 54 blocks need 1)",
        at_least_zero);
  visit("warm-up-shape", o.warm_up_shape,
        "the warm-up stays at a tenth of the rate, or rises from there with every step",
        CLI::IsMember(warm_up_shapes));
  visit("optimizer", o.optimizer, "SGD with momentum, or AdamW", CLI::IsMember(optimizer_names));
  visit("momentum", o.momentum, "momentum of SGD", decay);
  visit("weight-decay", o.weight_decay, "weight decay, on every parameter (adamw: 0.01)", not_negative);
  visit("nesterov", o.nesterov, "Nesterov's momentum, or the plain one");
  visit("beta1", o.beta1, "adamw: decay of the gradient's average", decay);
  visit("beta2", o.beta2, "adamw: decay of its square's average", decay);
  visit("epsilon", o.epsilon, "adamw: added to what is divided by", finite_number(1e-30));
  visit("clip-norm", o.clip_norm,
        "scale each step's gradients to this norm where theirs is larger (0: never)", not_negative);
  visit("ema", o.ema,
        "keep a running average of the weights with this decay, too: average.safetensors (0: none)", decay);
  visit("label-smoothing", o.label_smoothing, "share of each target that is spread over all classes",
        probability);
  visit("mixup", o.mixup, "mix each picture with another, by a share from Beta(ALPHA, ALPHA) (0: never)",
        not_negative);
  visit("cutmix", o.cutmix,
        "put a rectangle of another picture into each; with --mixup one of the two a batch (0: never)",
        not_negative);
  visit(
      "augment", o.augment,
      "change training images: shift and flip (paper), take a random part and flip (imagenet, for folders), or not (svhn)");
  visit("augmentation", o.augmentation, "", CLI::IsMember(augmentation_choices));  // --augment's value
  visit("shuffle", o.shuffle, "a new order in each epoch, or the data set's");
  visit("limit-train", o.limit_train, "train on the first N records of what is not held out (0: all)",
        at_least_zero);
  visit("limit-test", o.limit_test, "test on the first N records (0: no test)", at_least_zero);
  visit("validation", o.validation,
        "hold the last N training records out (cifar: 5000, svhn: 6000, others: 0)", at_least_zero);
  visit("seed", o.seed, "of weights, gates, order and augmentation",
        whole_number(0, std::numeric_limits<std::uint64_t>::max()));
  visit("normalize", o.normalize,
        "subtract the training part's mean image and divide by one deviation, or divide by 255",
        CLI::IsMember(normalize_choices));
  visit("skip-update", o.skip_update,
        "skipped blocks get weight decay and momentum (as-code), or nothing (frozen)",
        CLI::IsMember(std::vector<std::string>{"as-code", "frozen"}));
  visit("scaling", o.scaling, "branches are scaled by p at test, or by 1/p in training",
        CLI::IsMember(scaling_names));
  visit("init", o.init,
        "start from these weights, a safetensors file; of other classes all but the last layer");
  visit("freeze", o.freeze,
        "do not train the parameters whose names begin so; several are separated by commas");
  visit("block-harm", o.block_harm,
        "at the end measure what the network loses with each block alone: harm.csv, and a plot");
  visit("precision", o.precision,
        "what activations lie in memory as; bf16 takes half the memory, float32 is exact",
        CLI::IsMember(precision_names));
  visit("rounding", o.rounding,
        "bf16: round what is stored to nearest, or up or down at random, so that the mean is right",
        CLI::IsMember(rounding_names));
  visit("test-split", o.test_split,
        "folder: the part of the pictures that is for the test, where there is no test part",
        finite_number(0, 0.99));
  visit("skip-broken", o.skip_broken, "folder: leave pictures out that cannot be read, and say so");
  visit("keep-best", o.keep_best,
        "keep best.safetensors, the model of the lowest validation error, beside the last");
  visit(
      "local-norms", o.local_norms,
      "of several processes (mpirun) each normalises by its own share of a batch: faster on a network, and another result");
  visit("early-stopping", o.early_stopping,
        "end the run after N epochs without a lower validation error (0: never)", at_least_zero);
  visit("tensorboard", o.tensorboard,
        "write the numbers of steps and epochs for TensorBoard, too, into the folder of the run");
  visit("gates", o.gates, "force the gates: a line per step, 0 or 1 for each block, separated by commas");
}

/// "0.5,0.75" as numbers. Throws Error unless they rise, are positive, and at most `most`.
[[nodiscard]] inline std::vector<double> drops_of(const std::string& text, double most) {
  std::vector<double> drops;
  for (const std::string_view cell : cells_of(text)) {
    double drop = 0;
    if (!read_number(cell, drop) || !(drop > (drops.empty() ? 0.0 : drops.back())) || !(drop <= most))
      fail("--lr-drop ", in_quotes(text),
           ": expected fractions of the run, rising, above 0 and at most 1, such as 0.5,0.75; 1 for no drop");
    drops.push_back(drop);
  }
  return drops;
}
/// What runs of older versions have beyond 1 never happens in them, and is left so.
inline constexpr double any_drop = std::numeric_limits<double>::max();

/// When blocks are skipped.
struct Phase {
  SurvivalPhase phase = SurvivalPhase::constant;
  double fraction = 0;  // of the run
};
/// "early:0.5" as a phase. Throws Error unless it is one with a fraction from 0 to 1, or constant.
[[nodiscard]] inline Phase phase_of(const std::string& text) {
  using enum SurvivalPhase;
  if (text == "constant") return {};
  for (const auto& [name, phase] : {std::pair<std::string_view, SurvivalPhase>("early:", early),
                                    {"late:", late},
                                    {"warm-up:", warm_up}}) {
    double fraction = 0;
    if (text.starts_with(name) && read_number(std::string_view(text).substr(name.size()), fraction) &&
        fraction >= 0 && fraction <= 1)
      return {phase, fraction};
  }
  fail(
      "--survival-over-time ", in_quotes(text),
      ": expected constant, or early:E, late:E or warm-up:E with a fraction of the run from 0 to 1, such as early:0.5");
}

/// "layer1.,conv1" as its parts. Throws Error where one of them is empty.
[[nodiscard]] inline std::vector<std::string> beginnings_of(const std::string& text) {
  std::vector<std::string> all;
  for (const std::string_view cell : cells_of(text)) {
    if (cell.empty())
      fail("--freeze ", in_quotes(text),
           ": expected beginnings of names, separated by commas, found an empty one");
    all.emplace_back(cell);
  }
  return all;
}

/// What the learner is made with.
[[nodiscard]] inline LearnerOptions learner_options(const Options& options, int threads,
                                                    Communicator* others) {
  LearnerOptions all{
      .training = {.batch = options.batch,
                   .threads = threads,
                   .seed = options.seed,
                   .sgd = {.learning_rate = options.learning_rate,
                           .momentum = options.momentum,
                           .weight_decay = options.weight_decay,
                           .nesterov = options.nesterov},
                   .skip_update = options.skip_update == "frozen" ? SkipUpdate::frozen : SkipUpdate::as_code,
                   .scaling = scaling_of(options.scaling),
                   .gamma = GammaInit::one,
                   .loss = {.label_smoothing = options.label_smoothing},
                   .rounding = options.rounding == "stochastic" ? Rounding::stochastic : Rounding::nearest},
      .clip_norm = options.clip_norm,
      .average_decay = options.ema,
      .frozen = beginnings_of(options.freeze),
      .others = others,
      .local_norms = options.local_norms};
  if (options.optimizer == "adamw")
    all.adamw = {options.learning_rate, options.beta1, options.beta2, options.epsilon, options.weight_decay};
  return all;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
