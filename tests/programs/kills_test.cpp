// kill -9 at random moments, with each optimizer and pictures in folders: however often a run was killed, it
// ends with the bytes of one that was not.
//
// The test command kills a few times; as often as one likes, SDEPTH_KILLS says:
//
//     SDEPTH_KILLS=50 build/test/tests/test_programs --source-file='*/kills_test.cpp'
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>

#include <sdepth/program/choices.hpp>

#include "drawn_pictures.hpp"
#include "process.hpp"
#include "run_folders.hpp"

namespace sdepth::test::kills_test {

namespace {

namespace fs = std::filesystem;

int kills_wanted() {
  const char* text = std::getenv("SDEPTH_KILLS");
  return text ? std::stoi(text) : 2;
}

void check_ends(const fs::path& whole, const fs::path& killed) {
  check_equal_runs(whole, killed);
  for (const char* name : {"average.safetensors", "best.safetensors"}) {
    CAPTURE(name);
    CHECK(fs::exists(whole / name));
    CHECK(bytes_of(whole / name) == bytes_of(killed / name));
  }
}

}  // namespace

TEST_CASE(
    "a run on pictures in folders that is killed at random moments ends with the bytes of one that was not") {
  if (refusal("train_own", {"--data", "folder", "--data-dir", "/nowhere"})
          .find("built without what reads pictures") != std::string::npos) {
    MESSAGE("skipped: built without libpng or libjpeg-turbo");
    return;
  }
  using Clock = std::chrono::steady_clock;
  std::mt19937_64 random(std::random_device{}());
  for (const std::string& optimizer : sdepth::program::optimizer_names) {
    CAPTURE(optimizer);
    ScratchFolder folder;
    draw_classes(folder / "pictures", 3);
    const Words run = {"--data",       "folder",  "--data-dir", (folder / "pictures").string(),
                       "--model",      "blocks",  "--batch",    "4",
                       "--epochs",     "30",      "--warm-up",  "0",
                       "--test-split", "0.2",     "--ema",      "0.9",
                       "--optimizer",  optimizer, "--threads",  "2",
                       "--validation", "6",       "--keep-best"};
    const fs::path whole = folder / "whole", killed = folder / "killed";
    const auto start = Clock::now();
    const Outcome outcome = run_program("train_own", run + out(whole));
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    const double duration = std::chrono::duration<double>(Clock::now() - start).count();

    int kills = 0, before_a_checkpoint = 0, ends = 0;
    bool ended = false;
    for (const int wanted = kills_wanted(); kills < wanted || !ended;) {
      const bool goes_on = fs::exists(killed / "checkpoint.safetensors");
      if (!goes_on) fs::remove_all(killed);  // killed before there was anything to go on with
      Process process("train_own", goes_on ? resume(killed) : run + out(killed));
      const bool kill = kills < wanted;
      if (kill)
        std::this_thread::sleep_for(
            std::chrono::duration<double>(duration * std::uniform_real_distribution<>(0, 1)(random)));
      const Outcome end = process.finish(kill ? SIGKILL : 0);
      ended = end.status != -SIGKILL;
      if (!ended) {
        ++kills;
        before_a_checkpoint += !fs::exists(killed / "checkpoint.safetensors");
        continue;
      }
      REQUIRE_MESSAGE(end.status == 0, end.output);
      check_ends(whole, killed);
      ++ends;
      fs::remove_all(killed);
    }
    MESSAGE(optimizer << ": " << kills << " kills, " << before_a_checkpoint
                      << " of them before the first checkpoint; " << ends << " runs compared");
  }
}

}  // namespace sdepth::test::kills_test
