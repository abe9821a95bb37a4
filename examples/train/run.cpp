// The training run; see run.hpp.
#include "run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <limits>
#include <numeric>
#include <optional>
#include <string_view>
#include <utility>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/json.hpp>
#include <sdepth/io/machine_memory.hpp>
#include <sdepth/io/text.hpp>

#include "../shared/choices.hpp"
#include "stop.hpp"

namespace programs {

using sdepth::fail;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Slots of gradients and of activations at test, and the batch itself, as tensors of the largest size: a guess. With it ResNet-110, batch 128, every block
/// open, is said to take 0.92 GB; measured: 0.93 GB resident, of which 0.05 GB are program and data.
constexpr double tensors_on_their_way = 8;

std::string gigabytes_text(double bytes) { return sdepth::decimal(bytes / 1e9, 3) + " GB"; }

std::string percent(double error) { return std::isnan(error) ? "–" : sdepth::fixed_point(error, 2) + " %"; }

double percent_wrong(const sdepth::Score& score) {
  return score.images > 0 ? 100.0 * score.error_rate() : std::numeric_limits<double>::quiet_NaN();
}

/// Of a number of an activation.
std::size_t stored_bytes(const Options& options) { return options.precision == "bf16" ? sizeof(sdepth::bfloat16) : sizeof(float); }

/// What to do where a network that is being trained computes no numbers any more.
constexpr std::string_view when_diverged =
    "the training has diverged, so nothing of this epoch is kept; begin another run with a lower --lr, or with a --warm-up";

}  // namespace

Run::Run(const Options& options, const CommandLine& line, const std::optional<sdepth::Checkpoint>& checkpoint)
    : options_(options),
      data_(load_run_data(options)),
      facts_(for_pictures(data_.train, gray_network_facts, colour_network_facts, colour_100_network_facts)(options.model)),
      survival_(survival_table(options.schedule, options.survival, facts_.residual_blocks)),
      loader_(data_.train, data_.normalization,
              {.batch = options.batch, .shuffle = options.shuffle, .augment = options.augment, .seed = options.seed}),
      learning_rate_(options, loader_.steps()),
      survival_plan_(options, loader_.steps()) {
  listen_to_signals();
  if (options.block_harm && data_.validation.size() + data_.test.size() == 0)
    fail("--block-harm needs pictures to evaluate on, and this run has none; hold some out by --validation, or raise --limit-test");
  if (checkpoint) epoch_ = checkpoint->epoch;
  const sdepth::TrainingOptions training = training_options(options, line.threads);
  if (line.device == "cuda" && options.precision != "float32")
    fail("--precision ", options.precision, ": on a GPU activations lie in memory as float32; train with --device cpu, or leave it out");
  if (line.device == "cuda") {  // whose own memory holds the activations
    learner_ = make_cuda_learner(data_.train, options.model, training, line.tf32);
  } else {
    check_memory(line.memory);
    learner_ = options.precision == "bf16"
                   ? make_bfloat16_learner(data_.train, options.model, training)
                   : for_pictures(data_.train, make_gray_learner, make_colour_learner, make_colour_100_learner)(options.model, training);
  }
  if (!options_.gates.empty()) {
    gates_ = sdepth::read_gates(options_.gates, facts_.residual_blocks);
    if (gates_.size() < total_steps())
      fail(options_.gates, " has gates for ", gates_.size(), " steps, and step ", gates_.size(), " (counted from 0) of the ", total_steps(),
           " of this run needs a line too; add lines, or choose --steps ", gates_.size());
  }
  if (checkpoint)
    go_on(*checkpoint, line.resume);
  else
    begin(line);
}

