// --tensorboard: what a run writes is what TensorBoard's own package reads, also behind a kill.
#include <doctest/doctest.h>

#include <csignal>
#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

#include <sdepth/io/csv.hpp>
#include <sdepth/program/event_log.hpp>

#include "process.hpp"
#include "run_folders.hpp"

namespace sdepth::test::tensorboard_test {

namespace {

namespace fs = std::filesystem;

const Words run_of_two = {"--data",  "synthetic", "--limit-train", "160", "--limit-test", "20",
                          "--batch", "20",        "--epochs",      "2"};

/// Prints each scalar as a line: tag, step, value.
constexpr const char* script = R"(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0})
events.Reload()
for tag in events.Tags()["scalars"]:
    for event in events.Scalars(tag):
        print(tag, event.step, repr(event.value))
)";

}  // namespace

TEST_CASE(
    "the tensorboard package reads the losses and errors of the tables, of a run that was killed, too") {
  ScratchFolder folder;
  const fs::path run = folder / "run";
  Process killed("train_own", run_of_two + Words{"--tensorboard", "--ema", "0.5"} + out(run));
  REQUIRE(killed.wait_for(run / "model.safetensors"));
  static_cast<void>(killed.finish(SIGKILL));
  const Outcome rest = run_program("train_own", resume(run));
  REQUIRE_MESSAGE(rest.status == 0, rest.output);
  REQUIRE(fs::exists(run / program::EventLog::file_name));

  // The run itself is one without events, and one may ask for them when it goes on.
  REQUIRE(run_program("train_own", run_of_two + Words{"--ema", "0.5"} + out(folder / "without")).status == 0);
  for (const char* name : {"model.safetensors", "losses.csv", "average.csv"})
    CHECK(bytes_of(run / name) == bytes_of(folder / "without" / name));
  CHECK_FALSE(fs::exists(folder / "without" / program::EventLog::file_name));
  REQUIRE(
      run_program("train_own", resume(folder / "without") + Words{"--tensorboard", "--epochs", "3"}).status ==
      0);
  CHECK(fs::exists(folder / "without" / program::EventLog::file_name));
  CHECK(contains(refusal("train_own", run_of_two + Words{"--tensorboard"}),
                 "--tensorboard writes a file of events into the folder"));

  if (run_program("/usr/bin/env", {"python3", "-c", "import tensorboard"}).status != 0) {
    MESSAGE("skipped: python3 has no package tensorboard that could read the file (pip install tensorboard)");
    return;
  }
  put(folder / "read.py", script);
  const Outcome read = run_program("/usr/bin/env", {"python3", (folder / "read.py").string(), run.string()});
  REQUIRE_MESSAGE(read.status == 0, read.output);
  const auto losses = read_csv(run / "losses.csv", "step,loss");
  const auto metrics =
      read_csv(run / "metrics.csv", "epoch,train_loss,train_error,validation_error,test_error");
  std::istringstream lines(read.output);
  std::string tag;
  std::size_t step = 0, steps = 0, errors = 0, validation = 0;
  double value = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream cells(line);
    if (!(cells >> tag >> step >> value)) continue;  // a warning
    if (tag == "step/loss") {
      CHECK(step == steps + 1);
      CHECK(value == doctest::Approx(losses.at(steps++)[1]).epsilon(1e-6));
    } else if (tag == "error/test") {
      CHECK(step == 8 * (errors + 1));
      CHECK(value == doctest::Approx(metrics.at(errors++)[4]).epsilon(1e-6));
    }
    validation += tag == "error/validation";
  }
  CHECK(steps == 16);
  CHECK(errors == 2);
  CHECK(validation == 0);  // there is no such part
}

}  // namespace sdepth::test::tensorboard_test
