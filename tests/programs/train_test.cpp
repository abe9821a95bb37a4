// train from outside: the same bytes for any number of threads and after any kill, and a sentence for
// whatever a person gets wrong.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>

#include "process.hpp"
#include "run_folders.hpp"

namespace sdepth::test::train_test {

namespace {

namespace fs = std::filesystem;

constexpr const char* metrics_header =
    "epoch,train_loss,train_error,validation_error,test_error,seconds,blocks_run,learning_rate";

nlohmann::json epoch_in_progress(const SafeTensors& checkpoint) {
  return nlohmann::json::parse(checkpoint.metadata.at("program")).at("epoch_in_progress");
}

std::size_t lines_of(const fs::path& file) {
  const std::string text = bytes_of(file);
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

TEST_CASE("a run writes what it promises, and threads do not change a byte of it") {
  ScratchFolder folder;
  const Outcome one = run_program("train", small_run + out(folder / "one") + Words{"--threads", "1"});
  const Outcome two = run_program("train", small_run + out(folder / "two") + Words{"--threads", "2"});
  REQUIRE_MESSAGE(one.status == 0, one.output);
  REQUIRE_MESSAGE(two.status == 0, two.output);
  CHECK(one.errors.empty());  // no progress line where nobody looks
  CHECK(contains(one.output, "the one with the lowest validation error"));
  CHECK(contains(one.output, "skipping saves"));
  check_equal_runs(folder / "one", folder / "two");

  // 300 records in batches of 32: 10 steps, the last of 12 images.
  const fs::path one_folder = folder / "one";
  const auto losses = read_csv(one_folder / "losses.csv", "step,loss");
  REQUIRE(losses.size() == 20);
  for (std::size_t step = 0; step < losses.size(); ++step)
    CHECK(losses[step][0] == static_cast<double>(step));
  const auto gates = read_gates(one_folder / "gates.csv", 9);
  REQUIRE(gates.size() == 20);
  const auto metrics = read_csv(one_folder / "metrics.csv", metrics_header);
  REQUIRE(metrics.size() == 2);
  for (std::size_t epoch = 0; epoch < 2; ++epoch) {
    double loss = 0, blocks = 0;
    for (std::size_t step = 10 * epoch; step < 10 * (epoch + 1); ++step) {
      loss += losses[step][1] * (step % 10 == 9 ? 12 : 32) / 300;
      blocks += static_cast<double>(std::count(gates[step].begin(), gates[step].end(), 1)) / 10.0;
    }
    CHECK(metrics[epoch][0] == static_cast<double>(epoch + 1));
    CHECK(metrics[epoch][1] == doctest::Approx(loss).epsilon(1e-7));
    CHECK(metrics[epoch][6] == doctest::Approx(blocks));
  }
  CHECK(contains(bytes_of(one_folder / "report.html"), "</html>"));
  // no partial files
  CHECK(std::distance(fs::directory_iterator(one_folder), fs::directory_iterator()) == 6);
  const SafeTensors model = read_safetensors(one_folder / "model.safetensors");
  CHECK(model.metadata.at("model") == "resnet20");
  CHECK(model.find("blocks.8.conv2.weight") != nullptr);
}

TEST_CASE("killed at random moments and resumed, a run ends with the bytes of one never stopped") {
  ScratchFolder folder;
  const auto start = std::chrono::steady_clock::now();
  REQUIRE(run_program("train", small_run + out(folder / "whole")).status == 0);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - start;

  const fs::path killed = folder / "killed";
  std::mt19937 random(std::random_device{}());
  for (int kills = 0; kills < 3; ++kills) {
    const auto moment = whole * std::uniform_real_distribution(0.05, 0.6)(random);
    CAPTURE(moment.count());
    Process train("train",
                  fs::exists(killed / "checkpoint.safetensors") ? resume(killed) : small_run + out(killed));
    std::this_thread::sleep_for(moment);
    const int status = train.finish(SIGKILL).status;
    CHECK((status == -SIGKILL || status == 0));  // 0: the machine was faster now than before
  }
  const Outcome last = run_program(
      "train", fs::exists(killed / "checkpoint.safetensors") ? resume(killed) : small_run + out(killed));
  REQUIRE_MESSAGE(last.status == 0, last.output);
  check_equal_runs(folder / "whole", killed);
  CHECK(read_csv(killed / "metrics.csv", metrics_header).size() == 2);
}

TEST_CASE("Ctrl-C finishes the step, says how to go on, and loses nothing") {
  ScratchFolder folder;
  REQUIRE(run_program("train", small_run + out(folder / "whole")).status == 0);
  const fs::path stopped = folder / "stopped";
  Process train("train", small_run + out(stopped));
  REQUIRE(train.wait_for(stopped / "checkpoint.safetensors"));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const Outcome outcome = train.finish(SIGINT);
  CHECK(outcome.status == 130);
  CHECK(contains(outcome.errors, "go on with `train --resume " + stopped.string() + "`"));
  CHECK(lines_of(stopped / "losses.csv") == lines_of(stopped / "gates.csv") + 1);
  const nlohmann::json epoch = epoch_in_progress(read_safetensors(stopped / "checkpoint.safetensors"));
  CHECK(epoch.value("seconds", -1.0) >= 0);  // what it has taken so far
  REQUIRE(run_program("train", resume(stopped)).status == 0);
  check_equal_runs(folder / "whole", stopped);
}

TEST_CASE("a run by steps may end within an epoch, and goes on there when it is made longer") {
  ScratchFolder folder;
  const Words run = {"--data",  "synthetic", "--limit-train", "160", "--limit-test", "20",
                     "--batch", "32",        "--lr-drop",     "1"};
  REQUIRE(run_program("train", run + Words{"--steps", "12"} + out(folder / "long")).status == 0);
  REQUIRE(run_program("train", run + Words{"--steps", "8"} + out(folder / "short")).status == 0);
  CHECK(read_csv(folder / "short" / "metrics.csv", metrics_header).size() == 2);
  REQUIRE(run_program("train", resume(folder / "short") + Words{"--steps", "12"}).status == 0);
  check_equal_runs(folder / "long", folder / "short");
  const auto rows = read_csv(folder / "short" / "metrics.csv", metrics_header);
  const auto expected = read_csv(folder / "long" / "metrics.csv", metrics_header);
  REQUIRE(rows.size() == 3);
  for (std::size_t row = 0; row < rows.size(); ++row) CHECK(rows[row][1] == expected[row][1]);
}

TEST_CASE("the seconds of an epoch that is interrupted are those of all its parts") {
  ScratchFolder folder;
  const fs::path run = folder / "run", checkpoint = run / "checkpoint.safetensors";
  REQUIRE(run_program("train", Words{"--data", "synthetic", "--limit-train", "160", "--limit-test", "20",
                                     "--batch", "32", "--lr-drop", "1", "--steps", "7"} +
                                   out(run))
              .status == 0);
  const auto go_on = [&](const char* steps) {
    REQUIRE(run_program("train", resume(run) + Words{"--steps", steps}).status == 0);
    const auto rows = read_csv(run / "metrics.csv", metrics_header);
    CHECK(rows[0][5] < 1000);
    return rows.back()[5];
  };
  // A run that ended within an epoch has told its table.
  const double seconds = read_csv(run / "metrics.csv", metrics_header).back()[5];
  CHECK(seconds > 0);
  const std::string row = bytes_of(run / "metrics.csv"), text = sdepth::decimal(seconds, 9);
  REQUIRE(contains(row, "," + text + ","));
  put(run / "metrics.csv", std::string(row).replace(row.rfind("," + text + ",") + 1, text.size(), "1000"));
  CHECK(go_on("8") > 1000);
  CHECK(go_on("9") < 2000);
  // One that was stopped has told its checkpoint.
  SafeTensors file = read_safetensors(checkpoint);
  CHECK_FALSE(epoch_in_progress(file).contains("seconds"));  // equal runs have equal checkpoints
  nlohmann::json program = nlohmann::json::parse(file.metadata.at("program"));
  program["epoch_in_progress"]["seconds"] = 5000.0;
  file.metadata["program"] = program.dump();
  write_safetensors(checkpoint, file);
  CHECK(go_on("10") > 5000);
  CHECK(go_on("11") < 1000);  // the next epoch begins anew
}

/// A run of `usual` with the words `more`: has the same bytes after a stop and on other threads, and other bytes
/// than `usual`; goes on with the words `other` in no case; and its report holds `shown`.
void check_stored_otherwise(const Words& usual, const Words& more, const Words& other,
                            const std::string& shown) {
  ScratchFolder folder;
  const auto trained = [&](const Words& words, const char* name) {
    REQUIRE(run_program("train", words + out(folder / name)).status == 0);
  };
  trained(usual + more + Words{"--steps", "8", "--threads", "1"}, "whole");
  trained(usual + more + Words{"--steps", "4", "--threads", "2"}, "stopped");
  CHECK(contains(refusal("train", resume(folder / "stopped") + other), "the run in"));
  REQUIRE(run_program("train", resume(folder / "stopped") + Words{"--steps", "8"}).status == 0);
  check_equal_runs(folder / "whole", folder / "stopped");
  trained(usual + Words{"--steps", "8"}, "usual");
  CHECK(bytes_of(folder / "whole" / "model.safetensors") != bytes_of(folder / "usual" / "model.safetensors"));
  CHECK(contains(bytes_of(folder / "whole" / "report.html"), shown));
  CHECK_FALSE(contains(bytes_of(folder / "usual" / "report.html"), shown));
}

TEST_CASE(
    "activations in bfloat16, and rounded stochastically, give the same bytes after a stop and on other threads, and other bytes than as usual") {
  const Words floats = {"--data",  "synthetic", "--limit-train", "160", "--limit-test", "20",
                        "--batch", "32",        "--lr-drop",     "1"};
  const Words bf16 = {"--precision", "bf16"};
  check_stored_otherwise(floats, bf16, {"--precision", "float32"}, "bf16");
  check_stored_otherwise(floats + bf16, {"--rounding", "stochastic"}, {"--rounding", "nearest"},
                         "stochastic</td>");
}

TEST_CASE("the learning rate drops where it should") {
  ScratchFolder folder;
  const auto rates = [&](const std::string& name, const Words& more) {
    const Words run = {"--data",  "synthetic", "--limit-train", "20", "--limit-test", "0",
                       "--batch", "10",        "--no-augment"};
    const Outcome outcome = run_program("train", run + more + out(folder / name));
    CHECK_MESSAGE(outcome.status == 0, outcome.output);
    std::vector<double> found;
    for (const auto& row : read_csv(folder / name / "metrics.csv", metrics_header)) found.push_back(row[7]);
    return found;
  };
  const auto near = [](const std::vector<double>& a, const std::vector<double>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](double x, double y) { return x == doctest::Approx(y); });
  };
  // never in epoch 1
  CHECK(near(rates("one epoch", {"--epochs", "1"}), {0.1}));
  // from epochs 2 and 3 on
  CHECK(near(rates("epochs", {"--epochs", "4", "--lr", "0.2"}), {0.2, 0.02, 0.002, 0.002}));
  // from steps 4 and 6 on
  CHECK(near(rates("steps", {"--steps", "8"}), {0.1, 0.1, 0.01, 0.001}));
  CHECK(near(rates("never", {"--steps", "4", "--lr-drop", "1"}), {0.1, 0.1}));
  CHECK(near(rates("warm-up", {"--epochs", "3", "--warm-up", "2", "--lr-drop", "0.9"}), {0.01, 0.01, 0.01}));

