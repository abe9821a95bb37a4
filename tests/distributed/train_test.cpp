// mpirun -n N train: the files of one process, whatever N, and an end with a sentence where one of the
// processes fails.
#include <doctest/doctest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <string>
#include <utility>

#include "../programs/drawn_pictures.hpp"
#include "../programs/process.hpp"
#include "../programs/run_folders.hpp"

namespace sdepth::test::train_test {

namespace {

namespace fs = std::filesystem;

const std::string programs = SDEPTH_PROGRAMS_DIR, train = programs + "/train";
const Words pictures = {"--model",      "resnet20", "--data",       "synthetic", "--limit-train", "60",
                        "--limit-test", "20",       "--validation", "10",        "--batch",       "16",
                        "--seed",       "11",       "--threads",    "1"};
const Words run = pictures + Words{"--epochs", "2"};

/// The words of mpirun; in a container it runs as root, with fewer cores than processes.
Words ranks(int count, const Words& words, const std::string& program = train) {
  return Words{SDEPTH_MPIRUN_WORDS} + Words{"-n", std::to_string(count), program} + words;
}
Outcome together(int count, const Words& words, const std::string& program = train) {
  return run_program(SDEPTH_MPIRUN, ranks(count, words, program));
}

/// Name and parent of a process; no name: it is gone.
std::pair<std::string, pid_t> look_at(const std::string& id) {
  std::ifstream stat("/proc/" + id + "/stat");
  std::string number, name, state;
  pid_t parent = 0;
  stat >> number >> name >> state >> parent;
  return {name, parent};
}
/// Kills one of the processes that mpirun has started, by itself or by a proxy. @return  whether there was
/// one
bool kill_one_below(pid_t mpirun) {
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc")) {
    const std::string id = entry.path().filename().string();
    const auto [name, parent] = look_at(id);
    if (name == "(train)" && (parent == mpirun || look_at(std::to_string(parent)).second == mpirun))
      return ::kill(std::stoi(id), SIGKILL) == 0;
  }
  return false;
}

}  // namespace

TEST_CASE("1, 2, 4 and 8 processes write the files of one that was started alone") {
  ScratchFolder folder;
  const Outcome alone = run_program("train", run + out(folder / "alone"));
  REQUIRE_MESSAGE(alone.status == 0, alone.output);
  for (const int count : {1, 2, 4, 8}) {
    CAPTURE(count);
    const fs::path to = folder / std::to_string(count);
    const Outcome outcome = together(count, run + out(to));
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    check_equal_runs(folder / "alone", to);
    CHECK(contains(outcome.output, "epoch 2"));
    if (count > 1) CHECK(contains(outcome.output, std::to_string(count) + " processes: a step sent "));
    CHECK(outcome.output.find("epoch 2") == outcome.output.rfind("epoch 2"));  // said once
  }
}

TEST_CASE("a run of four processes goes on with two, and then alone") {
  ScratchFolder folder;
  const auto of = [](int steps) {
    return pictures + Words{"--steps",       std::to_string(steps),
                            "--optimizer",   "adamw",
                            "--lr",          "0.001",
                            "--lr-schedule", "constant",
                            "--skip-update", "frozen",
                            "--clip-norm",   "1"};
  };
  REQUIRE(run_program("train", of(7) + out(folder / "alone")).status == 0);
  REQUIRE(together(4, of(2) + out(folder / "changing")).status == 0);
  REQUIRE(together(2, resume(folder / "changing") + Words{"--steps", "5"}).status == 0);
  const Outcome last = run_program("train", resume(folder / "changing") + Words{"--steps", "7"});
  REQUIRE_MESSAGE(last.status == 0, last.output);
  check_equal_runs(folder / "alone", folder / "changing");
}

TEST_CASE(
    "pictures that are mixed across the processes' shares: the files of one process; a time limit ends all at the same step") {
  ScratchFolder folder;
  const Words mixed =
      pictures + Words{"--steps", "5", "--mixup", "0.2", "--cutmix", "1", "--label-smoothing", "0.1"};
  REQUIRE(run_program("train", mixed + out(folder / "alone")).status == 0);
  const Outcome outcome = together(4, mixed + out(folder / "4"));
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  check_equal_runs(folder / "alone", folder / "4");

  const Outcome limited =
      together(2, pictures + Words{"--epochs", "100000", "--time-limit", "0.05"} + out(folder / "limited"));
  REQUIRE_MESSAGE(limited.status == 0, limited.output);
  CHECK(contains(limited.output, "note: --time-limit 0.05 is enough for"));
}

