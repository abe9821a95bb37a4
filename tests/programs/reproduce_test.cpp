// examples/reproduce from outside: it goes on after a stop, spends a budget, and its tables say what
// metrics.csv says. Skipped without Python 3.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <string>
#include <vector>

#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>

#include "process.hpp"

namespace sdepth::test::reproduce_test {

namespace {

namespace fs = std::filesystem;

const std::string script = std::string(SDEPTH_TESTS_DIR) + "/../examples/reproduce/reproduce.py";
const std::string train = std::string(SDEPTH_PROGRAMS_DIR) + "/train";

bool has_python() {
  static const bool there =
      run_program("/usr/bin/env", {"python3", "-c", "import sys; sys.exit(sys.version_info < (3, 9))"})
          .status == 0;
  if (!there) MESSAGE("python3 is missing or too old, so examples/reproduce is not tested");
  return there;
}

Words smoke(const fs::path& out, const Words& more) {
  return Words{"--run", "smoke", "--train", train, "--threads", "1", "--out", out.string()} + more;
}

/// The test error that the paper reports: of the first epoch with the lowest validation error.
struct Reported {
  explicit Reported(const fs::path& folder) {
    const auto rows =
        read_csv(folder / "metrics.csv", "epoch,train_loss,train_error,validation_error,test_error");
    const auto best =
        std::min_element(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a[3] < b[3]; });
    epoch = (*best)[0];
    error = (*best)[4];
  }
  double epoch, error;
};

}  // namespace

TEST_CASE(
    "a reproduction that was stopped goes on, leaves alone what is finished, and reports what the runs found") {
  if (!has_python()) return;
  ScratchFolder folder;
  const fs::path out = folder / "runs", second = out / "smoke-stochastic-1";
  const Words command = smoke(out, {"--epochs", "3", "--seeds", "1,2"});
  {
    Process reproduce(script, command);
    REQUIRE(reproduce.wait_for(second / "checkpoint.safetensors"));
    const Outcome stopped = reproduce.finish(SIGINT);
    CHECK(stopped.status == 130);
    CHECK(contains(stopped.errors, "the same command goes on where it was"));
  }
  CHECK_FALSE(fs::exists(out / "smoke-stochastic-2"));
  const Outcome rest = run_program(script, command);
  REQUIRE_MESSAGE(rest.status == 0, rest.output);
  CHECK(contains(rest.output, "3 of 40 epochs of this experiment's schedule, as begun"));
  CHECK(contains(rest.output, "smoke-constant-1: finished"));
  const Outcome again = run_program(script, command);
  CHECK(again.status == 0);
  CHECK_FALSE(contains(again.output, "$ train"));

  // The command that the report names gives the run that was stopped and resumed.
  const std::string results = bytes_of(out / "results.md");
  const std::string named =
      "train --model resnet20 --data synthetic --limit-train 160 --limit-test 60 --validation 40 --batch 32 "
      "--schedule linear --survival 0.5 --epochs 3 --seed 1";
  CHECK(contains(results, "    " + named + "\n"));
  Words words;
  for (std::string_view rest_of = named; !rest_of.empty();) words.emplace_back(take_until(rest_of, ' '));
  words.erase(words.begin());
  REQUIRE(run_program("train", words + Words{"--out", (folder / "whole").string()}).status == 0);
  for (const char* name : {"checkpoint.safetensors", "losses.csv", "gates.csv"})
    CHECK(bytes_of(folder / "whole" / name) == bytes_of(second / name));

  CHECK(contains(results, "**3 of 40 epochs of this experiment's schedule**"));
  std::vector<double> errors;
  for (const std::string network : {"constant", "stochastic"})
    for (const std::string seed : {"1", "2"}) {
      const Reported reported(out / ("smoke-" + network + "-" + seed));
      CHECK(contains(results, "| " + network + " | " + seed + " | 3 of 3 | " +
                                  fixed_point(reported.error, 2) + " (epoch " +
                                  fixed_point(reported.epoch, 0) + ") | "));
      errors.push_back(reported.error);
    }
  CHECK(contains(results, "| **constant** | mean ± spread of 2 |"));
  CHECK(contains(results, "- Test error, stochastic minus constant depth: "));
  const double difference_of_pairs = (errors[2] - errors[0]) - (errors[3] - errors[1]);
  CHECK(contains(results, ": a standard error of " + fixed_point(std::abs(difference_of_pairs) / 2, 2)));
  for (const char* plot : {"smoke-error.svg", "smoke-loss.svg", "smoke-gradient.svg"}) {
    CHECK(contains(results, std::string("](") + plot + ")"));
    CHECK(contains(bytes_of(out / plot), ">stochastic</text>"));
  }
  CHECK(contains(refusal_of(run_program(script, smoke(out, {"--epochs", "4"})), "reproduce"),
                 "was begun with 3 epochs, not 4"));

  // What is kept of the runs, without weights, makes the same report, and is known to be finished.
  const fs::path kept = folder / "kept", report = folder / "report";
  CHECK(contains(run_program(script, {"--keep", kept.string(), "--out", out.string()}).output,
                 "kept 4 runs in"));
  CHECK_FALSE(fs::exists(kept / "smoke-constant-1" / "checkpoint.safetensors"));
  CHECK(run_program(script, {"--report", "--out", kept.string(), "--report-dir", report.string()}).status ==
        0);
  for (const char* file : {"results.md", "smoke-error.svg", "smoke-gradient.svg"})
    CHECK(bytes_of(report / file) == bytes_of(out / file));
  const Outcome none_left = run_program(script, smoke(kept, {"--seeds", "1,2"}));
  CHECK(none_left.status == 0);
  CHECK_FALSE(contains(none_left.output, "$ train"));
  CHECK(
      contains(refusal_of(run_program(script, {"--keep", out.string(), "--out", out.string()}), "reproduce"),
               "is --out itself"));

  REQUIRE(run_program("train", {"--data", "synthetic", "--limit-train", "20", "--limit-test", "10", "--batch",
                                "10", "--epochs", "1", "--out", (out / "smoke-constant-3").string()})
              .status == 0);
  CHECK(contains(run_program(script, {"--report", "--out", out.string()}).errors,
                 "smoke-constant-3 was trained with --limit-train 20, not 160, so it"));
  CHECK(contains(refusal_of(run_program(script, smoke(out, {"--seeds", "3"})), "reproduce"),
                 "different lengths (1, 3 epochs)"));

  // Had one of the runs been stopped after two epochs, the table would say so, and no mean would count it.
  const fs::path half = out / "smoke-constant-2" / "checkpoint.safetensors";
  SafeTensors checkpoint = read_safetensors(half);
  checkpoint.metadata["epoch"] = "2";
  write_safetensors(half, checkpoint);
  CHECK(run_program(script, {"--report", "--out", out.string()}).status == 0);
  const std::string fewer = bytes_of(out / "results.md");
  CHECK(contains(fewer, "| constant | 2 | 2 of 3, unfinished | "));
  CHECK_FALSE(contains(fewer, "| **constant** |"));
  CHECK(contains(fewer, "; of one seed, so nobody knows how far chance moves it."));
}