void Run::begin(const CommandLine& line) {
  learner_->set_survival(survival_in(1));
  if (!options_.init.empty()) {
    learner_->load_weights(sdepth::read_safetensors(options_.init), options_.init);
    const sdepth::ImageSet some = data_.train.subset(0, std::min(options_.batch, data_.train.size()));
    static_cast<void>(evaluate_set(*learner_, some, data_.normalization, options_.batch,
                                   "the weights in " + options_.init + " are none of a network that works; use others"));
  }
  if (!line.out.empty()) {
    folder_ = RunFolder::create(line.out);
    save_checkpoint();  // of step 0: whenever the run is killed, it can go on
    folder_.begin_tables();
  }
  const auto note = [&](const char* option, const char* why) {
    if (line.given.contains(option)) std::cerr << "train: note: --" << option << " changes nothing " << why << '\n';
  };
  if (options_.schedule == "none")
    for (const char* option : {"survival", "survival-over-time"}) note(option, "with --schedule none, which is a probability of 1");
  if (options_.learning_rate_schedule != "steps") note("lr-drop", "without --lr-schedule steps");
  if (options_.warm_up == 0) note("warm-up-shape", "without --warm-up");
  if (static_cast<std::uint64_t>(options_.warm_up) * static_cast<std::uint64_t>(loader_.steps()) >= total_steps())
    std::cerr << "train: note: the whole run is a warm-up of " << options_.warm_up << " epochs, "
              << (options_.warm_up_shape == "linear" ? "which rises from" : "at") << " a tenth of --lr\n";
}

void Run::go_on(const sdepth::Checkpoint& checkpoint, const std::string& folder) {
  const nlohmann::json program = sdepth::parse_json(checkpoint.program).value_or(nullptr);
  // A run that is made longer now was saved with another table: of its old length less was left.
  learner_->set_survival(SurvivalPlan(from_json(program.at("options"), checkpoint.where), loader_.steps()).at(survival_, epoch_ + 1));
  learner_->restore(checkpoint);
  learner_->set_survival(survival_in(epoch_ + 1));
  try {
    const nlohmann::json sums = program.at("epoch_in_progress");
    sums_ = {sums.at("steps"), sums.at("images"),   sums.at("errors"),         sums.at("blocks_run"),
             sums.at("loss"),  sums.at("gradient"), sums.at("gradient_steps"), 0.0};
  } catch (const nlohmann::json::exception&) {
    fail(checkpoint.where,
         ": the state of the epoch in progress is missing or unreadable, so it was written by another program or version; go on with "
         "that one, or start the run anew by --out");
  }
  const auto steps = static_cast<std::uint64_t>(loader_.steps());
  if (sums_.steps < 0 || epoch_ < 0 ||
      checkpoint.step != static_cast<std::uint64_t>(epoch_) * steps + static_cast<std::uint64_t>(sums_.steps))
    fail(checkpoint.where, " is at step ", checkpoint.step, " in epoch ", epoch_ + 1, ", which does not fit the ", steps,
         " steps of an epoch on these data; use the data set of that run");
  const RunProgress progress{checkpoint.step, epoch_, facts_.residual_blocks, data_.validation.size() > 0, data_.test.size() > 0};
  folder_ = RunFolder::resume(folder, progress, rows_);
}

int Run::go() {
  while (true) {
    if (learner_->steps() < total_steps() && !train_epoch()) {
      save_checkpoint();
      progress_.clear();
      say_stopped();
      return 130;
    }
    if (sums_.steps > 0) end_epoch();
    if (learner_->steps() >= total_steps()) break;
  }
  if (options_.block_harm) {
    if (stop_asked) {
      say_stopped();
      return 130;
    }
    measure_block_harm();
  }
  say_summary();
  return 0;
}

