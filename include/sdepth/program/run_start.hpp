// How a run begins: data, network and memory are looked at, and a new folder is made or an old one is found
// as it was left.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/json.hpp>
#include <sdepth/io/machine_memory.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/run.hpp>
#include <sdepth/program/run_words.hpp>
#include <sdepth/program/signals.hpp>
#include <sdepth/program/stored_options.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Slots of gradients and of activations at test, and the batch itself, as tensors of the largest size: a
/// guess. With it ResNet-110, batch 128, every block open, is said to take 0.92 GB; measured: 0.93 GB
/// resident, of which 0.05 GB are program and data.
inline constexpr double tensors_on_their_way = 8;

/// The input of the network of that name for so many classes. Throws Error where there is none.
[[nodiscard]] inline Shape input_for(const Networks& networks, const std::string& name,
                                     const std::string& pictures, int classes) {
  const auto found = std::ranges::find_if(
      networks, [&](const Trainable& network) { return network.name == name && network.classes == classes; });
  if (found == networks.end())
    fail(pictures, " has ", classes, " classes, for which this program has no network named ", name,
         "; it has one for ", pictures_of(networks, name),
         ", so give the network's last layer as many numbers as there are classes");
  return found->input;
}

/// What the network computes with, as Trainable calls it.
[[nodiscard]] inline std::string precision_for(const Options& options, const CommandLine& line) {
  if (!line.tf32) return options.precision;
  return options.precision == "float32" ? "tf32" : options.precision + "+tf32";
}

Run::Run(const Networks& networks, const Options& options, const CommandLine& line,
         const std::optional<Checkpoint>& checkpoint)
    : options_(options),
      program_(line.program),
      others_(line.others),
      data_(load_run_data(
          options,
          [&](const std::string& pictures, int classes) {
            return input_for(networks, options.model, pictures, classes);
          },
          line.threads)),
      network_(find_network(networks, options.model, data_.train.name(), data_.shape, data_.classes,
                            line.device, precision_for(options, line))),
      facts_(network_.facts()),
      threads_(options.data == "folder" ? line.threads : 1),
      survival_(options.schedule == "network"
                    ? facts_.survival
                    : survival_table(options.schedule, options.survival, facts_.residual_blocks)),
      loader_(data_.train, mixed_as(options, data_.training), data_.shape,
              {.batch = options.batch,
               .shuffle = options.shuffle,
               .augment = options.augment,
               .seed = options.seed,
               .threads = threads_,
               .share = share(),
               .skip_broken = options.skip_broken,
               .others = others_}),
      learning_rate_(options, loader_.steps()),
      survival_plan_(options, loader_.steps()) {
  listen_to_signals();
  if (options.block_harm && data_.validation.size() + data_.test.size() == 0)
    fail(
        "--block-harm needs pictures to evaluate on, and this run has none; hold some out by --validation, or raise --limit-test");
  if ((options.keep_best || options.early_stopping > 0) && data_.validation.size() == 0)
    fail(options.keep_best ? "--keep-best" : "--early-stopping",
         " goes by the validation error, and this run has none; hold pictures out by --validation");
  time_limit_ = TimeLimit(60 * options.time_limit, (data_.validation.size() + data_.test.size()) /
                                                       options.batch * (options.ema > 0 ? 2 : 1));
  if (checkpoint) epoch_ = checkpoint->epoch;
  if (network_.check_device) network_.check_device();
  if (line.device == "cpu") check_memory(line.memory);  // a GPU's own memory holds the activations
  learner_ = network_.make(learner_options(options, line.threads, line.others));
  if (!options_.gates.empty()) {
    gates_ = read_gates(options_.gates, facts_.residual_blocks);
    if (gates_.size() < total_steps())
      fail(options_.gates, " has gates for ", gates_.size(), " steps, and step ", gates_.size(),
           " (counted from 0) of the ", total_steps(),
           " of this run needs a line too; add lines, or choose --steps ", gates_.size());
  }
  // of pictures in folders it would cost time, and another decoder's need not be the same to the bit
  const bool stores_pictures = options.data != "folder";
  if (stores_pictures || others_) {
    const Fingerprint pictures = fingerprint_of_pictures();
    if (stores_pictures) pictures_ = pictures.value();
    if (others_) check_that_all_are_alike(pictures, checkpoint ? checkpoint->step : 0);
  }
  if (checkpoint)
    go_on(*checkpoint, line.resume);
  else
    begin(line);
  first_step_ = learner_->steps();
}

