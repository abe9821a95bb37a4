// A training program made of a network's type: all that train does, for networks and pictures that the
// library has not.
#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <string>

#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>

#include "process.hpp"
#include "run_folders.hpp"

using namespace sdepth;

namespace {

namespace fs = std::filesystem;

/// An RGB picture of one colour, 20 x 24, as the bytes of a PNG.
std::string png_of(std::array<std::uint8_t, 3> colour) {
  const auto number = [](std::uint32_t value) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
    return text;
  };
  const auto chunk = [&](const std::string& content) {  // its four letters, and what is behind them
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    return number(static_cast<std::uint32_t>(content.size() - 4)) + content +
           number(static_cast<std::uint32_t>(crc));
  };
  std::string rows, packed(1000, '\0');
  for (int y = 0; y < 20; ++y) {
    rows += '\0';
    for (int x = 0; x < 24; ++x)
      for (const std::uint8_t value : colour) rows += static_cast<char>(value + (x + y) % 8);
  }
  uLongf size = packed.size();
  REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                   reinterpret_cast<const Bytef*>(rows.data()), rows.size()) == Z_OK);
  packed.resize(size);
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR" + number(24) + number(20) + std::string("\x08\x02\0\0\0", 5)) +
         chunk("IDAT" + packed) + chunk("IEND");
}

/// A folder for each class, of pictures that are red, green or blue.
void draw_classes(const fs::path& folder, int classes) {
  for (int c = 0; c < classes; ++c) {
    const fs::path directory = folder / ("class " + std::to_string(c));
    fs::create_directories(directory);
    for (int i = 0; i < 12; ++i) {
      std::array<std::uint8_t, 3> colour{40, 40, 40};
      colour[static_cast<std::size_t>(c % 3)] = static_cast<std::uint8_t>(120 + 8 * i);
      put(directory / (std::to_string(i) + ".png"), png_of(colour));
    }
  }
}

}  // namespace

TEST_CASE("a network without residual blocks is trained, killed and resumed to the same bytes") {
  ScratchFolder folder;
  const Words run = {"--data",  "synthetic", "--limit-train", "320", "--limit-test", "64",
                     "--batch", "32",        "--seed",        "3"};
  const Outcome whole = run_program("train_own", run + Words{"--epochs", "3"} + out(folder / "whole"));
  REQUIRE_MESSAGE(whole.status == 0, whole.output);
  CHECK(contains(whole.output, "plain on synthetic"));  // the first of its networks

  Process killed("train_own", run + Words{"--epochs", "3"} + out(folder / "killed"));
  REQUIRE(killed.wait_for(folder / "killed" / "model.safetensors"));  // the first epoch is over
  static_cast<void>(killed.finish(SIGKILL));
  const Outcome last = run_program("train_own", resume(folder / "killed"));
  REQUIRE_MESSAGE(last.status == 0, last.output);
  check_equal_runs(folder / "whole", folder / "killed");
  CHECK(read_safetensors(folder / "whole" / "model.safetensors").metadata.at("model") == "plain");
}

TEST_CASE("data that no network of the program is for are refused in one sentence, and nothing is written") {
  ScratchFolder folder;
  const auto sentence = [&](const Words& words) { return refusal("train_own", words + out(folder / "run")); };
  CHECK(contains(
      sentence({"--data", "synthetic", "--model", "blocks"}),
      "has pictures of 3 x 32 x 32 in 10 classes, for which this program has no network named blocks; it has one for 3 x 16 x 16 in "
      "3 classes"));
  CHECK(contains(sentence({"--data", "synthetic", "--model", "resnet20"}), "plain"));
  CHECK(contains(sentence({"--data", "synthetic", "--precision", "bf16"}), "built without it for plain"));
  CHECK(contains(sentence({"--data", "synthetic", "--device", "cuda"}),
                 "--device cuda: this program was built without"));
  CHECK_FALSE(fs::exists(folder / "run"));
}

