// What a person asks of train: the options, where they come from, and what they mean for the library.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/schedule/over_time.hpp>
#include <sdepth/train/learning_rate.hpp>
#include <sdepth/train/options.hpp>

namespace programs {

/// The options that decide a run's result. They go into the checkpoint under their names on the command line.
struct Options {
  std::string model = "resnet20";
  std::string data = "fashion-mnist";
  std::string data_dir;
  std::string schedule = "linear";
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
  bool shuffle = true;
  int limit_train = 0;  // 0: all
  int limit_test = -1;  // −1: all, 0: no test
  int validation = 0;
  std::uint64_t seed = 0;
  std::string normalize = "paper";
  std::string skip_update = "as-code";
  std::string scaling = "test";
  std::string init;
  std::string gates;
  bool block_harm = false;
  std::string precision = "float32";  // what activations lie in memory as
};

/// A command line: the options that decide the result, and those that do not.
struct CommandLine {
  Options options;
  std::set<std::string> given;  // names of the options that stand on it
  int threads = sdepth::available_threads();
  std::string out;             // empty: nothing is written
  std::string resume;          // empty: a new run
  double memory = 0;           // GB that the run may take; 0: what the machine has free
  std::string device = "cpu";  // or cuda
  bool tf32 = false;           // on a GPU: convolve by tensor cores
};

/// Reads the command line; defaults that depend on data set and model are the paper's. Prints help where asked for, and throws HelpWasAsked then.
/// Throws Error with a sentence for whatever is wrong with it.
[[nodiscard]] CommandLine read_command_line(int count, char** words);

/// Options as a JSON object, for the checkpoint, and back: a text that is no UTF-8, as a path may be, as a list of its bytes.
/// Throws Error where `stored` is not what to_json wrote.
[[nodiscard]] nlohmann::json to_json(const Options& options);
[[nodiscard]] Options from_json(const nlohmann::json& stored, const std::string& where);

/// Names and values of all options but empty ones, for a report.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> shown_options(const Options& options);

/// The options of a run that goes on: those of the checkpoint. Options given again must agree, but --data-dir may name another place, and
/// --epochs or --steps a later end, which moves what is still to come of the learning rate and of the survival probabilities.
/// Throws Error for a contradiction.
[[nodiscard]] Options resumed_options(const nlohmann::json& stored, const CommandLine& line, const std::string& where);

/// What the trainer is made with.
[[nodiscard]] sdepth::TrainingOptions training_options(const Options& options, int threads);

/// The learning rate of each step.
class LearningRatePlan {
 public:
  LearningRatePlan(const Options& options, int steps_per_epoch);
  /// @param step  of the run, 0-based   @param epoch  1-based
  ///
  /// Cosine and one-cycle go on with every step. Steps fall, with --epochs E, at a drop d in the first epoch e ≥ d·E, as the authors' program
  /// counts, but never in epoch 1; with --steps N from step d·N on. Both as exactly as sdepth::reached says. A drop at 1 never takes effect.
  /// The first --warm-up epochs run at a tenth of the rate, or rise to it from there with every step.
  [[nodiscard]] double at(std::uint64_t step, int epoch) const;

 private:
  [[nodiscard]] double after_warm_up(std::uint64_t step, int epoch) const;

  std::variant<sdepth::ConstantRate, sdepth::StepDecay, sdepth::CosineAnnealing, sdepth::OneCycle> schedule_;
  sdepth::LinearWarmUp<sdepth::ConstantRate> rising_;  // a factor of the rate
  double constant_warm_up_ = 0;                        // rate
  int warm_up_epochs_ = 0;                             // at that rate
  int epochs_;                                         // 0: the run is counted in steps
  std::int64_t steps_;
};

/// The survival probabilities of each epoch.
class SurvivalPlan {
 public:
  SurvivalPlan(const Options& options, int steps_per_epoch);

  /// Those of an epoch, 1-based, are those of the place in the run where it begins. @param survival  p_l where the schedule is at work
  [[nodiscard]] std::vector<double> at(std::span<const double> survival, int epoch) const;
  /// When blocks are skipped, to stand behind the name of the schedule: " after a warm-up of 3 epochs". Empty: always.
  [[nodiscard]] std::string text() const;

 private:
  sdepth::SurvivalPhase phase_ = sdepth::SurvivalPhase::constant;
  double length_ = 0;  // of the run's beginning
  double steps_ = 0;   // of the run, of which length_ is a fraction; 0: length_ counts epochs
  double steps_per_epoch_ = 0;
};

}  // namespace programs