/// Of some of the pictures to train on, and of how many there are of each part.
inline Fingerprint Run::fingerprint_of_pictures() const {
  Fingerprint data;
  Picture picture;
  constexpr int looked_at = 64;
  for (int i = 0; i < std::min(looked_at, data_.train.size()); ++i) {
    try {
      data_.train.read(static_cast<int>(static_cast<std::int64_t>(data_.train.size()) * i / looked_at),
                       picture);
    } catch (const Error&) {
      if (!options_.skip_broken) throw;
      picture = {};
    }
    data.add(std::as_bytes(std::span(picture.bytes)));
    data.add(std::as_bytes(std::span(picture.numbers)));
    data.add(std::as_bytes(std::span(&picture.label, 1)));
  }
  for (const int size : {data_.train.size(), data_.validation.size(), data_.test.size()})
    data.add(std::as_bytes(std::span(&size, 1)));
  return data;
}

/// What would make the processes of a run drift apart, or wait for each other for ever.
inline void Run::check_that_all_are_alike(const Fingerprint& pictures, std::uint64_t step) const {
  Fingerprint program, options, state;
  program.add(__VERSION__);
  program.add(learner_->type());  // the network, and the instructions that this was compiled for
  check_alike(*others_, program, "another program, compiler or instruction set",
              "start the same program on all machines, built with the same -D SDEPTH_MARCH");
  options.add(to_stored(options_).dump());
  check_alike(*others_, options, "other options", "give all the same");
  check_alike(*others_, pictures, "other pictures", "put the same data set on all machines");
  state.add(std::as_bytes(std::span(&step, 1)));
  check_alike(*others_, state, "another checkpoint", "let all see the same folder");
}

inline void Run::begin(const CommandLine& line) {
  learner_->set_survival(survival_in(1));
  if (!options_.init.empty()) {
    const std::string anew = learner_->load_weights(read_safetensors(options_.init), options_.init);
    if (!anew.empty()) std::cerr << program_ << ": note: " << anew << '\n';
    static_cast<void>(
        evaluate(data_.train,
                 "the weights in " + options_.init + " are none of a network that works; use others", {}, 1));
  }
  if (!line.out.empty()) {
    folder_ = RunFolder::create(line.out);
    save_checkpoint(SavedAt::end);  // of step 0: whenever the run is killed, it can go on
    folder_.begin_tables(options_.ema > 0, options_.tensorboard);
  }
  const auto note = [&](const char* option, const char* why) {
    if (line.given.contains(option))
      std::cerr << program_ << ": note: --" << option << " changes nothing " << why << '\n';
  };
  if (options_.schedule == "none")
    for (const char* option : {"survival", "survival-over-time"})
      note(option, "with --schedule none, which is a probability of 1");
  if (options_.learning_rate_schedule != "steps") note("lr-drop", "without --lr-schedule steps");
  if (!options_.freeze.empty() && options_.init.empty())
    std::cerr
        << program_
        << ": note: --freeze without --init: those parameters keep the random numbers that they begin with\n";
  if (options_.warm_up == 0) note("warm-up-shape", "without --warm-up");
  if (options_.data != "folder")
    for (const char* option : {"test-split", "skip-broken"}) note(option, "without --data folder");
  if (options_.nesterov && options_.momentum <= 0) note("nesterov", "without --momentum");
  if (!others_) note("local-norms", "for one process, whose share is the whole batch");
  if (static_cast<std::uint64_t>(options_.warm_up) * static_cast<std::uint64_t>(loader_.steps()) >=
      total_steps())
    std::cerr << program_ << ": note: the whole run is a warm-up of " << options_.warm_up << " epochs, "
              << (options_.warm_up_shape == "linear" ? "which rises from" : "at") << " a tenth of --lr\n";
}

