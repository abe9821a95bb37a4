// infer from outside: its logits are those of the weights, its error is train's, and files from elsewhere are
// read by options.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include <sdepth/data/catalog.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>

#include "process.hpp"

namespace sdepth::test::infer_test {

namespace {

namespace fs = std::filesystem;

/// One trained network for all tests of this file.
const fs::path& trained() {
  static const ScratchFolder folder;
  static const fs::path run = [] {
    const Outcome outcome = run_program("train", small_run + Words{"--out", (folder / "run").string()});
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    return folder / "run";
  }();
  return run;
}
Words weights(const fs::path& file) { return {"--weights", file.string()}; }
Words own_weights() { return weights(trained() / "model.safetensors"); }

/// The numbers of a float32 .npy of [rows, 10].
std::vector<float> read_logits(const fs::path& file, int rows) {
  const std::string bytes = bytes_of(file);
  const std::string shape = "'shape': (" + std::to_string(rows) + ", 10)";
  REQUIRE(contains(bytes.substr(0, 128), shape));
  std::vector<float> logits(static_cast<std::size_t>(rows) * 10);
  REQUIRE(bytes.size() == 128 + logits.size() * sizeof(float));
  std::memcpy(logits.data(), bytes.data() + 128, logits.size() * sizeof(float));
  return logits;
}

}  // namespace

TEST_CASE(
    "train's own weights need no options, and the logits agree with the errors that both programs print") {
  ScratchFolder folder;
  const fs::path file = folder / "logits.npy";
  const Outcome outcome =
      run_program("infer", own_weights() + Words{"--limit", "100", "--logits", file.string()});
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(outcome.errors.empty());

  const std::vector<float> logits = read_logits(file, 100);
  const ImageSet test = load_synthetic().test;
  int errors = 0;
  for (std::size_t n = 0; n < 100; ++n) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(10 * n);
    errors += std::max_element(row, row + 10) - row != test.labels[n];
  }
  const std::string header =
      "epoch,train_loss,train_error,validation_error,test_error,seconds,blocks_run,learning_rate";
  CHECK(read_csv(trained() / "metrics.csv", header).back()[4] == errors);
  CHECK(contains(outcome.output, "(" + std::to_string(errors) + " of 100 images)"));

  const Outcome again = run_program(
      "infer",
      own_weights() + Words{"--limit", "100", "--threads", "2", "--logits", (folder / "two.npy").string()});
  CHECK(again.output == outcome.output);
  CHECK(bytes_of(folder / "two.npy") == bytes_of(file));

  run_program("infer", own_weights() + Words{"--limit", "7", "--logits", (folder / "few.npy").string()});
  const std::vector<float> few = read_logits(folder / "few.npy", 7);
  CHECK(std::equal(few.begin(), few.end(), logits.begin()));
}

TEST_CASE("weights in 16 bits give nearly the same logits, and are not for studies of depth") {
  ScratchFolder folder;
  const auto logits_in = [&](const std::string& precision) {
    const fs::path file = folder / (precision + ".npy");
    const Outcome outcome = run_program(
        "infer", own_weights() + Words{"--limit", "20", "--precision", precision, "--logits", file.string()});
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    return read_logits(file, 20);
  };
  const std::vector<float> exact = logits_in("float32"), half = logits_in("f16"), brain = logits_in("bf16");
  const auto distance = [&](const std::vector<float>& found) {
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      difference += std::pow(static_cast<double>(found[i]) - static_cast<double>(exact[i]), 2);
      norm += std::pow(static_cast<double>(exact[i]), 2);
    }
    return std::sqrt(difference / norm);
  };
  CHECK(distance(half) > 0);
  CHECK(distance(half) < 5e-3);
  CHECK(distance(brain) > 2 * distance(half));
  CHECK(distance(brain) < 5e-2);
  CHECK(contains(refusal("infer", own_weights() + Words{"--precision", "bf16", "--depth-curve",
                                                        (folder / "curve.csv").string()}),
                 "leave out --precision bf16"));
  CHECK(contains(refusal("infer", own_weights() + Words{"--precision", "int8"}), "--precision"));
}

