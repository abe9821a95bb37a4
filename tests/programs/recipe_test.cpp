// What a run can do beyond the paper's recipe: AdamW, clipped gradients, smoothed labels, mixed pictures,
// averaged and frozen weights.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sdepth/core/version.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>

#include "process.hpp"
#include "run_folders.hpp"

namespace sdepth::test::recipe_test {

namespace {

namespace fs = std::filesystem;

/// Steps of a network without residual blocks on 40 pictures.
const Words tiny = {"--data",       "synthetic", "--limit-train", "40", "--limit-test", "20",
                    "--validation", "20",        "--batch",       "20"};
const Words plain_sgd = {"--momentum", "0", "--no-nesterov", "--weight-decay", "0"};
/// Everything at once.
const Words all_of_it = {"--optimizer",       "adamw", "--ema",   "0.9", "--clip-norm", "1",
                         "--label-smoothing", "0.1",   "--mixup", "0.2", "--cutmix",    "1",
                         "--freeze",          "bn1"};

SafeTensors model_of(const fs::path& folder) { return read_safetensors(folder / "model.safetensors"); }

void run_to_end(const Words& words) {
  const Outcome outcome = run_program("train_own", words);
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
}

/// By how much each weight differs; running statistics left out.
std::vector<double> moves(const SafeTensors& from, const SafeTensors& to) {
  std::vector<double> all;
  for (const Tensor& tensor : from.tensors)
    for (std::size_t i = 0; i < tensor.values.size() && !contains(tensor.name, "running"); ++i)
      all.push_back(static_cast<double>(to.find(tensor.name)->values[i]) -
                    static_cast<double>(tensor.values[i]));
  return all;
}

std::vector<double> losses_of(const fs::path& folder) {
  std::vector<double> all;
  for (const auto& row : read_csv(folder / "losses.csv", "step,loss")) all.push_back(row[1]);
  return all;
}

}  // namespace

TEST_CASE("AdamW moves every weight by the rate in its first step, and without memory in each step") {
  ScratchFolder folder;
  const Words adamw = tiny + Words{"--optimizer", "adamw",     "--lr",  "0.01",         "--weight-decay",
                                   "0",           "--epsilon", "1e-20", "--limit-test", "0"};
  const Words no_memory = {"--beta1", "0", "--beta2", "0", "--lr-schedule", "constant"};
  const auto model = [&](const std::string& name, const Words& words) {
    run_to_end(words + out(folder / name));
    return model_of(folder / name);
  };
  const Words short_tiny(adamw.begin(), adamw.end() - 2);
  const SafeTensors start = model("start", short_tiny + Words{"--steps", "1", "--lr-drop", "1"});
  for (const double move :
       moves(model("first", short_tiny + Words{"--steps", "2", "--lr-schedule", "constant"}), start))
    CHECK(std::abs(move) < 0.0200001);
  const SafeTensors one = model("one", short_tiny + no_memory + Words{"--steps", "1"}),
                    two = model("two", short_tiny + no_memory + Words{"--steps", "2"});
  std::size_t moved = 0, all = 0;
  for (const double move : moves(one, two)) {
    moved += std::abs(std::abs(move) - 0.01) < 1e-6;
    ++all;
  }
  CHECK(moved > all - all / 20);  // a gradient may be 0
  CHECK(read_safetensors(folder / "one" / "checkpoint.safetensors").find("exp_avg_sq.conv1.weight") !=
        nullptr);
}

TEST_CASE(
    "with every option, threads change no byte, and a run that was killed ends with the bytes of one never stopped") {
  ScratchFolder folder;
  const Words run = {"--data",       "synthetic", "--limit-train", "320", "--limit-test", "64",
                     "--validation", "32",        "--batch",       "32",  "--epochs",     "3"};
  run_to_end(run + all_of_it + out(folder / "whole") + Words{"--threads", "1"});
  run_to_end(run + all_of_it + out(folder / "threads") + Words{"--threads", "2"});
  Process killed("train_own", run + all_of_it + out(folder / "killed"));
  REQUIRE(killed.wait_for(folder / "killed" / "average.safetensors"));  // the first epoch is over
  static_cast<void>(killed.finish(SIGKILL));
  run_to_end(resume(folder / "killed"));
  for (const char* other : {"threads", "killed"}) {
    check_equal_runs(folder / "whole", folder / other);
    for (const char* name : {"average.safetensors", "average.csv"})
      CHECK(bytes_of(folder / "whole" / name) == bytes_of(folder / other / name));
  }
  CHECK(contains(refusal("train_own", resume(folder / "whole") + Words{"--ema", "0.99"}),
                 "--ema is 0.99, but the run in"));
  CHECK(contains(refusal("train_own", resume(folder / "whole") + Words{"--optimizer", "sgd"}),
                 "--optimizer is \"sgd\", but the run in"));
  CHECK(contains(bytes_of(folder / "whole" / "report.html"), "test, average"));
}

TEST_CASE("a step's gradients have the norm that --clip-norm says") {
  ScratchFolder folder;
  const Words run = tiny + plain_sgd + Words{"--steps", "1", "--clip-norm", "0.25"};
  run_to_end(run + Words{"--lr", "0"} + out(folder / "before"));
  run_to_end(run + Words{"--lr", "1"} + out(folder / "after"));
  double sum = 0;
  for (const double move : moves(model_of(folder / "before"), model_of(folder / "after"))) sum += move * move;
  CHECK(std::sqrt(sum) == doctest::Approx(0.25).epsilon(1e-4));

  // with gates of another seed's from a file, too
  const Words blocks = tiny + Words{"--model", "small", "--steps", "4"};
  run_to_end(blocks + Words{"--seed", "2"} + out(folder / "gates"));
  const Words gates = {"--gates", (folder / "gates" / "gates.csv").string()};
  const auto bytes = [&](const std::string& name, const Words& words) {
    run_to_end(blocks + words + out(folder / name));
    return bytes_of(folder / name / "model.safetensors");
  };
  const std::string forced = bytes("forced", gates);
  CHECK(forced != bytes("drawn", {}));
  CHECK(forced == bytes("high", gates + Words{"--clip-norm", "1e9"}));
  CHECK(forced != bytes("low", gates + Words{"--clip-norm", "0.25"}));
}

TEST_CASE("the smoothed loss lies between that of the labels and that of all classes") {
  ScratchFolder folder;
  const auto loss = [&](const std::string& share) {
    run_to_end(tiny + Words{"--steps", "1", "--label-smoothing", share} + out(folder / share));
    return losses_of(folder / share).front();
  };
  const double of_label = loss("0"), of_all = loss("1");
  CHECK(of_label != of_all);
  CHECK(loss("0.25") == doctest::Approx(0.75 * of_label + 0.25 * of_all).epsilon(1e-6));
}

TEST_CASE("the average of the weights is the exponential one, and is judged beside them") {
  ScratchFolder folder;
  const Words run = tiny + Words{"--ema", "0.75", "--lr-schedule", "constant"};
  run_to_end(run + Words{"--steps", "1"} + out(folder / "one"));
  run_to_end(run + Words{"--steps", "2"} + out(folder / "two"));
  const SafeTensors one = model_of(folder / "one"), two = model_of(folder / "two"),
                    average = read_safetensors(folder / "two" / "average.safetensors");
  for (const char* name : {"conv1.weight", "bn1.bias", "fc.weight"})
    for (std::size_t i = 0; i < one.find(name)->values.size(); ++i)
      CHECK(
          average.find(name)->values[i] ==
          doctest::Approx(0.75 * one.find(name)->values[i] + 0.25 * two.find(name)->values[i]).epsilon(1e-5));
  CHECK(average.find("bn1.running_mean")->values == two.find("bn1.running_mean")->values);
  CHECK(average.metadata == two.metadata);

  // The checkpoint has it, too: a file that was lost is made again.
  const std::string bytes = bytes_of(folder / "two" / "average.safetensors");
  fs::remove(folder / "two" / "average.safetensors");
  run_to_end(resume(folder / "two"));
  CHECK(bytes_of(folder / "two" / "average.safetensors") == bytes);
  CHECK(model_of(folder / "two").find("fc.weight")->values == two.find("fc.weight")->values);

  // the average of equal weights
  run_to_end(run + Words{"--lr", "0", "--epochs", "2"} + out(folder / "still"));
  const auto metrics = read_csv(folder / "still" / "metrics.csv",
                                "epoch,train_loss,train_error,validation_error,test_error"),
             averages = read_csv(folder / "still" / "average.csv", "epoch,validation_error,test_error");
  REQUIRE(averages.size() == 2);
  for (std::size_t row = 0; row < 2; ++row) {
    CHECK(averages[row][1] == metrics[row][3]);
    CHECK(averages[row][2] == metrics[row][4]);
  }
  CHECK_FALSE(fs::exists(folder / "one" / "best.safetensors"));
}

TEST_CASE("mixup and CutMix are different runs, and so are they from both and from none") {
  ScratchFolder folder;
  std::vector<double> losses;
  for (const Words& mix : {Words{}, Words{"--mixup", "1"}, Words{"--cutmix", "1"}}) {
    const fs::path run = folder / std::to_string(losses.size());
    run_to_end(tiny + mix + Words{"--steps", "1"} + out(run));
    losses.push_back(losses_of(run).front());
  }
  CHECK(losses[0] != losses[1]);
  CHECK(losses[0] != losses[2]);
  CHECK(losses[1] != losses[2]);
}

TEST_CASE(
    "frozen parameters stay those of --init, and a last layer for other classes is left out with a word") {
  ScratchFolder folder;
  run_to_end(tiny + Words{"--steps", "1", "--seed", "5"} + out(folder / "first"));
  SafeTensors first = model_of(folder / "first");
  const std::string weights = (folder / "first" / "model.safetensors").string();
  run_to_end(tiny + Words{"--steps", "2", "--init", weights, "--freeze", "conv1.,bn1.weight"} +
             out(folder / "frozen"));
  const SafeTensors frozen = model_of(folder / "frozen");
  for (const char* name : {"conv1.weight", "bn1.weight"})
    CHECK(frozen.find(name)->values == first.find(name)->values);
  for (const char* name : {"bn1.bias", "fc.weight", "fc.bias"})
    CHECK(frozen.find(name)->values != first.find(name)->values);

  run_to_end(tiny + Words{"--steps", "1", "--lr", "0", "--seed", "6"} + out(folder / "random"));
  for (Tensor& tensor : first.tensors)
    if (tensor.name.starts_with("fc.")) {
      tensor.shape[0] = 7;
      tensor.values.resize(tensor.values.size() / 10 * 7);
    }
  write_safetensors(folder / "seven", first);
  const Words from_seven = {"--steps", "1", "--lr",   "0",
                            "--seed",  "6", "--init", (folder / "seven").string()};
  const Outcome tuned = run_program("train_own", tiny + from_seven + out(folder / "tuned"));
  REQUIRE_MESSAGE(tuned.status == 0, tuned.output);
  CHECK(contains(tuned.errors,
                 "note: " + (folder / "seven").string() +
                     " tells 7 classes apart and this run 10, so fc.bias and fc.weight begin anew"));
  const SafeTensors body = model_of(folder / "tuned"), random = model_of(folder / "random");
  CHECK(body.find("conv1.weight")->values == first.find("conv1.weight")->values);
  CHECK(body.find("fc.weight")->values == random.find("fc.weight")->values);

  for (Tensor& tensor : first.tensors)
    if (tensor.name == "conv1.weight") tensor.shape[0] = 4, tensor.values.resize(tensor.values.size() / 2);
  write_safetensors(folder / "narrow", first);
  CHECK(contains(refusal("train_own", tiny + Words{"--steps", "1", "--init", (folder / "narrow").string()}),
                 "conv1.weight has the shape"));
}

TEST_CASE(
    "a run with a limit of time ends early with its schedule, goes on from a kill, and can be made longer") {
  ScratchFolder folder;
  const Words run = tiny + Words{"--epochs",      "1000000",  "--time-limit", "0.02",
                                 "--lr-schedule", "constant", "--ema",        "0.5"};
  const Outcome outcome = run_program("train_own", run + out(folder / "run"));
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(contains(outcome.errors, "note: --time-limit 0.02 is enough for "));
  CHECK(contains(outcome.errors, "and not for 1,000,000 epochs; the schedule ends there as well"));
  const auto steps = losses_of(folder / "run").size();
  REQUIRE(steps > 0);
  // It is a run of that length, whatever made it so.
  run_to_end(tiny + Words{"--steps", std::to_string(steps), "--lr-schedule", "constant", "--ema", "0.5"} +
             out(folder / "same"));
  for (const char* name : {"model.safetensors", "average.safetensors", "losses.csv"})
    CHECK(bytes_of(folder / "run" / name) == bytes_of(folder / "same" / name));
  const std::string over = bytes_of(folder / "run" / "checkpoint.safetensors");
  run_to_end(resume(folder / "run"));
  CHECK(bytes_of(folder / "run" / "checkpoint.safetensors") == over);

  const Words longer = {"--data",  "synthetic", "--limit-train", "40",     "--limit-test", "0",
                        "--batch", "20",        "--epochs",      "1000000"};
  Process long_run("train_own", longer + Words{"--time-limit", "600"} + out(folder / "long"));
  REQUIRE(long_run.wait_for(folder / "long" / "model.safetensors"));
  static_cast<void>(long_run.finish(SIGKILL));
  const Outcome ended = run_program("train_own", resume(folder / "long") + Words{"--time-limit", "0.001"});
  CHECK_MESSAGE(ended.status == 0, ended.output);
  CHECK(contains(ended.errors, "--time-limit 0.001 is enough for "));
}

TEST_CASE("version and summary are printed without data, and nothing is trained") {
  const Outcome version = run_program("train_own", {"--version"});
  CHECK(version.status == 0);
  CHECK(version.output == "train_own (sdepth " + std::string(version_text) + ")\n");
  const Outcome summary = run_program(
      "train_own", {"--summary", "--model", "blocks", "--data", "cifar10", "--data-dir", "/nowhere"});
  CHECK(summary.status == 0);
  CHECK(summary.output.starts_with("blocks for pictures of 3 x 16 x 16 in 3 classes\n"));
  CHECK(contains(summary.output, "blocks.1"));
  CHECK(contains(summary.output, "0.5"));
}

TEST_CASE("options that do not go together are refused before the training") {
  ScratchFolder folder;
  const auto sentence = [&](const Words& words) {
    return refusal("train_own", tiny + Words{"--steps", "1"} + words + out(folder / "run"));
  };
  CHECK(contains(sentence({"--optimizer", "adamw", "--momentum", "0.9"}), "--momentum is an option of SGD"));
  CHECK(contains(sentence({"--optimizer", "adamw", "--no-nesterov"}), "--nesterov is an option of SGD"));
  CHECK(contains(sentence({"--beta2", "0.9"}), "--beta2 is an option of AdamW; add --optimizer adamw"));
  CHECK(contains(sentence({"--optimizer", "lion"}), "--optimizer"));
  CHECK(
      contains(sentence({"--freeze", "layer1"}), "no parameter's name begins so, the first is conv1.weight"));
  CHECK(contains(sentence({"--freeze", "conv,bn,fc"}), "--freeze leaves no parameter to be trained"));
  CHECK(contains(sentence({"--freeze", "conv,,fc"}), "found an empty one"));
  CHECK(
      contains(refusal("train_own", {"--data", "synthetic", "--steps", "1", "--batch", "1", "--mixup", "1"}),
               "--batch 1 has one"));
  for (const auto& [option, value] : {std::pair("--ema", "1"),
                                      {"--label-smoothing", "1.5"},
                                      {"--clip-norm", "-1"},
                                      {"--mixup", "nan"},
                                      {"--cutmix", "inf"},
                                      {"--epsilon", "0"},
                                      {"--beta1", "1"}})
    CHECK(contains(sentence({option, value}), option));
  CHECK_FALSE(fs::exists(folder / "run"));
}

}  // namespace sdepth::test::recipe_test