  // The others change with every step, of which an epoch has two; the second one's rate is shown. PyTorch's
  // numbers, as in train/learning_rate.
  CHECK(near(rates("cosine", {"--epochs", "2", "--lr-schedule", "cosine"}),
             {0.0853553390593274, 0.0146446609406726}));
  CHECK(near(rates("one-cycle", {"--steps", "10", "--lr-schedule", "one-cycle"}),
             {0.052, 0.09504846320134738, 0.06112620219362893, 0.0188258346050237, 4e-07}));
  CHECK(near(rates("constant", {"--epochs", "2", "--lr-schedule", "constant", "--lr-drop", "0.5"}),
             {0.1, 0.1}));
  const Words rising = {"--warm-up", "2", "--warm-up-shape", "linear"};
  CHECK(near(rates("rising", Words{"--epochs", "3", "--lr-schedule", "constant"} + rising),
             {0.0325, 0.0775, 0.1}));
  // drops stay where they are
  CHECK(near(rates("rising steps", Words{"--epochs", "4"} + rising), {0.0325, 0.00775, 0.001, 0.001}));
  CHECK(near(rates("still", {"--epochs", "2", "--lr-schedule", "constant", "--warm-up", "1"}), {0.01, 0.1}));
}

TEST_CASE("forced gates are used, line by line, and a missing line is found before the first step") {
  ScratchFolder folder;
  const std::string lines = "1,1,1,1,1,1,1,1,1\n0,0,0,0,0,0,0,0,0\n1,0,1,0,1,0,1,0,1\n";
  put(folder / "forced.csv", lines);
  const Words run = {"--data",        "synthetic",
                     "--limit-train", "40",
                     "--limit-test",  "10",
                     "--batch",       "10",
                     "--gates",       (folder / "forced.csv").string()};
  const std::string missing =
      "has gates for 3 steps, and step 3 (counted from 0) of the 4 of this run needs a line too";
  CHECK(contains(refusal("train", run + Words{"--steps", "4"} + out(folder / "run")), missing));
  CHECK_FALSE(fs::exists(folder / "run"));
  REQUIRE(run_program("train", run + Words{"--steps", "3"} + out(folder / "run")).status == 0);
  CHECK(bytes_of(folder / "run" / "gates.csv") == lines);
  CHECK(contains(refusal("train", resume(folder / "run") + Words{"--steps", "4"}), missing));

  put(folder / "forced.csv", lines + "0,1,0,1,0,1,0,1,0\n");
  REQUIRE(run_program("train", resume(folder / "run") + Words{"--steps", "4"}).status == 0);
  CHECK(bytes_of(folder / "run" / "gates.csv") == bytes_of(folder / "forced.csv"));

  put(folder / "forced.csv", "1,1\n");
  CHECK(contains(refusal("train", run + Words{"--steps", "4"}), "line 1 has 2 gates, expected 9"));
}

TEST_CASE("--init starts from given weights") {
  ScratchFolder folder;
  const Words run = {"--data",  "synthetic", "--limit-train", "10", "--limit-test", "0",
                     "--batch", "10",        "--steps",       "1",  "--normalize",  "none"};
  REQUIRE(run_program("train", run + Words{"--seed", "5"} + out(folder / "first")).status == 0);
  const std::string weights = (folder / "first" / "model.safetensors").string();
  const Words still = {"--lr", "0", "--seed", "6", "--init", weights};
  REQUIRE(run_program("train", run + still + out(folder / "second")).status == 0);
  const SafeTensors first = read_safetensors(weights),
                    second = read_safetensors(folder / "second" / "model.safetensors");
  for (const char* name : {"conv1.weight", "blocks.8.bn2.weight", "fc.bias"})
    CHECK(first.find(name)->values == second.find(name)->values);

  CHECK(contains(refusal("train", run + Words{"--model", "resnet56", "--init", weights}), "lacks blocks."));
  put(folder / "noise", "these are no weights");
  CHECK(contains(refusal("train", run + Words{"--init", (folder / "noise").string()}), "noise"));
}

TEST_CASE("a mistake on the command line is one sentence, and nothing is written") {
  ScratchFolder folder;
  const auto sentence = [&](const Words& words) { return refusal("train", words + out(folder / "run")); };
  CHECK(contains(sentence({"--learning-rate", "0.1"}), "--learning-rate"));
  CHECK(contains(sentence({"resnet20"}), "resnet20"));
  CHECK(contains(sentence({"--epochs", "2", "--steps", "3"}), "--steps"));
  CHECK(contains(sentence({"--epochs", "0"}), "--epochs"));
  CHECK(contains(sentence({"--batch", "many"}), "--batch"));
  CHECK(contains(sentence({"--model", "resnet21"}), "resnet1202"));
  CHECK(contains(sentence({"--survival", "1.5"}), "--survival"));
  CHECK(contains(sentence({"--seed", "-1"}), "--seed"));
  CHECK(contains(sentence({"--lr-drop", "0.75,0.5"}), "expected fractions of the run, rising"));
  CHECK(contains(sentence({"--lr-drop", "half"}), "expected fractions of the run, rising"));
  CHECK(contains(sentence({"--data", "cifar10", "--data-dir", (folder / "nowhere").string()}),
                 "is not a directory"));
  CHECK(contains(sentence({"--data", "synthetic", "--validation", "10000"}), "hold out"));
  fs::create_directory(folder / "empty");
  CHECK(contains(sentence({"--data", "cifar10", "--data-dir", (folder / "empty").string()}),
                 "data_batch_1.bin is missing"));
  CHECK_FALSE(fs::exists(folder / "run"));
  CHECK(run_program("train", {"--help"}).status == 0);
}

TEST_CASE("an earlier run is not overwritten, and a contradiction to it is refused") {
  ScratchFolder folder;
  const Words run = {"--data",  "synthetic", "--limit-train", "10", "--limit-test", "10",
                     "--batch", "10",        "--steps",       "1"};
  const fs::path first = folder / "run";
  REQUIRE(run_program("train", run + out(first)).status == 0);
  const std::string checkpoint = bytes_of(first / "checkpoint.safetensors"),
                    losses = bytes_of(first / "losses.csv");
  CHECK(contains(refusal("train", run + out(first)), "holds a run already"));
  CHECK(contains(refusal("train", resume(first) + Words{"--lr", "0.2"}), "--lr is 0.2, but the run in"));
  CHECK(contains(refusal("train", resume(first) + Words{"--no-nesterov"}), "--nesterov is false"));
  CHECK(contains(refusal("train", resume(first) + Words{"--epochs", "3"}), "--epochs is 3"));
  CHECK(contains(refusal("train", resume(first) + out(folder / "other")), "goes on in its own folder"));
  CHECK(contains(refusal("train", resume(folder / "other")), "there is no checkpoint.safetensors"));
  CHECK(bytes_of(first / "checkpoint.safetensors") == checkpoint);
  CHECK(bytes_of(first / "losses.csv") == losses);

  SUBCASE("the same options again agree") {
    CHECK(run_program("train", run + resume(first) + out(first) + Words{"--threads", "2"}).status == 0);
    CHECK(bytes_of(first / "checkpoint.safetensors") == checkpoint);
  }
  SUBCASE("a damaged checkpoint is refused") {
    for (const std::string& damaged :
         {checkpoint.substr(0, checkpoint.size() / 2), std::string("noise"), std::string()}) {
      put(first / "checkpoint.safetensors", damaged);
      CHECK(contains(refusal("train", resume(first)), "checkpoint.safetensors"));
    }
    put(first / "checkpoint.safetensors", bytes_of(first / "model.safetensors"));
    CHECK(contains(refusal("train", resume(first)), "is not a checkpoint"));
  }
  SUBCASE("options in a checkpoint that this program did not write are refused by name") {
    const SafeTensors whole = read_safetensors(first / "checkpoint.safetensors");
    const auto with = [&](const std::string& stored, const std::string& instead) {
      SafeTensors changed = whole;
      std::string& program = changed.metadata["program"];
      REQUIRE(contains(program, stored));
      program.replace(program.find(stored), stored.size(), instead);
      write_safetensors(first / "checkpoint.safetensors", changed);
      return refusal("train", resume(first));
    };
    CHECK(contains(with(R"("batch":10,)", ""), "the option batch stored in it is missing or unreadable"));
    CHECK(contains(with(R"("momentum":0.9)", R"("momentum":"much")"),
                   "the option momentum stored in it is missing or unreadable"));
    CHECK(contains(with(R"("precision":"float32")", R"("precision":"int4")"),
                   "the option precision stored in it is \"int4\", which this program does not know"));
    CHECK(
        contains(with(R"("steps":1,"survival")", R"("steps":0,"survival")"), "exactly one must be above 0"));
  }
}

TEST_CASE(
    "a full disk, a folder that cannot be made, and a loss that is not finite end a run with a sentence") {
  ScratchFolder folder;
  const Words run = {"--data",  "synthetic", "--limit-train", "30", "--limit-test", "10",
                     "--batch", "10",        "--epochs",      "1"};
  constexpr rlim_t one_megabyte = 1 << 20;  // the tables fit, weights do not
  CHECK(contains(refusal("train", run + out(folder / "full"), one_megabyte),
                 "checkpoint.safetensors cannot be written: File too large; free some space"));
  put(folder / "file", "");
  CHECK(contains(refusal("train", run + out(folder / "file" / "run")), "the folder cannot be made"));
  CHECK(contains(refusal("train", run + out(folder / "file")), "the folder cannot be made"));

  CHECK(contains(refusal("train", run + Words{"--lr", "1e30"} + out(folder / "diverged")),
                 "expected a finite number"));
  const SafeTensors checkpoint = read_safetensors(folder / "diverged" / "checkpoint.safetensors");
  CHECK(checkpoint.metadata.at("step") == "0");
}

}  // namespace sdepth::test::train_test
