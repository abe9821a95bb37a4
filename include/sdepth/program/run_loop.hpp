// The loop of a run: steps, epochs, and what is saved behind each.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <iostream>
#include <limits>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/card.hpp>
#include <sdepth/program/classify.hpp>
#include <sdepth/program/run.hpp>
#include <sdepth/program/run_words.hpp>
#include <sdepth/program/signals.hpp>
#include <sdepth/program/stored_options.hpp>
#include <sdepth/train/batches.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

[[nodiscard]] inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// What to do where a network that is being trained computes no numbers any more.
inline constexpr std::string_view when_diverged =
    "the training has diverged, so nothing of this epoch is kept; begin another run with a lower --lr, or with a --warm-up";

inline int Run::go() {
  while (true) {
    if (stops_early()) break;
    if (learner_->steps() < total_steps() && !train_epoch()) {
      save_checkpoint(SavedAt::interruption);
      progress_.clear();
      say_stopped();
      return 130;
    }
    if (sums_.steps > 0) {
      const auto start = std::chrono::steady_clock::now();
      end_epoch();
      time_limit_.add_epoch_end(seconds_since(start));
    }
    if (learner_->steps() >= total_steps()) break;
  }
  make_models_again();
  if (folder_.writes() && !stop_asked) classify();
  if (options_.block_harm) {
    if (stops()) {
      say_stopped();
      return 130;
    }
    measure_block_harm();
  }
  say_summary();
  return 0;
}

/// Models that are not in the folder any more when a run goes on that has ended.
inline void Run::make_models_again() {
  std::error_code none;
  const auto missing = [&](const std::filesystem::path& model) {
    return folder_.writes() && !rows_.empty() && !std::filesystem::exists(model, none);
  };
  if (missing(folder_.model())) save_model(folder_.model(), rows_.back().epoch);
  if (options_.ema > 0 && missing(folder_.average_model())) {
    learner_->swap_average();
    save_model(folder_.average_model(), rows_.back().epoch);
    learner_->swap_average();
  }
  if (options_.keep_best && missing(folder_.best_model())) {
    if (best_row() + 1 == rows_.size())
      write_file_atomically(folder_.best_model(), read_whole_file(folder_.model()));
    else
      std::cerr << program_ << ": note: best.safetensors, the model of epoch " << rows_[best_row()].epoch
                << ", is not in " << folder_.path().string() << " any more, and nothing of it is left\n";
  }
}

inline void Run::classify() {
  const bool tested = data_.test.size() > 0;
  if (rows_.empty() || (!tested && data_.validation.size() == 0)) return;
  leave_signals_alone();  // the run is complete and saved
  learner_->set_survival(survival_in(rows_.back().epoch));
  classification_ =
      classify_set(*learner_, tested ? data_.test : data_.validation, tested ? "test" : "validation", data_,
                   {.batch = options_.batch, .threads = threads_, .skip_broken = options_.skip_broken});
  write_report();
}

inline void Run::measure_block_harm() {
  leave_signals_alone();  // the run is complete and saved
  const bool validated = data_.validation.size() > 0;
  const AnySource& set = validated ? data_.validation : data_.test;
  const std::vector<double> survival = survival_in(std::max(1, rows_.back().epoch));  // the last trained with
  learner_->set_survival(survival);
  const auto point = [&](const DepthPlan& plan) {
    const Score score = evaluate(set, "so the harm of a block cannot be measured", plan);
    return std::pair(score.loss, percent_wrong(score));
  };
  const auto [whole_loss, whole_error] = point({});
  harm_ = {validated ? "validation" : "test", whole_error, {}};
  DepthPlan plan{std::vector<std::uint8_t>(survival_.size(), 1)};
  CsvLog table;
  if (folder_.writes())
    table = CsvLog::create(folder_.path() / "harm.csv", "block,survival,loss,error,whole_loss,whole_error");
  for (std::size_t block = 0; block < plan.keep.size(); ++block) {
    plan.keep[block] = 0;
    const auto [loss, error] = point(plan);
    plan.keep[block] = 1;
    if (folder_.writes()) table.row(block, survival[block], loss, error, whole_loss, whole_error);
    harm_.without.push_back(error);
  }
  table.flush();
  if (folder_.writes()) write_report();
}