void Run::check_memory(double gigabytes) const {
  // Besides activations: weights, gradients and momentum, weights and momentum once more while they are saved, tensors on their way, the batch.
  const double numbers = 5.0 * static_cast<double>(facts_.stored_numbers),
               on_their_way = tensors_on_their_way * static_cast<double>(facts_.activations.largest) * options_.batch;
  // Of the epochs to come the first or the last has the most blocks.
  const sdepth::ActivationBytes first = activations_of(survival_in(epoch_ + 1)), last = activations_of(survival_in(last_epoch()));
  const sdepth::ActivationBytes& activations = first.likely < last.likely ? last : first;
  const double others = numbers * sizeof(float) + on_their_way * static_cast<double>(stored_bytes(options_)),
               needed = activations.likely + others;
  const std::optional<std::uint64_t> available = sdepth::available_memory();
  const double most = gigabytes > 0 ? 1e9 * gigabytes : available ? static_cast<double>(*available) : needed;
  if (needed <= most) return;
  fail(options_.model, " with --batch ", options_.batch, " takes up to ", gigabytes_text(needed), " of memory (",
       gigabytes_text(activations.mean + others), " in a step on average, ", gigabytes_text(activations.all_open + others),
       " were every block open), and ", gigabytes > 0 ? "--memory allows " : "the machine has ", gigabytes_text(most),
       gigabytes > 0 ? "" : " free", "; choose a smaller --batch",
       options_.schedule == "none" ? ", a smaller network or stochastic depth" : " or a smaller network",
       gigabytes > 0 ? "" : ", or try it by --memory GB");
}

sdepth::ActivationBytes Run::activations_of(const std::vector<double>& survival) const {
  const bool any_gates = !options_.gates.empty();
  return sdepth::activation_bytes(facts_.activations, any_gates ? std::vector(survival.size(), 1.0) : survival, options_.batch,
                                  stored_bytes(options_));
}

void Run::measure_block_harm() {
  leave_signals_alone();  // the run is complete and saved
  const bool validated = data_.validation.size() > 0;
  const sdepth::ImageSet& set = validated ? data_.validation : data_.test;
  const std::vector<double> survival = survival_in(std::max(1, rows_.back().epoch));  // the last trained with
  learner_->set_survival(survival);
  const auto point = [&](const sdepth::DepthPlan& plan) {
    const sdepth::Score score =
        evaluate_set(*learner_, set, data_.normalization, options_.batch, "so the harm of a block cannot be measured", plan);
    return std::pair(score.loss, percent_wrong(score));
  };
  const auto [whole_loss, whole_error] = point({});
  harm_ = {validated ? "validation" : "test", whole_error, {}};
  sdepth::DepthPlan plan{std::vector<std::uint8_t>(survival_.size(), 1)};
  sdepth::CsvLog table = sdepth::CsvLog::create(folder_.path() / "harm.csv", "block,survival,loss,error,whole_loss,whole_error");
  for (std::size_t block = 0; block < plan.keep.size(); ++block) {
    plan.keep[block] = 0;
    const auto [loss, error] = point(plan);
    plan.keep[block] = 1;
    table.row(block, survival[block], loss, error, whole_loss, whole_error);
    harm_.without.push_back(error);
  }
  table.flush();
  write_report();
}

bool Run::train_epoch() {
  using Clock = std::chrono::steady_clock;
  constexpr double checkpoint_seconds = 300;  // how much work a kill in the middle of a long epoch may cost
  Clock::time_point saved = Clock::now(), before = saved;
  const std::int64_t images_before = sums_.images;  // of an epoch that goes on here, by a process that is gone
  loader_.start(epoch_ + 1, sums_.steps);
  while (const sdepth::Batch* batch = loader_.next()) {
    const std::uint64_t step = learner_->steps();
    learner_->set_learning_rate(learning_rate_.at(step, epoch_ + 1));
    const sdepth::Score score = learner_->step(batch->images, batch->labels, forced_gates());
    folder_.add_step(step, score.loss, learner_->gates());

    const Clock::time_point now = Clock::now();
    sums_.seconds += std::chrono::duration<double>(now - std::exchange(before, now)).count();
    ++sums_.steps;
    sums_.images += score.images;
    sums_.errors += score.errors;
    sums_.blocks_run += score.blocks_run;
    sums_.loss += score.loss * static_cast<double>(score.images);
    if (const double gradient = learner_->first_gradient(); !std::isnan(gradient)) {
      sums_.gradient += gradient;
      ++sums_.gradient_steps;
    }
    const double rate = static_cast<double>(sums_.images - images_before) / sums_.seconds;
    const auto images_left = static_cast<double>(total_steps() - learner_->steps()) * options_.batch;
    progress_.show(
        "epoch " + std::to_string(epoch_ + 1) + ", step " + std::to_string(sums_.steps) + " of " + std::to_string(loader_.steps()),
        score.loss, rate, images_left / rate);

    if (learner_->steps() >= total_steps()) break;
    if (stop_asked) return false;
    if (folder_.writes() && seconds_since(saved) > checkpoint_seconds) {
      save_checkpoint();
      saved = before = Clock::now();
    }
  }
  return true;
}

