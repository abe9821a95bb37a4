// A training run: the loop over epochs and steps, and all that is written meanwhile. Its parts are in
// run_start, run_loop and run_words.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/fingerprint.hpp>
#include <sdepth/data/loader.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/program/report.hpp>
#include <sdepth/network/training_memory.hpp>
#include <sdepth/program/learner.hpp>
#include <sdepth/program/networks.hpp>
#include <sdepth/program/options.hpp>
#include <sdepth/program/plans.hpp>
#include <sdepth/program/progress.hpp>
#include <sdepth/program/run_data.hpp>
#include <sdepth/program/run_folder.hpp>
#include <sdepth/program/signals.hpp>
#include <sdepth/program/together.hpp>
#include <sdepth/program/time_limit.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Sums over the steps of the epoch in progress. Part of the checkpoint; but the seconds, which differ
/// between equal runs, only where a run is interrupted.
struct EpochSums {
  int steps = 0;
  std::int64_t images = 0;
  std::int64_t errors = 0;
  std::int64_t blocks_run = 0;
  double loss = 0;      // sum over images
  double gradient = 0;  // sum of Learner::first_gradient over the steps in which the first block ran
  int gradient_steps = 0;
  double seconds = 0;
};

class Run {
 public:
  /// A new run, or with a checkpoint one that goes on. Throws Error where data, weights, gates or folder are
  /// not as they must be.
  Run(const Networks& networks, const Options& options, const CommandLine& line,
      const std::optional<Checkpoint>& checkpoint);

  /// Trains to the end. Returns the program's exit status: 0, or 130 where a signal (Ctrl-C) stopped it.
  [[nodiscard]] int go();

 private:
  void begin(const CommandLine& line);
  [[nodiscard]] Fingerprint fingerprint_of_pictures() const;
  /// @param pictures  fingerprint_of_pictures()   @param step  that the run begins at
  void check_that_all_are_alike(const Fingerprint& pictures, std::uint64_t step) const;
  /// Of each batch, where several processes make the run.
  [[nodiscard]] BatchShare share() const {
    return others_ ? BatchShare{others_->rank(), others_->ranks(), facts_.batch_parts} : BatchShare{};
  }
  /// Whether a signal has asked any of the processes to stop; all must ask together.
  [[nodiscard]] bool stops() const { return others_ ? on_any(*others_, stop_asked != 0) : stop_asked != 0; }
  void go_on(const Checkpoint& checkpoint, const std::string& folder);

  /// Steps until the epoch ends, the run ends, or a signal comes; returns false for the signal.
  [[nodiscard]] bool train_epoch();
  void end_epoch();
  /// Behind a step that took so long: makes the run shorter where --time-limit would end before it, and says
  /// so.
  void keep_time_limit(double seconds);
  /// Throws Error where the steps of this run need more memory than there is.
  void check_memory(double gigabytes) const;
  [[nodiscard]] Score evaluate(const AnySource& set, std::string_view advice, const DepthPlan& plan = {},
                               int most = std::numeric_limits<int>::max());
  /// Removes each block alone and writes what that does.
  void measure_block_harm();
  void make_models_again();
  /// Looks at the mistakes of the trained network, for the report.
  void classify();
  /// Judges the average of the weights, and saves it.
  void judge_average(EpochRow& row);
  void save_model(const std::filesystem::path& path, int epoch);
  enum class SavedAt { interruption, end };
  void save_checkpoint(SavedAt at);
  void write_report() const;
  void say_stopped() const;
  void say_summary() const;

  [[nodiscard]] std::uint64_t total_steps() const;
  /// The row of the lowest validation error, the first of equal ones; 0 where there is no row.
  [[nodiscard]] std::size_t best_row() const;
  /// Whether --early-stopping ends the run here: a function of the table, so a run that goes on ends where it
  /// would have.
  [[nodiscard]] bool stops_early() const;
  [[nodiscard]] int last_epoch() const;
  [[nodiscard]] std::vector<std::uint8_t> forced_gates() const;
  [[nodiscard]] std::string title() const;
  [[nodiscard]] ActivationBytes activations_of(const std::vector<double>& survival) const;
  /// p_l of the residual blocks in an epoch, 1-based.
  [[nodiscard]] std::vector<double> survival_in(int epoch) const;

  TimeLimit time_limit_;  // first: it begins now
  Options options_;
  std::string program_;  // its name, for messages
  Communicator* others_ = nullptr;
  std::uint64_t first_step_ = 0;  // of this process
  double seconds_here_ = 0;       // of its steps
  RunData data_;
  Trainable network_;
  NetworkFacts facts_;
  int threads_ = 1;               // that read pictures
  std::vector<double> survival_;  // where blocks are skipped
  std::unique_ptr<Learner> learner_;
  std::vector<std::vector<std::uint8_t>> gates_;  // forced, a row per step; empty: drawn
  Loader loader_;
  LearningRatePlan learning_rate_;
  SurvivalPlan survival_plan_;
  RunFolder folder_;
  Progress progress_;
  std::vector<EpochRow> rows_;
  BlockHarm harm_;
  Classification classification_;
  std::optional<std::uint64_t> pictures_;  // their fingerprint; none of pictures in folders
  int epoch_ = 0;                          // whole epochs trained
  EpochSums sums_;
};

}  // namespace sdepth::inline SDEPTH_ISA::program