inline bool Run::train_epoch() {
  using Clock = std::chrono::steady_clock;
  constexpr double checkpoint_seconds = 300;  // how much work a kill in the middle of a long epoch may cost
  Clock::time_point saved = Clock::now(), before = saved;
  // of an epoch that goes on here, by a process that is gone
  const std::int64_t images_before = sums_.images;
  const double seconds_before = sums_.seconds;
  // a step that a device still computes while the next batch is prepared
  struct Begun {
    std::uint64_t step;
    std::vector<std::uint8_t> gates;
    double learning_rate, gradient;
  };
  std::deque<Begun> begun;
  const auto finish_one = [&] {
    const Begun one = std::move(begun.front());
    begun.pop_front();
    const Score score = learner_->finish();
    folder_.add_step(one.step, score.loss, one.gates, one.learning_rate);

    const Clock::time_point now = Clock::now();
    const double seconds = std::chrono::duration<double>(now - std::exchange(before, now)).count();
    sums_.seconds += seconds;
    seconds_here_ += seconds;
    ++sums_.steps;
    sums_.images += score.images;
    sums_.errors += score.errors;
    sums_.blocks_run += score.blocks_run;
    sums_.loss += score.loss * static_cast<double>(score.images);
    if (!std::isnan(one.gradient)) {
      sums_.gradient += one.gradient;
      ++sums_.gradient_steps;
    }
    const double rate = static_cast<double>(sums_.images - images_before) / (sums_.seconds - seconds_before);
    const auto images_left = static_cast<double>(total_steps() - learner_->steps()) * options_.batch;
    progress_.show("epoch " + std::to_string(epoch_ + 1) + ", step " + std::to_string(sums_.steps) + " of " +
                       std::to_string(loader_.steps()),
                   score.loss, rate, images_left / rate);
    if (options_.time_limit > 0) keep_time_limit(seconds);
  };
  const auto finish_all = [&] {
    while (!begun.empty()) finish_one();
  };
  loader_.start(epoch_ + 1, sums_.steps);
  while (const Batch* batch = loader_.next()) {
    const std::uint64_t step = learner_->steps();
    const double rate = learning_rate_.at(step, epoch_ + 1);
    learner_->set_learning_rate(rate);
    learner_->start(batch->images, targets_of<Learner>(*batch), forced_gates());
    const auto gates = learner_->gates();
    begun.push_back({step, {gates.begin(), gates.end()}, rate, learner_->first_gradient()});
    if (begun.size() > learner_->ahead()) finish_one();

    if (learner_->steps() >= total_steps()) break;
    if (stops()) {
      finish_all();
      return false;
    }
    if (folder_.writes() && seconds_since(saved) > checkpoint_seconds) {
      finish_all();
      save_checkpoint(SavedAt::interruption);
      saved = before = Clock::now();
    }
  }
  finish_all();
  return true;
}

inline void Run::keep_time_limit(double seconds) {
  const RunLength wanted{options_.epochs, options_.steps};
  const auto done = static_cast<std::int64_t>(learner_->steps());
  RunLength length = time_limit_.length_behind_step(seconds, wanted, done, loader_.steps());
  if (others_) length = from_rank_0(*others_, length);  // whose clock counts: all must end at the same step
  if (length == wanted) return;
  const auto text = [](const RunLength& l) {
    return l.epochs > 0 ? with_commas(static_cast<std::uint64_t>(l.epochs)) + " epochs"
                        : with_commas(static_cast<std::uint64_t>(l.steps)) + " steps";
  };
  progress_.clear();
  std::cerr << program_ << ": note: --time-limit " << decimal(options_.time_limit, 6) << " is enough for "
            << text(length) << " and not for " << text(wanted) << "; the schedule ends there as well\n";
  options_.epochs = length.epochs;
  options_.steps = length.steps;
  learning_rate_ = LearningRatePlan(options_, loader_.steps());
  survival_plan_ = SurvivalPlan(options_, loader_.steps());
  learner_->set_survival(survival_in(epoch_ + 1));
}