TEST_CASE("the error without each block, and with fewer and fewer") {
  ScratchFolder folder;
  const fs::path blocks = folder / "blocks.csv", curve = folder / "curve.csv";
  const Words study = own_weights() + Words{"--limit", "60", "--depth-images", "40", "--depth-points", "3"};
  const Outcome outcome = run_program(
      "infer", study + Words{"--block-removal", blocks.string(), "--depth-curve", curve.string()});
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  // of the synthetic set nothing is held out
  CHECK(contains(outcome.errors, "judged by the last 40 training pictures"));

  const auto removals = read_csv(blocks, "block,survival,loss,error");
  REQUIRE(removals.size() == 9);
  for (std::size_t block = 0; block < 9; ++block) {
    CHECK(removals[block][0] == static_cast<double>(block));
    CHECK(removals[block][1] == doctest::Approx(1 - 0.5 * static_cast<double>(block + 1) / 9));
    CHECK(removals[block][3] * 40 == doctest::Approx(std::round(removals[block][3] * 40)));  // of 40 pictures
  }
  const auto points = read_csv(
      curve, "blocks,operations,milliseconds,error_by_survival,error_by_harm,error_by_harm_reestimated");
  REQUIRE(points.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(points[i][0] == static_cast<double>(9 - 3 * i));
  CHECK(points[0][1] == 1);
  CHECK(points[0][3] == points[0][4]);  // with every block the order does not matter
  CHECK(contains(outcome.output, "(" + std::to_string(std::lround(points[0][4] * 60)) + " of 60 images)"));
  CHECK(points[2][1] < 0.5);

  CHECK(
      contains(refusal("infer", study + Words{"--depth-curve", (folder / "nowhere" / "curve.csv").string()}),
               "cannot be written"));
  CHECK(contains(refusal("infer", own_weights() + Words{"--limit", "5", "--depth-images", "999999",
                                                        "--depth-curve", curve.string()}),
                 "cannot hold out 999999"));
}

TEST_CASE("weights from elsewhere are read by options, and what is assumed is said") {
  ScratchFolder folder;
  SafeTensors file = read_safetensors(trained() / "model.safetensors");
  file.metadata.clear();
  write_safetensors(folder / "plain", file);
  const Words few = {"--limit", "50"};
  CHECK(contains(refusal("infer", weights(folder / "plain")), "--model is needed"));
  CHECK(contains(refusal("infer", weights(folder / "plain") + Words{"--model", "resnet20"}),
                 "--data is needed"));

  const Words named = weights(folder / "plain") + Words{"--model", "resnet20", "--data", "synthetic"} + few;
  const Outcome assumed = run_program("infer", named);
  CHECK(assumed.status == 0);
  for (const char* option : {"--scaling", "--normalize", "--schedule and --survival"})
    CHECK(contains(assumed.errors, option));

  const Words all = {"--schedule", "linear", "--survival", "0.5", "--scaling", "test", "--normalize", "none"};
  const Outcome plain = run_program("infer", named + all);
  CHECK(plain.errors.empty());
  const Outcome own = run_program("infer", own_weights() + few + Words{"--normalize", "none"});
  CHECK(contains(own.errors, "--normalize none replaces paper"));
  CHECK(own.output == plain.output + own.errors);

  // The scale of the branches matters: the network without it is another.
  const Outcome unscaled = run_program("infer", own_weights() + few + Words{"--schedule", "none"});
  CHECK(contains(unscaled.errors, "replace the survival probabilities"));
  CHECK_FALSE(contains(unscaled.output, run_program("infer", own_weights() + few).output));
}

TEST_CASE("whatever is wrong with the files is a sentence") {
  ScratchFolder folder;
  CHECK(contains(refusal("infer", {}), "--weights"));
  CHECK(contains(refusal("infer", own_weights() + Words{"--verbose"}), "--verbose"));
  CHECK(contains(refusal("infer", weights(folder / "nowhere")), "cannot be read"));
  CHECK(contains(refusal("infer", weights(trained() / "checkpoint.safetensors")), "is a checkpoint"));
  CHECK(contains(refusal("infer", own_weights() + Words{"--data", "cifar10", "--data-dir",
                                                        (folder / "nowhere").string()}),
                 "is not a directory"));
  const Words logits = {"--limit", "5", "--logits", (folder / "nowhere" / "logits.npy").string()};
  CHECK(contains(refusal("infer", own_weights() + logits), "cannot be written"));

  const std::string whole = bytes_of(trained() / "model.safetensors");
  put(folder / "cut", whole.substr(0, whole.size() / 3));
  CHECK(contains(refusal("infer", weights(folder / "cut")), "cut"));
  SafeTensors file = read_safetensors(trained() / "model.safetensors");
  const auto damaged = [&](const char* key, const char* value) {
    SafeTensors changed = file;
    changed.metadata[key] = value;
    write_safetensors(folder / "damaged", changed);
    return refusal("infer", weights(folder / "damaged"));
  };
  CHECK(contains(damaged("survival", "[1, 0.5]"), "survival table: expected 9 probabilities"));
  CHECK(contains(damaged("survival", "[1, \"half\"]"), "expected a list of numbers"));
  CHECK(contains(damaged("normalization", "[1, 2, 3]"), "normalization"));
  CHECK(contains(damaged("model", "resnet21"), "there is no model named resnet21"));
  CHECK(contains(damaged("data", "pictures"), "there is no data set named pictures"));
}

TEST_CASE(
    "pictures in files are classified instead of the test set, as text, CSV and JSON; what is no picture is said and left out") {
  // A PNG of 2 x 2 pixels.
  const std::string png(
      "\x89\x50\x4E\x47\x0D\x0A\x1A\x0A\x00\x00\x00\x0D\x49\x48\x44\x52\x00\x00\x00\x02\x00\x00\x00\x02"
      "\x08\x02\x00\x00\x00\xFD\xD4\x9A\x73\x00\x00\x00\x16\x49\x44\x41\x54\x78\xDA\x63\xF8\xC5\x25\xA7"
      "\x71\x22\x8A\x81\xD5\xE6\x17\x07\x07\x07\x00\x1F\x4C\x03\xC0\xBE\xE8\xC5\xC4\x00\x00\x00\x00\x49"
      "\x45\x4E\x44\xAE\x42\x60\x82",
      79);
  ScratchFolder folder;
  const auto write = [&](const fs::path& path, const std::string& bytes) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  };
  write(folder / "one.png", png);
  write(folder / "more/two.png", png);
  write(folder / "more/page.jpg", "<html>");
  const std::string one = (folder / "one.png").string(), two = (folder / "more/two.png").string();
  const Outcome text =
      run_program("infer", own_weights() + Words{one, (folder / "more").string(), "--top", "2"});
  if (contains(text.output, "was built without PNG and JPEG")) {
    MESSAGE("skipped: built without libpng or libjpeg-turbo");
    return;
  }
  REQUIRE_MESSAGE(text.status == 0, text.output);
  CHECK(contains(text.errors, "page.jpg is no picture that is known here"));
  CHECK(contains(text.output, one + ": "));
  CHECK(contains(text.output, two + ": "));
  const Outcome csv = run_program("infer", own_weights() + Words{one, two, "--top", "10", "--format", "csv"});
  const auto rows = std::count(csv.output.begin(), csv.output.end(), '\n');
  CHECK(rows == 21);
  CHECK(contains(csv.output, "path,rank,class,probability\n" + one + ",1,"));
  CHECK(contains(run_program("infer", own_weights() + Words{one, "--format", "json"}).output,
                 "\"guesses\": ["));

  CHECK(contains(run_program("infer", own_weights() + Words{(folder / "none.png").string()}).output,
                 "none.png is missing"));
  CHECK(contains(run_program("infer", own_weights() + Words{(folder / "more/page.jpg").string()}).output,
                 "none of the 1 pictures can be read"));
  CHECK(contains(run_program("infer", own_weights() + Words{one, "--limit", "3"}).output,
                 "leave out --block-removal"));
}

}  // namespace sdepth::test::infer_test