void Run::end_epoch() {
  const double images = static_cast<double>(sums_.images);
  const sdepth::Score validation = evaluate_set(*learner_, data_.validation, data_.normalization, options_.batch, when_diverged);
  const sdepth::Score test = evaluate_set(*learner_, data_.test, data_.normalization, options_.batch, when_diverged);
  const sdepth::EpochRow row{epoch_ + 1,
                             sums_.loss / images,
                             100.0 * static_cast<double>(sums_.errors) / images,
                             percent_wrong(validation),
                             percent_wrong(test),
                             sums_.seconds,
                             static_cast<double>(sums_.blocks_run) / sums_.steps,
                             learning_rate_.at(learner_->steps() - 1, epoch_ + 1),
                             sums_.gradient_steps > 0 ? sums_.gradient / sums_.gradient_steps : std::numeric_limits<double>::quiet_NaN()};
  if (folder_.writes()) {  // first, as it refuses weights that are not finite
    const ModelCard card{options_.model, options_.data, options_.scaling, survival_in(row.epoch), data_.normalization.values()};
    learner_->save_model(folder_.model(), to_metadata(card));
  }
  rows_.push_back(row);
  folder_.add_epoch(row);
  progress_.clear();
  std::cout << "epoch " << row.epoch << "   loss " << sdepth::fixed_point(row.train_loss, 4) << "   error: train "
            << percent(row.train_error) << ", validation " << percent(row.validation_error) << ", test " << percent(row.test_error)
            << "   blocks " << sdepth::decimal(row.blocks_run, 4) << " of " << facts_.residual_blocks << "   lr "
            << sdepth::decimal(row.learning_rate, 3) << "   " << sdepth::duration_text(row.seconds) << std::endl;

  if (folder_.writes()) write_report();
  if (sums_.steps == loader_.steps()) {  // else --steps ended the run within the epoch, and a longer --steps may go on in it
    ++epoch_;
    sums_ = {};
    learner_->set_survival(survival_in(epoch_ + 1));  // of the next epoch, as the checkpoint is
  }
  save_checkpoint();
}

void Run::save_checkpoint() {
  if (!folder_.writes()) return;
  folder_.flush();
  const nlohmann::json program = {{"options", to_json(options_)},
                                  {"epoch_in_progress",
                                   {{"steps", sums_.steps},
                                    {"images", sums_.images},
                                    {"errors", sums_.errors},
                                    {"blocks_run", sums_.blocks_run},
                                    {"loss", sums_.loss},
                                    {"gradient", sums_.gradient},
                                    {"gradient_steps", sums_.gradient_steps}}}};
  learner_->save_checkpoint(folder_.checkpoint(), epoch_, program.dump());
}

std::uint64_t Run::total_steps() const {
  if (options_.steps > 0) return static_cast<std::uint64_t>(options_.steps);
  return static_cast<std::uint64_t>(options_.epochs) * static_cast<std::uint64_t>(loader_.steps());
}

int Run::last_epoch() const {
  const auto steps = static_cast<std::uint64_t>(loader_.steps());
  return static_cast<int>((total_steps() + steps - 1) / steps);
}

std::vector<std::uint8_t> Run::forced_gates() const { return gates_.empty() ? std::vector<std::uint8_t>() : gates_[learner_->steps()]; }