inline void Run::go_on(const Checkpoint& checkpoint, const std::string& folder) {
  const nlohmann::json program = parse_json(checkpoint.program).value_or(nullptr);
  // A run that is made longer now was saved with another table: of its old length less was left.
  learner_->set_survival(SurvivalPlan(from_json(program.at("options"), checkpoint.where), loader_.steps())
                             .at(survival_, epoch_ + 1));
  learner_->restore(checkpoint);
  learner_->set_survival(survival_in(epoch_ + 1));
  try {
    const nlohmann::json sums = program.at("epoch_in_progress");
    sums_ = {sums.at("steps"), sums.at("images"),   sums.at("errors"),         sums.at("blocks_run"),
             sums.at("loss"),  sums.at("gradient"), sums.at("gradient_steps"), 0.0};
    // Where the checkpoint does not say them, the last run ended here, or it was one of before they were
    // kept.
    if (sums_.steps > 0)
      sums_.seconds = sums.contains("seconds") ? sums.at("seconds").get<double>()
                                               : RunFolder::seconds_of_epoch(folder, epoch_ + 1);
  } catch (const nlohmann::json::exception&) {
    fail(
        checkpoint.where,
        ": the state of the epoch in progress is missing or unreadable, so it was written by another program or version; go on with "
        "that one, or start the run anew by --out");
  }
  if (const auto seconds = program.find("seconds"); seconds != program.end() && seconds->is_number())
    time_limit_.set_spent(seconds->get<double>());
  const auto steps = static_cast<std::uint64_t>(loader_.steps());
  if (sums_.steps < 0 || epoch_ < 0 ||
      checkpoint.step != static_cast<std::uint64_t>(epoch_) * steps + static_cast<std::uint64_t>(sums_.steps))
    fail(checkpoint.where, " is at step ", checkpoint.step, " in epoch ", epoch_ + 1,
         ", which does not fit the ", steps,
         " steps of an epoch on these data; use the data set of that run");
  if (const auto pictures = program.find("pictures");
      pictures != program.end() && pictures_ && *pictures != *pictures_)
    fail(checkpoint.where, " is of a run on other pictures than those of ", data_.train.name(), " in ",
         options_.data_dir.empty() ? "the place where it was found" : options_.data_dir,
         "; name their folder by --data-dir, or start another run from its weights by --init");
  const RunProgress progress{
      checkpoint.step,       epoch_,           facts_.residual_blocks, data_.validation.size() > 0,
      data_.test.size() > 0, options_.ema > 0, options_.tensorboard};
  // the others write nothing
  if (!others_ || others_->rank() == 0) folder_ = RunFolder::resume(folder, progress, rows_);
  if (others_) from_rank_0(*others_, rows_);
}

inline void Run::check_memory(double gigabytes) const {
  // Besides activations: weights, gradients and momentum, weights and momentum once more while they are
  // saved, tensors on their way, the batch. AdamW's second state and the weights' average are there and saved
  // likewise.
  const double copies = 5.0 + (options_.optimizer == "adamw" ? 2.0 : 0.0) + (options_.ema > 0 ? 2.0 : 0.0);
  const double numbers = copies * static_cast<double>(facts_.stored_numbers),
               on_their_way =
                   tensors_on_their_way * static_cast<double>(facts_.activations.largest) * options_.batch;
  // Of the epochs to come the first or the last has the most blocks.
  const ActivationBytes first = activations_of(survival_in(epoch_ + 1)),
                        last = activations_of(survival_in(last_epoch()));
  const ActivationBytes& activations = first.likely < last.likely ? last : first;
  const double others = numbers * sizeof(float) + on_their_way * static_cast<double>(facts_.stored_bytes),
               needed = activations.likely + others;
  const std::optional<std::uint64_t> available = available_memory();
  const double most = gigabytes > 0 ? 1e9 * gigabytes : available ? static_cast<double>(*available) : needed;
  if (needed <= most) return;
  fail(options_.model, " with --batch ", options_.batch, " takes up to ", gigabytes_text(needed),
       " of memory (", gigabytes_text(activations.mean + others), " in a step on average, ",
       gigabytes_text(activations.all_open + others), " were every block open), and ",
       gigabytes > 0 ? "--memory allows " : "the machine has ", gigabytes_text(most),
       gigabytes > 0 ? "" : " free", "; choose a smaller --batch",
       options_.schedule == "none" ? ", a smaller network or stochastic depth" : " or a smaller network",
       gigabytes > 0 ? "" : ", or try it by --memory GB");
}

inline ActivationBytes Run::activations_of(const std::vector<double>& survival) const {
  const bool any_gates = !options_.gates.empty();
  return activation_bytes(facts_.activations, any_gates ? std::vector(survival.size(), 1.0) : survival,
                          options_.batch, facts_.stored_bytes);
}

Score Run::evaluate(const AnySource& set, std::string_view advice, const DepthPlan& plan, int most) {
  return evaluate_set(*learner_, set, data_,
                      {.batch = options_.batch,
                       .threads = threads_,
                       .share = share(),
                       .skip_broken = options_.skip_broken,
                       .others = others_},
                      advice, plan, most);
}

}  // namespace sdepth::inline SDEPTH_ISA::program