TEST_CASE(
    "the best model is kept beside the last, a run ends early where nothing gets better, and a file holds options") {
  ScratchFolder folder;
  // A rate of zero: epochs differ in the running statistics alone.
  put(folder / "options.ini",
      "data = \"synthetic\"\nlimit-train = 40\nlimit-test = 0\nvalidation = 20\nbatch = 20\nlr = 0\nepochs = 9\nkeep-best = true\n");
  const Words config = {"--config", (folder / "options.ini").string()};
  const Outcome run = run_program("train_own", config + Words{"--early-stopping", "2"} + out(folder / "run"));
  REQUIRE_MESSAGE(run.status == 0, run.output);
  constexpr const char* metrics = "epoch,train_loss,train_error,validation_error";
  const auto rows = read_csv(folder / "run" / "metrics.csv", metrics);
  std::size_t best = 0;
  for (std::size_t row = 1; row < rows.size(); ++row)
    if (rows[row][3] < rows[best][3]) best = row;
  CHECK(rows.size() == std::min<std::size_t>(9, best + 3));
  CHECK(bytes_of(folder / "run" / "best.safetensors") != bytes_of(folder / "run" / "model.safetensors"));
  const std::string checkpoint = bytes_of(folder / "run" / "checkpoint.safetensors");
  REQUIRE(run_program("train_own", resume(folder / "run")).status == 0);  // it is over
  CHECK(bytes_of(folder / "run" / "checkpoint.safetensors") == checkpoint);
  CHECK(contains(run_program("train_own", {"--config", (folder / "nowhere.ini").string()}).errors,
                 "nowhere.ini"));

  const std::string epochs = std::to_string(best + 1);  // the command line wins
  REQUIRE(run_program("train_own", config + Words{"--epochs", epochs} + out(folder / "best")).status == 0);
  CHECK(read_csv(folder / "best" / "metrics.csv", metrics).size() == best + 1);
  CHECK(bytes_of(folder / "best" / "model.safetensors") == bytes_of(folder / "run" / "best.safetensors"));
  CHECK(contains(refusal("train_own", config + Words{"--validation", "0"}),
                 "--keep-best goes by the validation error"));
}

TEST_CASE(
    "pictures in folders train a network with their number of classes, and a stopped run ends with the same bytes") {
  ScratchFolder folder;
  draw_classes(folder / "pictures", 3);
  const Words pictures = {"--data",  "folder", "--data-dir", (folder / "pictures").string(),
                          "--model", "blocks"};
  const std::string none = refusal("train_own", pictures + Words{"--epochs", "1"});
  if (contains(none, "built without what reads pictures")) {
    MESSAGE("skipped: built without libpng or libjpeg-turbo");
    return;
  }
  CHECK(contains(none, "--test-split"));
  const Words run = pictures + Words{"--test-split", "0.3",          "--batch",   "8", "--lr",
                                     "0.05",         "--no-augment", "--warm-up", "0"};
  const Outcome whole =
      run_program("train_own", run + Words{"--epochs", "8", "--threads", "1"} + out(folder / "whole"));
  REQUIRE_MESSAGE(whole.status == 0, whole.output);
  CHECK(contains(whole.output, "stochastic depth as the network's type says"));
  CHECK(contains(whole.output, "Test error 0.00 %"));
  CHECK(contains(whole.output, "Steps waited for pictures "));
  const SafeTensors model = read_safetensors(folder / "whole" / "model.safetensors");
  CHECK(model.metadata.at("classes") == R"(["class 0","class 1","class 2"])");
  CHECK(model.metadata.at("survival") == "[0.5,0.5]");

  REQUIRE(run_program("train_own", run + Words{"--epochs", "8", "--threads", "2"} + out(folder / "killed"))
              .status == 0);
  check_equal_runs(folder / "whole", folder / "killed");

  draw_classes(folder / "more", 4);
  CHECK(contains(
      refusal("train_own", {"--data", "folder", "--data-dir", (folder / "more").string(), "--model", "blocks",
                            "--test-split", "0.3"}),
      "has 4 classes, for which this program has no network named blocks; it has one for 3 x 16 x 16 in 3 classes"));
  CHECK(contains(refusal("train_own", {"--data", "folder", "--epochs", "1"}), "--data-dir"));
  put(folder / "more" / "class 3" / "broken.png", "no picture");
  CHECK(contains(refusal("train_own", {"--data", "folder", "--data-dir", (folder / "more").string(),
                                       "--test-split", "0.3"}),
                 "broken.png"));
}
