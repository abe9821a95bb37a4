// train --survival-warm-up and --survival-over-time: gates, the scale at test and the model's card follow the
// epoch's probabilities, through stops as well.
#include <doctest/doctest.h>

#include <csignal>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/schedule/gates.hpp>

#include "process.hpp"

namespace sdepth::test::survival_over_time_test {

namespace {

namespace fs = std::filesystem;

constexpr int blocks = 9, steps_per_epoch = 5;
constexpr std::uint64_t seed = 11;
const Words run = {"--data",  "synthetic", "--limit-train", "160", "--limit-test", "60",
                   "--batch", "32",        "--survival",    "0.2", "--seed",       "11"};

Words out(const fs::path& folder) { return {"--out", folder.string()}; }

/// p_l of linear decay to 0.2 in an epoch of a warm-up over E = 3 epochs; l from 1.
double survival_of(int l, int epoch) {
  const double own = 1.0 - 0.8 * l / blocks;
  return epoch > 3 ? own : 1.0 - (1.0 - own) * (epoch - 1) / 3.0;
}

void check_equal_runs(const fs::path& a, const fs::path& b) {
  for (const char* name : {"model.safetensors", "checkpoint.safetensors", "losses.csv", "gates.csv"}) {
    CAPTURE(name);
    CHECK(bytes_of(a / name) == bytes_of(b / name));
  }
}

}  // namespace

TEST_CASE(
    "gates are drawn with the probabilities of their epoch, and the network is tested and stored with those of the last") {
  ScratchFolder folder;
  const Outcome outcome =
      run_program("train", run + Words{"--epochs", "5", "--survival-warm-up", "3"} + out(folder / "run"));
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  const auto gates = read_gates(folder / "run" / "gates.csv", blocks);
  REQUIRE(gates.size() == 5 * steps_per_epoch);
  for (std::size_t step = 0; step < gates.size(); ++step) {
    const int epoch = static_cast<int>(step) / steps_per_epoch + 1;
    for (int block = 0; block < blocks; ++block)
      CHECK(static_cast<bool>(gates[step][static_cast<std::size_t>(block)]) ==
            gate_open(seed, step, block, survival_of(block + 1, epoch)));
  }

  // A run of two epochs ends in the warm-up: its model has the probabilities of epoch 2, and gives infer the
  // error that train measured.
  REQUIRE(run_program("train", run + Words{"--epochs", "2", "--survival-warm-up", "3", "--lr-drop", "1"} +
                                   out(folder / "two"))
              .status == 0);
  const SafeTensors model = read_safetensors(folder / "two" / "model.safetensors");
  const auto survival = nlohmann::json::parse(model.metadata.at("survival")).get<std::vector<double>>();
  REQUIRE(survival.size() == blocks);
  for (int block = 0; block < blocks; ++block)
    CHECK(survival[static_cast<std::size_t>(block)] == doctest::Approx(survival_of(block + 1, 2)));
  const auto metrics =
      read_csv(folder / "two" / "metrics.csv", "epoch,train_loss,train_error,validation_error,test_error");
  const int errors = static_cast<int>(metrics.at(1)[4] * 60 / 100 + 0.5);
  const Words infer = {"--weights", (folder / "two" / "model.safetensors").string(), "--limit", "60"};
  CHECK(contains(run_program("infer", infer).output, "(" + std::to_string(errors) + " of 60 images)"));
}

TEST_CASE("the first epoch of a warm-up is that of a network without stochastic depth, its test included") {
  ScratchFolder folder;
  const Words one = run + Words{"--epochs", "1"};
  REQUIRE(run_program("train", one + Words{"--survival-warm-up", "3"} + out(folder / "warm")).status == 0);
  REQUIRE(run_program("train", one + Words{"--schedule", "none"} + out(folder / "constant")).status == 0);
  CHECK(bytes_of(folder / "warm" / "losses.csv") == bytes_of(folder / "constant" / "losses.csv"));
  CHECK(read_csv(folder / "warm" / "metrics.csv",
                 "epoch,train_loss,train_error,validation_error,test_error")[0][4] ==
        read_csv(folder / "constant" / "metrics.csv",
                 "epoch,train_loss,train_error,validation_error,test_error")[0][4]);
}

TEST_CASE(
    "a run stopped in its warm-up, between epochs and within one, goes on to the same bytes; older checkpoints have none") {
  ScratchFolder folder;
  const Words warm = run + Words{"--survival-warm-up", "3", "--lr-drop", "1"};
  REQUIRE(run_program("train", warm + Words{"--steps", "17"} + out(folder / "whole")).status == 0);
  REQUIRE(run_program("train", warm + Words{"--steps", "5"} + out(folder / "parts")).status == 0);
  for (const char* steps : {"8", "10", "17"})
    REQUIRE(run_program("train", {"--resume", (folder / "parts").string(), "--steps", steps}).status == 0);
  check_equal_runs(folder / "whole", folder / "parts");
  CHECK(contains(refusal("train", {"--resume", (folder / "whole").string(), "--survival-warm-up", "2"}),
                 "--survival-warm-up is 2, but the run in"));

  REQUIRE(run_program("train", run + Words{"--steps", "5"} + out(folder / "old")).status == 0);
  SafeTensors checkpoint = read_safetensors(folder / "old" / "checkpoint.safetensors");
  nlohmann::json program = nlohmann::json::parse(checkpoint.metadata.at("program"));
  REQUIRE(program["options"].erase("survival-warm-up") == 1);
  checkpoint.metadata["program"] = program.dump();
  write_safetensors(folder / "old" / "checkpoint.safetensors", checkpoint);
  CHECK(
      run_program("train", {"--resume", (folder / "old").string(), "--steps", "7", "--survival-warm-up", "0"})
          .status == 0);
}

TEST_CASE(
    "early, late and warm-up: every epoch's gates, test and card, and a stopped run goes on to the same bytes") {
  ScratchFolder folder;
  for (const std::string phase : {"early", "late", "warm-up"}) {
    CAPTURE(phase);
    const Words over_time = run + Words{"--epochs", "4", "--survival-over-time", phase + ":0.5"};
    const fs::path whole = folder / phase, stopped = folder / (phase + "-stopped");
    const Outcome outcome = run_program("train", over_time + out(whole));
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    const auto survival_in = [&](int l, int epoch) {  // the first half of four epochs is two of them
      const double own = 1.0 - 0.8 * l / blocks;
      if (phase == "warm-up") return epoch > 2 ? own : 1.0 - (1.0 - own) * (epoch - 1) / 2.0;
      return (epoch <= 2) == (phase == "early") ? own : 1.0;
    };
    const auto gates = read_gates(whole / "gates.csv", blocks);
    REQUIRE(gates.size() == 4 * steps_per_epoch);
    for (std::size_t step = 0; step < gates.size(); ++step)
      for (int block = 0; block < blocks; ++block) {
        const double p = survival_in(block + 1, static_cast<int>(step) / steps_per_epoch + 1);
        CHECK(static_cast<bool>(gates[step][static_cast<std::size_t>(block)]) ==
              gate_open(seed, step, block, p));
      }

    // Tested and stored with the probabilities of the last epoch; infer finds the same error.
    const SafeTensors model = read_safetensors(whole / "model.safetensors");
    const auto survival = nlohmann::json::parse(model.metadata.at("survival")).get<std::vector<double>>();
    for (int block = 0; block < blocks; ++block)
      CHECK(survival[static_cast<std::size_t>(block)] == doctest::Approx(survival_in(block + 1, 4)));
    const auto metrics =
        read_csv(whole / "metrics.csv", "epoch,train_loss,train_error,validation_error,test_error");
    const int errors = static_cast<int>(metrics.at(3)[4] * 60 / 100 + 0.5);
    const Words infer = {"--weights", (whole / "model.safetensors").string(), "--limit", "60"};
    CHECK(contains(run_program("infer", infer).output, "(" + std::to_string(errors) + " of 60 images)"));
    const std::string report = bytes_of(whole / "report.html");
    CHECK(contains(report, "--survival-over-time"));
    CHECK(contains(report, "50 % of the run"));

    Process train("train", over_time + out(stopped));
    REQUIRE(train.wait_for(stopped / "metrics.csv"));
    static_cast<void>(train.finish(SIGINT));
    REQUIRE(run_program("train", {"--resume", stopped.string()}).status == 0);
    check_equal_runs(whole, stopped);
    CHECK(contains(refusal("train", {"--resume", stopped.string(), "--survival-over-time", "constant"}),
                   "--survival-over-time is \"constant\", but the run in"));
  }
}

TEST_CASE(
    "a run that is made longer has its probabilities moved, and one that ends in stochastic depth is measured with it") {
  ScratchFolder folder;
  const Words early = run + Words{"--survival-over-time", "early:0.5"};
  REQUIRE(run_program("train", early + Words{"--epochs", "2"} + out(folder / "run")).status == 0);
  const Outcome longer = run_program("train", {"--resume", (folder / "run").string(), "--epochs", "6"});
  REQUIRE_MESSAGE(longer.status == 0, longer.output);
  const auto gates = read_gates(folder / "run" / "gates.csv", blocks);
  for (std::size_t step = 0; step < gates.size(); ++step)
    for (int block = 0; block < blocks; ++block) {
      // of two epochs the first was early, of six the third is
      const auto epoch = step / steps_per_epoch + 1;
      CHECK(static_cast<bool>(gates[step][static_cast<std::size_t>(block)]) ==
            gate_open(seed, step, block, epoch == 1 || epoch == 3 ? 1.0 - 0.8 * (block + 1) / blocks : 1.0));
    }

  REQUIRE(run_program("train", run +
                                   Words{"--epochs", "2", "--survival-over-time", "early:1", "--block-harm"} +
                                   out(folder / "harm"))
              .status == 0);
  const auto metrics =
      read_csv(folder / "harm" / "metrics.csv", "epoch,train_loss,train_error,validation_error,test_error");
  const auto harm =
      read_csv(folder / "harm" / "harm.csv", "block,survival,loss,error,whole_loss,whole_error");
  CHECK(harm.at(8)[1] == doctest::Approx(0.2));
  CHECK(harm.at(8)[5] == metrics.at(1)[4]);
}

}  // namespace sdepth::test::survival_over_time_test