inline void Run::end_epoch() {
  const double images = static_cast<double>(sums_.images);
  const Score validation = evaluate(data_.validation, when_diverged);
  const Score test = evaluate(data_.test, when_diverged);
  EpochRow row{epoch_ + 1,
               sums_.loss / images,
               100.0 * static_cast<double>(sums_.errors) / images,
               percent_wrong(validation),
               percent_wrong(test),
               sums_.seconds,
               static_cast<double>(sums_.blocks_run) / sums_.steps,
               learning_rate_.at(learner_->steps() - 1, epoch_ + 1),
               sums_.gradient_steps > 0 ? sums_.gradient / sums_.gradient_steps
                                        : std::numeric_limits<double>::quiet_NaN()};
  save_model(folder_.model(), row.epoch);  // first, as it refuses weights that are not finite
  if (options_.ema > 0) judge_average(row);
  rows_.push_back(row);
  if (folder_.writes() && options_.keep_best && best_row() + 1 == rows_.size())
    write_file_atomically(folder_.best_model(), read_whole_file(folder_.model()));
  folder_.add_epoch(row, learner_->steps());
  progress_.clear();
  std::cout << "epoch " << row.epoch << "   loss " << fixed_point(row.train_loss, 4) << "   error: train "
            << percent(row.train_error) << ", validation " << percent(row.validation_error) << ", test "
            << percent(row.test_error);
  if (options_.ema > 0)
    std::cout << "   of the average: validation " << percent(row.average_validation_error) << ", test "
              << percent(row.average_test_error);
  std::cout << "   blocks " << decimal(row.blocks_run, 4) << " of " << facts_.residual_blocks << "   lr "
            << decimal(row.learning_rate, 3) << "   " << duration_text(row.seconds) << std::endl;

  if (folder_.writes()) write_report();
  // else --steps ended the run within the epoch, and a longer --steps may go on in it
  if (sums_.steps == loader_.steps()) {
    ++epoch_;
    sums_ = {};
    learner_->set_survival(survival_in(epoch_ + 1));  // of the next epoch, as the checkpoint is
  }
  save_checkpoint(SavedAt::end);
}

inline void Run::save_model(const std::filesystem::path& path, int epoch) {
  if (!folder_.writes()) return;
  const ModelCard card{options_.model,     options_.data,       options_.scaling,
                       survival_in(epoch), data_.normalization, data_.class_names};
  learner_->save_model(path, to_metadata(card));
}

inline void Run::judge_average(EpochRow& row) {
  learner_->swap_average();
  row.average_validation_error = percent_wrong(evaluate(data_.validation, when_diverged));
  row.average_test_error = percent_wrong(evaluate(data_.test, when_diverged));
  save_model(folder_.average_model(), row.epoch);
  learner_->swap_average();
}

inline void Run::save_checkpoint(SavedAt at) {
  if (!folder_.writes()) return;
  folder_.flush();
  nlohmann::json program = {{"options", to_stored(options_)},
                            {"epoch_in_progress",
                             {{"steps", sums_.steps},
                              {"images", sums_.images},
                              {"errors", sums_.errors},
                              {"blocks_run", sums_.blocks_run},
                              {"loss", sums_.loss},
                              {"gradient", sums_.gradient},
                              {"gradient_steps", sums_.gradient_steps}}}};
  // At the end of a run, or of an epoch, the seconds are in its row, and equal runs have equal checkpoints.
  if (at == SavedAt::interruption) program["epoch_in_progress"]["seconds"] = sums_.seconds;
  if (pictures_) program["pictures"] = *pictures_;
  if (options_.time_limit > 0) program["seconds"] = time_limit_.spent();
  learner_->save_checkpoint(folder_.checkpoint(), epoch_, program.dump());
}

inline std::size_t Run::best_row() const {
  // Tables hold nine digits, which a run that goes on reads back: what differs by less is equal.
  constexpr double equal = 1e-6;
  std::size_t best = 0;
  for (std::size_t i = 1; i < rows_.size(); ++i)
    if (rows_[i].validation_error < rows_[best].validation_error - equal) best = i;
  return best;
}

inline bool Run::stops_early() const {
  return options_.early_stopping > 0 &&
         rows_.size() > best_row() + static_cast<std::size_t>(options_.early_stopping);
}

inline std::uint64_t Run::total_steps() const {
  if (options_.steps > 0) return static_cast<std::uint64_t>(options_.steps);
  return static_cast<std::uint64_t>(options_.epochs) * static_cast<std::uint64_t>(loader_.steps());
}

inline int Run::last_epoch() const {
  const auto steps = static_cast<std::uint64_t>(loader_.steps());
  return static_cast<int>((total_steps() + steps - 1) / steps);
}

inline std::vector<std::uint8_t> Run::forced_gates() const {
  return gates_.empty() ? std::vector<std::uint8_t>() : gates_[learner_->steps()];
}

}  // namespace sdepth::inline SDEPTH_ISA::program
