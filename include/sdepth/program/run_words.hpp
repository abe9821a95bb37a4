// What a run says of itself: its title, its report, and the sentences at its end.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include <sdepth/program/report.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/run.hpp>
#include <sdepth/program/stored_options.hpp>
#include <sdepth/train/score.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

[[nodiscard]] inline std::string gigabytes_text(double bytes) { return decimal(bytes / 1e9, 3) + " GB"; }

[[nodiscard]] inline std::string percent(double error) {
  return std::isnan(error) ? "–" : fixed_point(error, 2) + " %";
}

[[nodiscard]] inline double percent_wrong(const Score& score) {
  return 100.0 * score.error_rate();  // not-a-number, where there are no images
}

inline std::string Run::title() const {
  std::string text = options_.model + " on " + options_.data;
  if (options_.schedule == "linear") text += ", stochastic depth from 1 to " + decimal(options_.survival, 4);
  if (options_.schedule == "uniform") text += ", stochastic depth at " + decimal(options_.survival, 4);
  if (options_.schedule == "network" && std::ranges::any_of(survival_, [](double p) { return p < 1; }))
    text += ", stochastic depth as the network's type says";
  return options_.schedule == "none" ? text : text + survival_plan_.text();
}

inline std::vector<double> Run::survival_in(int epoch) const { return survival_plan_.at(survival_, epoch); }

inline void Run::write_report() const {
  RunReport report;
  report.title = title();
  report.rows = rows_;
  report.residual_blocks = facts_.residual_blocks;
  report.expected_blocks = std::accumulate(survival_.begin(), survival_.end(), 0.0);
  report.harm = harm_;
  report.layers = facts_.layers;
  report.survival = survival_;
  report.classification = classification_;
  const ActivationBytes activations = activations_of(survival_);
  report.facts = {
      {"parameters", with_commas(facts_.parameters)},
      {"operations per image", decimal(facts_.operations / 1e6, 4) + " million, forward, all blocks"},
      {"activations of a step", gigabytes_text(activations.mean) + " on average, at most " +
                                    gigabytes_text(activations.likely) + " to be expected, " +
                                    gigabytes_text(activations.all_open) + " were every block open"},
      {"training images", with_commas(static_cast<std::uint64_t>(data_.train.size()))},
      {"validation images", with_commas(static_cast<std::uint64_t>(data_.validation.size()))},
      {"test images", with_commas(static_cast<std::uint64_t>(data_.test.size()))}};
  for (const auto& [name, value] : shown_options(options_)) report.facts.emplace_back("--" + name, value);
  program::write_report(folder_.path() / "report.html", report);
}

inline void Run::say_stopped() const {
  std::cerr << program_ << ": stopped after step " << learner_->steps() << " of " << total_steps() << "; "
            << (folder_.writes() ? "go on with `" + program_ + " --resume " + folder_.path().string() + "`"
                                 : "nothing was kept, as --out was not given")
            << '\n';
}

inline void Run::say_summary() const {
  double seconds = 0, blocks = 0;
  for (const EpochRow& row : rows_)
    seconds += row.seconds, blocks += row.blocks_run / static_cast<double>(rows_.size());
  // The paper's rule: the test error at the epoch of the lowest validation error. Without validation, the
  // last epoch's.
  auto best = rows_.end() - 1;
  const bool validated = data_.validation.size() > 0;
  if (validated)
    best = std::min_element(rows_.begin(), rows_.end(), [](const auto& a, const auto& b) {
      return a.validation_error < b.validation_error;
    });

  std::cout << title() << ": " << learner_->steps() << " steps in " << duration_text(seconds) << "\n";
  if (data_.test.size() > 0)
    std::cout << "Test error " << percent(best->test_error) << " after epoch " << best->epoch
              << (validated ? ", the one with the lowest validation error, " + percent(best->validation_error)
                            : ", the last")
              << "\n";
  if (blocks < facts_.residual_blocks) {
    double saved = 0;
    for (const EpochRow& row : rows_) {
      const std::vector<double> survival = survival_in(row.epoch);
      for (std::size_t block = 0; block < survival.size(); ++block)
        saved +=
            (1.0 - survival[block]) * facts_.branch_operations[block] / static_cast<double>(rows_.size());
    }
    std::cout << "Of " << facts_.residual_blocks << " residual blocks a step ran " << fixed_point(blocks, 1)
              << " on average";
    if (gates_.empty())
      std::cout << "; skipping saves " << fixed_point(100.0 * saved / facts_.operations, 1)
                << " % of the arithmetic of training";
    std::cout << "\n";
  } else {
    std::cout << "All " << facts_.residual_blocks << " residual blocks ran in every step\n";
  }
  if (options_.data == "folder" && seconds_here_ > 0)
    std::cout << "Steps waited for pictures " << fixed_point(100 * loader_.waited() / seconds_here_, 1)
              << " % of their time\n";
  if (const std::map<int, std::string> broken = loader_.broken(); !broken.empty())
    std::cout << broken.size() << " of " << data_.train.size()
              << " training pictures cannot be read and were left out, the first of them: "
              << broken.begin()->second << "\n";
  if (others_ && learner_->steps() > first_step_) {
    const Communicator::Traffic traffic = others_->traffic();
    const double steps = static_cast<double>(learner_->steps() - first_step_);
    std::cout << others_->ranks() << " processes: a step sent "
              << decimal(1e-6 * static_cast<double>(traffic.summed_bytes) / steps, 3)
              << " MB of gradients from this one, and waited "
              << decimal(1e3 * (traffic.waited + traffic.waited_for_sums) / steps, 3)
              << " ms for the others, evaluation counted\n";
  }
  if (folder_.writes())
    std::cout << "Curves, tables and weights are in " << folder_.path().string() << ": see report.html\n";
}

}  // namespace sdepth::inline SDEPTH_ISA::program
