// What train tells about a run beside loss and error: the gradient of the first block, through stops and for
// runs of older versions.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>

#include "process.hpp"

namespace sdepth::test::diagnostics_test {

namespace {

namespace fs = std::filesystem;

constexpr const char* metrics_header =
    "epoch,train_loss,train_error,validation_error,test_error,seconds,blocks_run,learning_rate,gradient";
constexpr std::size_t seconds_column = 5, gradient_column = 8;

Words out(const fs::path& folder) { return {"--out", folder.string()}; }

std::vector<std::vector<double>> metrics_of(const fs::path& folder) {
  return read_csv(folder / "metrics.csv", metrics_header);
}

/// metrics.csv but for the seconds, as text: equal runs write equal bytes.
std::string lines_without_seconds(const fs::path& folder) {
  std::string text = bytes_of(folder / "metrics.csv"), kept;
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto cells = cells_of(take_until(rest, '\n'));
    for (std::size_t i = 0; i < cells.size(); ++i)
      if (i != seconds_column) kept.append(cells[i]).append(",");
    kept += '\n';
  }
  return kept;
}

}  // namespace

TEST_CASE("the gradient column is the mean |gradient| of the first block's first convolution") {
  // Plain SGD at rate 1 takes the gradient itself from the weights.
  ScratchFolder folder;
  const Words run = {
      "--data",  "synthetic", "--limit-train", "20",   "--limit-test", "0", "--batch",       "20",
      "--steps", "1",         "--schedule",    "none", "--momentum",   "0", "--no-nesterov", "--weight-decay",
      "0"};
  REQUIRE(run_program("train", run + Words{"--lr", "0"} + out(folder / "before")).status == 0);
  REQUIRE(run_program("train", run + Words{"--lr", "1"} + out(folder / "after")).status == 0);
  const SafeTensors before = read_safetensors(folder / "before" / "model.safetensors"),
                    after = read_safetensors(folder / "after" / "model.safetensors");
  const auto &w0 = before.find("blocks.0.conv1.weight")->values,
             &w1 = after.find("blocks.0.conv1.weight")->values;
  REQUIRE(w0.size() == 16 * 16 * 9);
  double sum = 0;
  for (std::size_t i = 0; i < w0.size(); ++i)
    sum += std::abs(static_cast<double>(w0[i]) - static_cast<double>(w1[i]));
  const double expected = sum / static_cast<double>(w0.size());
  CHECK(metrics_of(folder / "after").at(0)[gradient_column] == doctest::Approx(expected).epsilon(1e-4));
  CHECK(metrics_of(folder / "before").at(0)[gradient_column] == doctest::Approx(expected).epsilon(1e-4));
  CHECK(contains(bytes_of(folder / "after" / "report.html"), "mean |∂loss/∂w|"));
  CHECK(contains(bytes_of(folder / "after" / "report.html"), "Residual blocks run"));
}

TEST_CASE("steps that skip the first block do not count in it") {
  ScratchFolder folder;
  const std::string open = "1,1,1,1,1,1,1,1,1\n", closed = "0,1,1,1,1,1,1,1,1\n";
  const Words run = {"--data",  "synthetic", "--limit-train", "40", "--limit-test", "0",
                     "--batch", "10",        "--lr",          "0",  "--no-shuffle", "--no-augment"};
  const auto gradient = [&](const std::string& name, const std::string& gates, const std::string& steps) {
    put(folder / (name + ".csv"), gates);
    const Outcome outcome =
        run_program("train", run + Words{"--gates", (folder / (name + ".csv")).string(), "--steps", steps} +
                                 out(folder / name));
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    return metrics_of(folder / name).at(0)[gradient_column];
  };
  const double first = gradient("first", open, "1"), both = gradient("both", open + open, "2");
  CHECK(first > 0);
  CHECK(both != first);
  // the rate is 0: the weights stay, and so does the first step's gradient
  CHECK(gradient("skipped", open + closed, "2") == first);
  CHECK(std::isnan(gradient("never", closed + closed, "2")));
}