TEST_CASE("a budget shortens every schedule alike, by times that it measures") {
  if (!has_python()) return;
  ScratchFolder folder;
  const fs::path out = folder / "runs";
  const Outcome poor = run_program(script, smoke(out, {"--budget", "0.00001"}));
  CHECK(contains(refusal_of(poor, "reproduce"), "--budget 1e-05 is too little for an epoch of each run"));
  std::string timings = bytes_of(out / "timings.json");
  CHECK(std::count(timings.begin(), timings.end(), ':') == 2);

  // Were an epoch to take 3 and 2 seconds, 12 seconds would be enough for 2.4 epochs of both.
  std::size_t from = 0;
  for (const std::string time : {" 3.0", " 2.0"}) {
    from = timings.find("\":", from) + 2;
    timings.replace(from, timings.find_first_of(",\n", from) - from, time);
  }
  put(out / "timings.json", timings);
  const Outcome outcome = run_program(script, smoke(out, {"--budget", "0.2", "--seeds", "7"}));
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(contains(outcome.output,
                 "smoke: 2 epochs, 2 of 40 epochs of this experiment's schedule, about 0.2 minutes"));
  CHECK(contains(bytes_of(out / "results.md"), "| constant | 7 | 2 of 2 |"));
}

TEST_CASE("what cannot be done is a sentence; a run that another process trains is left to it") {
  if (!has_python()) return;
  ScratchFolder folder;
  const fs::path out = folder / "runs";
  const auto sentence = [&](const Words& words) {
    return refusal_of(run_program(script, words), "reproduce");
  };
  CHECK(contains(sentence({"--run", "table-9", "--train", train}),
                 "there is no run named table-9; --list names them"));
  CHECK(contains(sentence({"--run", "smoke", "--train", "/nowhere/train"}), "build it"));
  CHECK(contains(sentence({"--report", "--out", out.string()}), "there is no run with a whole epoch"));
  const std::string list = run_program(script, {"--list"}).output;
  for (const char* name : {"table-1", "table-2", "figure-3", "figure-4", "figure-5", "figure-7",
                           "figure-8-left", "figure-8-right", "svhn-152", "cifar10-1202"})
    CHECK(contains(list, std::string("\n") + name + ":") != list.starts_with(name));
  CHECK(contains(
      list,
      "train --model resnet110 --data cifar10 --schedule linear --survival 0.5 --epochs 500 --seed 1    # paper: 5.25 %"));
  CHECK(contains(
      list,
      "train --model resnet1202 --data cifar10 --schedule none --epochs 300 --seed 1 --warm-up 10    # paper: 6.67 %"));

  fs::create_directories(out / "smoke-constant-1");
  const int lock = open((out / "smoke-constant-1").c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(flock(lock, LOCK_EX) == 0);
  const Outcome outcome = run_program(script, smoke(out, {"--epochs", "1", "--seeds", "1"}));
  close(lock);
  CHECK(outcome.status == 1);
  CHECK(contains(outcome.output, "smoke-constant-1: another process is training it"));
  CHECK(fs::exists(out / "smoke-stochastic-1" / "model.safetensors"));
  CHECK_FALSE(fs::exists(out / "smoke-constant-1" / "checkpoint.safetensors"));
}

TEST_CASE(
    "numbers that are none, empty texts and damaged files of runs are a sentence, and a closed output is not overlooked") {
  if (!has_python()) return;
  ScratchFolder folder;
  const auto sentence = [&](const Words& words) {
    return refusal_of(run_program(script, words), "reproduce");
  };
  const auto refused = [&](const std::string& option, const Words& values) {
    for (const std::string& value : values)
      CHECK_MESSAGE(contains(sentence({"--list", option, value}), "argument " + option + ": expected"),
                    option, value);
  };
  refused("--budget", {"nan", "inf", "0", "1e999", "1_0", ""});
  refused("--epochs", {"nan", "1.5", "0", "1_0", "0x10", "2147483648", ""});
  refused("--seeds", {"nan", "1,,2", "18446744073709551616", ""});
  for (const char* option : {"--out", "--report-dir", "--data-dir", "--train", "--note"})
    refused(option, {""});
  CHECK(run_program("/bin/sh", {"-c", "\"$0\" --list >/dev/full", script}).status == 1);
  CHECK(run_program("/bin/sh", {"-c", "\"$0\" --help >/dev/full", script}).status == 1);

  const fs::path run = folder / "smoke-constant-1";
  fs::create_directory(run);
  const auto report = [&](const std::string& metrics) {
    put(run / "metrics.csv", metrics);
    return run_program(script, {"--report", "--out", folder.path().string()});
  };
  write_safetensors(
      run / "checkpoint.safetensors",
      {{{"epoch", "1"},
        {"program",
         "{\"options\": {\"epochs\": 1, \"model\": \"resnet20\", \"data\": \"synthetic\", \"limit-train\": 160, "
         "\"limit-test\": 60, \"validation\": 40, \"batch\": 32, \"schedule\": \"none\"}}"}},
       {}});
  const std::string header =
      "epoch,train_loss,train_error,validation_error,test_error,seconds,blocks_run,learning_rate,gradient";
  CHECK(report("\xEF\xBB\xBF" + header + "\r\n1,2,90,90,90,1,9,0.1,nan\r\n").status == 0);
  CHECK(contains(refusal_of(report(header + "\n"), "reproduce"),
                 "metrics.csv has not one row for each of 1 epochs"));
  CHECK(
      contains(refusal_of(report(header + "\n1,two\n"), "reproduce"), "metrics.csv is no table of numbers"));
  put(run / "checkpoint.safetensors", "noise");
  CHECK(contains(refusal_of(report(header + "\n"), "reproduce"), "checkpoint.safetensors is no checkpoint"));
}

}  // namespace sdepth::test::reproduce_test