TEST_CASE("pictures that cannot be read are left out by all processes: the files of one process") {
  ScratchFolder folder;
  draw_classes(folder / "pictures", 3);
  // Their beginnings are whole, so only who reads one finds it broken, in the middle of a step.
  for (const char* name : {"class 0/3.png", "class 0/4.png", "class 1/0.png", "class 2/11.png"}) {
    const fs::path picture = folder / "pictures" / name;
    put(picture, bytes_of(picture).substr(0, 70));
  }
  const Words broken = {"--data",       "folder", "--data-dir", (folder / "pictures").string(),
                        "--test-split", "0.3",    "--model",    "blocks",
                        "--batch",      "8",      "--epochs",   "2",
                        "--threads",    "1",      "--mixup",    "0.5",
                        "--skip-broken"};
  const Outcome alone = run_program("train_own", broken + out(folder / "alone"));
  if (contains(alone.output, "built without what reads pictures")) {
    MESSAGE("skipped: built without libpng or libjpeg-turbo");
    return;
  }
  REQUIRE_MESSAGE(alone.status == 0, alone.output);
  REQUIRE_MESSAGE(contains(alone.output, "left out"), alone.output);
  for (const int count : {2, 8}) {
    CAPTURE(count);
    const fs::path to = folder / std::to_string(count);
    const Outcome outcome = together(count, broken + out(to), programs + "/train_own");
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    check_equal_runs(folder / "alone", to);
    CHECK_MESSAGE(contains(outcome.output, "left out"), outcome.output);
  }
}

TEST_CASE("a process that is killed ends all, and the last checkpoint goes on") {
  ScratchFolder folder;
  const Words long_run = run + Words{"--keep-best", "--block-harm"};
  REQUIRE(run_program("train", long_run + out(folder / "whole")).status == 0);
  {
    Process mpirun(SDEPTH_MPIRUN, ranks(2, long_run + out(folder / "killed")));
    REQUIRE(mpirun.wait_for(folder / "killed" / "model.safetensors"));  // the first epoch is over
    REQUIRE(kill_one_below(mpirun.id()));
    const auto start = std::chrono::steady_clock::now();
    const Outcome outcome = mpirun.finish();
    CHECK(outcome.status != 0);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));
    CHECK_MESSAGE(contains(outcome.output, "rank"), outcome.output);  // mpirun names it
  }
  const Outcome resumed = together(4, resume(folder / "killed"));
  REQUIRE_MESSAGE(resumed.status == 0, resumed.output);
  check_equal_runs(folder / "whole", folder / "killed");
  CHECK(bytes_of(folder / "whole" / "harm.csv") == bytes_of(folder / "killed" / "harm.csv"));
  CHECK_FALSE(fs::exists("harm.csv"));  // of those that write nothing
}

TEST_CASE("what is wrong is said once, and ends all") {
  ScratchFolder folder;
  const auto refused = [&](int count, const Words& words, const std::string& sentence) {
    const Outcome outcome = together(count, words);
    CHECK(outcome.status != 0);
    CHECK_MESSAGE(contains(outcome.output, sentence), outcome.output);
    CHECK_MESSAGE(outcome.output.find(sentence) == outcome.output.rfind(sentence), outcome.output);
  };
  refused(3, run, "which 3 processes cannot share evenly; start a number of them that divides it, such as 8");
  refused(2, run + Words{"--lr", "1e30"}, "expected a finite number; lower the learning rate");
  refused(2, resume(folder / "nothing"), "there is no checkpoint.safetensors");
  // Other options on one of them.
  const Outcome others = run_program(SDEPTH_MPIRUN, Words{SDEPTH_MPIRUN_WORDS} + Words{"-n", "1", train} +
                                                        run + Words{":", "-n", "1", train} + run +
                                                        Words{"--nesterov"} + Words{"--momentum", "0.5"});
  CHECK(others.status != 0);
  CHECK_MESSAGE(contains(others.output, "rank 1 has other options than rank 0"), others.output);
}

}  // namespace sdepth::test::train_test