std::string Run::title() const {
  std::string text = options_.model + " on " + options_.data;
  if (options_.schedule == "linear") text += ", stochastic depth from 1 to " + sdepth::decimal(options_.survival, 4);
  if (options_.schedule == "uniform") text += ", stochastic depth at " + sdepth::decimal(options_.survival, 4);
  return options_.schedule == "none" ? text : text + survival_plan_.text();
}

std::vector<double> Run::survival_in(int epoch) const { return survival_plan_.at(survival_, epoch); }

void Run::write_report() const {
  sdepth::RunReport report;
  report.title = title();
  report.rows = rows_;
  report.residual_blocks = facts_.residual_blocks;
  report.expected_blocks = std::accumulate(survival_.begin(), survival_.end(), 0.0);
  report.harm = harm_;
  const sdepth::ActivationBytes activations = activations_of(survival_);
  report.facts = {
      {"parameters", sdepth::with_commas(facts_.parameters)},
      {"operations per image", sdepth::decimal(facts_.operations / 1e6, 4) + " million, forward, all blocks"},
      {"activations of a step", gigabytes_text(activations.mean) + " on average, at most " + gigabytes_text(activations.likely) +
                                    " to be expected, " + gigabytes_text(activations.all_open) + " were every block open"},
      {"training images", sdepth::with_commas(static_cast<std::uint64_t>(data_.train.size()))},
      {"validation images", sdepth::with_commas(static_cast<std::uint64_t>(data_.validation.size()))},
      {"test images", sdepth::with_commas(static_cast<std::uint64_t>(data_.test.size()))}};
  for (const auto& [name, value] : shown_options(options_)) report.facts.emplace_back("--" + name, value);
  sdepth::write_report(folder_.path() / "report.html", report);
}

void Run::say_stopped() const {
  std::cerr << "train: stopped after step " << learner_->steps() << " of " << total_steps() << "; "
            << (folder_.writes() ? "go on with `train --resume " + folder_.path().string() + "`"
                                 : "nothing was kept, as --out was not given")
            << '\n';
}

void Run::say_summary() const {
  double seconds = 0, blocks = 0;
  for (const sdepth::EpochRow& row : rows_) seconds += row.seconds, blocks += row.blocks_run / static_cast<double>(rows_.size());
  // The paper's rule: the test error at the epoch of the lowest validation error. Without validation, the last epoch's.
  auto best = rows_.end() - 1;
  const bool validated = data_.validation.size() > 0;
  if (validated)
    best =
        std::min_element(rows_.begin(), rows_.end(), [](const auto& a, const auto& b) { return a.validation_error < b.validation_error; });

  std::cout << title() << ": " << learner_->steps() << " steps in " << sdepth::duration_text(seconds) << "\n";
  if (data_.test.size() > 0)
    std::cout << "Test error " << percent(best->test_error) << " after epoch " << best->epoch
              << (validated ? ", the one with the lowest validation error, " + percent(best->validation_error) : ", the last") << "\n";
  if (blocks < facts_.residual_blocks) {
    double saved = 0;
    for (const sdepth::EpochRow& row : rows_) {
      const std::vector<double> survival = survival_in(row.epoch);
      for (std::size_t block = 0; block < survival.size(); ++block)
        saved += (1.0 - survival[block]) * facts_.branch_operations[block] / static_cast<double>(rows_.size());
    }
    std::cout << "Of " << facts_.residual_blocks << " residual blocks a step ran " << sdepth::fixed_point(blocks, 1) << " on average";
    if (gates_.empty())
      std::cout << "; skipping saves " << sdepth::fixed_point(100.0 * saved / facts_.operations, 1) << " % of the arithmetic of training";
    std::cout << "\n";
  } else {
    std::cout << "All " << facts_.residual_blocks << " residual blocks ran in every step\n";
  }
  if (folder_.writes()) std::cout << "Curves, tables and weights are in " << folder_.path().string() << ": see report.html\n";
}

}  // namespace programs