TEST_CASE(
    "a run stopped within an epoch has the metrics of one never stopped, and a run without the column is refused") {
  ScratchFolder folder;
  const Words run = {"--data",  "synthetic", "--limit-train", "160", "--limit-test", "20",
                     "--batch", "32",        "--lr-drop",     "1"};
  REQUIRE(run_program("train", run + Words{"--steps", "10"} + out(folder / "whole")).status == 0);
  REQUIRE(run_program("train", run + Words{"--steps", "8"} + out(folder / "parts")).status == 0);
  REQUIRE(run_program("train", {"--resume", (folder / "parts").string(), "--steps", "10"}).status == 0);
  CHECK(lines_without_seconds(folder / "whole") == lines_without_seconds(folder / "parts"));

  const fs::path old = folder / "whole";
  SafeTensors checkpoint = read_safetensors(old / "checkpoint.safetensors");
  nlohmann::json program = nlohmann::json::parse(checkpoint.metadata.at("program"));
  program["epoch_in_progress"].erase("gradient");
  checkpoint.metadata["program"] = program.dump();
  write_safetensors(old / "checkpoint.safetensors", checkpoint);
  CHECK(contains(refusal("train", {"--resume", old.string(), "--steps", "12"}),
                 "written by another program or version; go on with that one"));
}

TEST_CASE(
    "a network that does not fit into memory is refused before it is made, where it is likely to need it") {
  ScratchFolder folder;
  const Words run = {"--data",  "synthetic", "--limit-train", "10", "--limit-test", "0",
                     "--batch", "128",       "--steps",       "1",  "--model",      "resnet1202"};
  const std::string sentence = refusal("train", run + Words{"--memory", "2"} + out(folder / "run"));
  CHECK(contains(sentence, "resnet1202 with --batch 128 takes up to "));
  CHECK(contains(
      sentence,
      "were every block open), and --memory allows 2 GB; choose a smaller --batch or a smaller network"));
  CHECK_FALSE(fs::exists(folder / "run"));
  // 8.5 GB hold what stochastic depth needs, but not every block; a warm-up begins with every block.
  CHECK(contains(refusal("train", run + Words{"--memory", "8.5", "--schedule", "none"}),
                 "a smaller network or stochastic depth"));
  CHECK(
      contains(refusal("train", run + Words{"--memory", "8.5", "--survival-warm-up", "1"}), "takes up to "));
  CHECK(contains(refusal("train", {"--data", "synthetic", "--steps", "1", "--batch", "100000000", "--model",
                                   "resnet1202"}),
                 "the machine has "));
  CHECK(contains(refusal("train", run + Words{"--memory", "8.5", "--gates", "/nowhere"}), "takes up to "));
}

TEST_CASE("the harm of a block is what its absence does") {
  ScratchFolder folder;
  const fs::path run = folder / "run";
  const Words words = {"--data",     "synthetic", "--limit-train", "320", "--limit-test", "100",
                       "--batch",    "32",        "--epochs",      "2",   "--lr",         "0.02",
                       "--survival", "0.8"};
  const Outcome outcome = run_program("train", words + out(run));
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  CHECK_FALSE(fs::exists(run / "harm.csv"));
  const std::string model = bytes_of(run / "model.safetensors"), losses = bytes_of(run / "losses.csv");

  // Asked for later; the run itself stays as it is.
  REQUIRE(run_program("train", {"--resume", run.string(), "--block-harm"}).status == 0);
  CHECK(bytes_of(run / "model.safetensors") == model);
  CHECK(bytes_of(run / "losses.csv") == losses);
  CHECK(contains(bytes_of(run / "report.html"), "Error without one block"));
  const auto harm = read_csv(run / "harm.csv", "block,survival,loss,error,whole_loss,whole_error");
  REQUIRE(harm.size() == 9);
  CHECK(harm[8][1] == doctest::Approx(0.8));
  for (std::size_t block = 0; block < 9; ++block) {
    CHECK(harm[block][0] == static_cast<double>(block));
    CHECK(harm[block][5] == metrics_of(run).back()[4]);
    CHECK(harm[block][2] != harm[block][4]);
  }
  // A branch whose last norm gives nothing but zeros is the block without its branch.
  SafeTensors without = read_safetensors(run / "model.safetensors");
  for (Tensor& tensor : without.tensors)
    if (tensor.name.starts_with("blocks.1.bn2.") && !contains(tensor.name, "running"))
      std::fill(tensor.values.begin(), tensor.values.end(), 0.0f);
  write_safetensors(folder / "without", without);
  const std::string errors = std::to_string(std::lround(harm[1][3]));
  CHECK(contains(run_program("infer", {"--weights", (folder / "without").string(), "--limit", "100"}).output,
                 "(" + errors + " of 100 images)"));
}

}  // namespace sdepth::test::diagnostics_test
