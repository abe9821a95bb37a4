// The numbered examples run, and show what they say they show.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "drawn_pictures.hpp"
#include "process.hpp"

namespace sdepth::test::tutorial_test {

namespace {

/// What an example printed.
std::string output_of(const std::string& example) {
  const Outcome outcome = run_program(example, {});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  return outcome.output;
}

/// The number behind the last `words` of a text.
double number_after(const std::string& text, const std::string& words) {
  const auto at = text.rfind(words);
  REQUIRE_MESSAGE(at != std::string::npos, text);
  return std::stod(text.substr(at + words.size()));
}

}  // namespace

TEST_CASE("01: the 110-layer network has the paper's numbers") {
  const std::string output = output_of("01_shapes");
  CHECK(contains(output, "p_1 = 0.9907"));
  CHECK(contains(output, "40.25 of 54"));
  CHECK(contains(output, "after linear layer"));
}

TEST_CASE("02: the loop learns") {
  const std::string output = output_of("02_first_training");
  CHECK(number_after(output, "training loss") < 0.6);
  CHECK(number_after(output, "test error") < 25);  // of four classes
}

TEST_CASE("03: steps that skip run fewer blocks") {
  const std::string output = output_of("03_stochastic_depth");
  CHECK(contains(output, "20.0 of 27 blocks on average"));
  CHECK(contains(output, "■■·"));
  CHECK(contains(output, "ran 26 of 27 blocks"));
  const double survivors = number_after(output, "the last block ran on");  // of 64, each with probability 1/2
  CHECK(survivors > 16);
  CHECK(survivors < 48);
  CHECK(number_after(output, "Expected from operations:") == doctest::Approx(26).epsilon(0.05));
}

TEST_CASE("04: every design learns its batch") {
  const std::string output = output_of("04_own_block");
  for (const char* design : {"bottlenecks, projection", "pre-activation", "mixed"}) {
    const auto line = output.find(design);
    REQUIRE(line != std::string::npos);
    const std::string rest = output.substr(line, output.find('\n', line) - line);
    CHECK_MESSAGE(number_after(rest, "->") < number_after(rest, "loss") - 0.2, rest);
  }
}

TEST_CASE("05: weights come back from the file, and threads share them") {
  const std::string output = output_of("05_inference");
  CHECK(number_after(output, "one set of weights:") < 200);  // of 512 in four classes
  CHECK(contains(output, "the same, bit for bit"));
  CHECK(number_after(output, "differ by at most") < 1e-4 * number_after(output, "logits, up to"));
}

TEST_CASE("07: blocks can be dropped, which saves time, and harm is measured block by block") {
  const std::string output = output_of("07_depth_at_inference");
  const double whole = number_after(output, "with all 12 blocks");
  CHECK(whole < 15);  // of four classes
  CHECK(number_after(output, "\n   0   error") > whole + 5);
  // the last block, which half of all steps did without
  CHECK(number_after(output, "\n  11   error") < whole + 5);
  CHECK(number_after(output, "Within half of the operations:") < 12);
  CHECK(number_after(output, "The shortest takes") < 75);  // a third of the operations
}

TEST_CASE("09: a folder of pictures becomes a model that names pictures it has not seen") {
  if (!std::filesystem::exists(std::string(SDEPTH_PROGRAMS_DIR) + "/09_pictures")) {
    MESSAGE("skipped: built without libpng or libjpeg-turbo");
    return;
  }
  ScratchFolder folder;
  draw_classes(folder / "pictures", 4);
  const std::string run = (folder / "run").string();
  const Outcome trained = run_program(
      "09_pictures", {"--data-dir", (folder / "pictures").string(), "--out", run, "--epochs", "30"});
  REQUIRE_MESSAGE(trained.status == 0, trained.output);
  CHECK(number_after(trained.output, "Test error") < 40);  // of four classes
  const Outcome named = run_program("09_pictures", {"infer", "--weights", run + "/model.safetensors",
                                                    (folder / "pictures/class 1").string()});
  CHECK_MESSAGE(contains(named.output, "/class 1/3.png: class "), named.output);
}

}  // namespace sdepth::test::tutorial_test
