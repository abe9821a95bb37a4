// The folder of a run among other files, processes, signals and readers: nothing of others is lost, and what
// a run leaves can be gone on with.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/core/utf8.hpp>

#include "process.hpp"

namespace sdepth::test::folder_test {

namespace {

namespace fs = std::filesystem;

/// Two epochs of five steps.
const Words run = {"--data",       "synthetic", "--limit-train", "50", "--limit-test", "20",
                   "--validation", "10",        "--batch",       "10", "--epochs",     "2"};
/// The same for longer than a test lasts.
const Words long_run = {"--data",  "synthetic", "--limit-train", "50",     "--limit-test", "0",
                        "--batch", "10",        "--epochs",      "100000", "--lr",         "0.001"};

Words out(const fs::path& folder) { return {"--out", folder.string()}; }
Words resume(const fs::path& folder) { return {"--resume", folder.string()}; }

/// A program started by a shell, whose script finds program and words in "$0" "$@".
Words by_shell(const std::string& script, const std::string& program, const Words& words) {
  return Words{"-c", script, std::string(SDEPTH_PROGRAMS_DIR) + "/" + program} + words;
}
Outcome run_by_shell(const std::string& script, const std::string& program, const Words& words) {
  return run_program("/bin/sh", by_shell(script, program, words));
}

/// All files of a run but its seconds.
void check_equal_runs(const fs::path& a, const fs::path& b) {
  for (const char* name : {"model.safetensors", "checkpoint.safetensors", "losses.csv", "gates.csv"}) {
    CAPTURE(name);
    CHECK(bytes_of(a / name) == bytes_of(b / name));
  }
  CHECK_FALSE(fs::exists(a / ".lock"));
}

}  // namespace

TEST_CASE(
    "a folder in which any file lies that a run would write is refused by that file's name, and the file is kept") {
  ScratchFolder folder;
  for (const std::string name :
       {"metrics.csv", "losses.csv", "gates.csv", "harm.csv", "report.html", "model.safetensors",
        "checkpoint.safetensors", "metrics.csv.partial", "report.html.partial"}) {
    const fs::path there = folder / ("with " + name);
    fs::create_directory(there);
    put(there / name, "three weeks of work");
    const std::string sentence = refusal("train", run + out(there));
    CHECK_MESSAGE(contains(sentence, name), sentence);
    CHECK(bytes_of(there / name) == "three weeks of work");
    CHECK(std::distance(fs::directory_iterator(there), fs::directory_iterator()) == 1);
  }
  // Other files are no obstacle, nor is half of a first checkpoint, which a kill may leave.
  put(folder / "notes.txt", "notes");
  put(folder / "checkpoint.safetensors.partial", "half");
  put(folder / ".lock", "");
  CHECK(run_program("train", run + out(folder.path())).status == 0);
  CHECK_FALSE(fs::exists(folder / ".lock"));
}

TEST_CASE(
    "tables of a stopped run that were altered are read or refused in a sentence, and left alone then") {
  ScratchFolder folder;
  REQUIRE(run_program("train", run + out(folder / "run")).status == 0);
  const auto resumed = [&](const std::string& table, const std::string& content) {
    fs::remove_all(folder / "copy");
    fs::copy(folder / "run", folder / "copy");
    put(folder / "copy" / table, content);
    return run_program("train", resume(folder / "copy"));
  };
  const auto refused = [&](const std::string& table, const std::string& content, const std::string& words) {
    const std::string sentence = refusal_of(resumed(table, content), "train");
    CHECK_MESSAGE(contains(sentence, table), sentence);
    CHECK_MESSAGE(contains(sentence, words), sentence);
    for (const char* name : {"metrics.csv", "losses.csv", "gates.csv"})
      CHECK(bytes_of(folder / "copy" / name) == (name == table ? content : bytes_of(folder / "run" / name)));
  };
  const auto replaced = [](std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
      text.replace(at, from.size(), to);
    return text;
  };
  const std::string metrics = bytes_of(folder / "run" / "metrics.csv"),
                    losses = bytes_of(folder / "run" / "losses.csv"),
                    gates = bytes_of(folder / "run" / "gates.csv");
  const std::string header = metrics.substr(0, metrics.find('\n') + 1), rows = metrics.substr(header.size());
  const std::string first = rows.substr(0, rows.find('\n') + 1), second = rows.substr(first.size());
  refused("metrics.csv", header, "ends before epoch 1");
  refused("metrics.csv", header + first, "ends before epoch 2");
  refused("metrics.csv", header + second, "line 2 is of epoch 2, expected epoch 1");
  refused("metrics.csv", header + first + first + second, "line 3 is of epoch 1, expected epoch 2");
  refused("metrics.csv", "", "the first line is \"\"");
  refused("metrics.csv", header + "1,nan" + first.substr(first.find(',', 2)) + second,
          "the train_loss of epoch 1 is nan, expected a finite number");
  refused("metrics.csv", header + first + "2,0.5\n", "has 2 columns");
  refused("losses.csv", "step,loss\n", "ends before step 0");
  refused("losses.csv", losses.substr(0, losses.rfind('\n', losses.size() - 2) + 1), "ends before step 9");
  refused("losses.csv", "step,loss\n0,nan\n" + losses.substr(losses.find("\n1,") + 1),
          "the loss of step 0 is nan");
  refused("gates.csv", "", "ends before row 0");
  refused("gates.csv", replaced(gates, "1,", "2,"), "expected 0");

  const auto windows = [&](const std::string& text) { return replaced(text, "\n", "\r\n"); };
  for (const auto& [name, text] :
       {std::pair("metrics.csv", metrics), {"losses.csv", losses}, {"gates.csv", gates}}) {
    const Outcome outcome = resumed(name, windows(text));
    CHECK_MESSAGE(outcome.status == 0, outcome.output);
    CHECK(bytes_of(folder / "copy" / name) == text);
    CHECK(resumed(name, "\xEF\xBB\xBF" + windows(text)).status == 0);
    check_equal_runs(folder / "copy", folder / "run");
  }
  // A file that could not be written in the end is found at the beginning.
  fs::remove(folder / "copy" / "report.html");
  fs::create_directory(folder / "copy" / "report.html");
  CHECK(contains(refusal("train", resume(folder / "copy")), "report.html cannot be written"));
  fs::remove(folder / "copy" / "report.html");
  fs::remove(folder / "copy" / "losses.csv");
  CHECK(contains(refusal("train", resume(folder / "copy")), "losses.csv cannot be read"));
}

TEST_CASE("a run that was killed between its first checkpoint and its tables goes on") {
  ScratchFolder folder;
  Process train("train", long_run + out(folder / "killed"));
  REQUIRE(train.wait_for(folder / "killed" / "checkpoint.safetensors"));
  (void)train.finish(SIGKILL);
  const SafeTensors checkpoint = read_safetensors(folder / "killed" / "checkpoint.safetensors");
  if (checkpoint.metadata.at("step") != "0") return;  // the machine was faster than the kill
  for (const char* name : {"metrics.csv", "losses.csv", "gates.csv"}) fs::remove(folder / "killed" / name);
  Process again("train", resume(folder / "killed"));
  CHECK(again.wait_for(folder / "killed" / "metrics.csv"));
}

TEST_CASE(
    "a second process in a folder is refused while the first is there, and a killed one leaves nothing that blocks the next") {
  ScratchFolder folder;
  const fs::path there = folder / "run";
  {
    Process first("train", long_run + out(there));
    REQUIRE(first.wait_for(there / "metrics.csv"));
    CHECK(contains(refusal("train", resume(there)), "another process is training in this folder"));
    CHECK(contains(refusal("train", run + out(there)), "another process is training in this folder"));
    CHECK(first.finish(SIGKILL).status == -SIGKILL);
  }
  Process second("train", resume(there));
  REQUIRE(second.wait_for(there / "losses.csv"));
  while (!fs::exists(there / ".lock")) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  CHECK(second.finish(SIGKILL).status == -SIGKILL);
  fs::remove(there / "model.safetensors");  // whose coming back says that the third is at work
  Process third("train", resume(there));
  REQUIRE(third.wait_for(there / "model.safetensors"));
  CHECK(third.finish(SIGINT).status == 130);
  CHECK_FALSE(fs::exists(there / ".lock"));
}

TEST_CASE("Ctrl-C, a polite kill and a closed terminal save, each but where it was ignored from the start") {
  ScratchFolder folder;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const fs::path there = folder / std::to_string(signal);
    Process train("train", long_run + out(there));
    REQUIRE(train.wait_for(there / "model.safetensors"));
    const Outcome outcome = train.finish(signal);
    CHECK(outcome.status == 130);
    CHECK(contains(outcome.errors, "go on with `train --resume "));
    CHECK(read_safetensors(there / "checkpoint.safetensors").metadata.at("step") != "0");
  }
  const fs::path there = folder / "nohup";
  Process train("/bin/sh", by_shell("trap '' HUP; exec \"$0\" \"$@\"", "train", long_run + out(there)));
  REQUIRE(train.wait_for(there / "model.safetensors"));
  train.send(SIGHUP);
  fs::remove(there / "report.html");
  CHECK(train.wait_for(there / "report.html"));  // of the next epoch
  CHECK(train.finish(SIGINT).status == 130);
}

TEST_CASE("where standard output cannot be written the status says so, and a run can be gone on with") {
  ScratchFolder folder;
  REQUIRE(run_program("train", run + out(folder / "whole")).status == 0);
  const Words infer = {"--weights", (folder / "whole" / "model.safetensors").string(), "--limit", "20"};
  for (const char* script : {"\"$0\" \"$@\" >&-", "\"$0\" \"$@\" >/dev/full"}) {
    for (const char* program : {"train", "infer"})
      CHECK(contains(run_by_shell(script, program, {"--help"}).errors, "standard output"));
    CHECK(run_by_shell(script, "train", {"--help"}).status == 1);
    CHECK(run_by_shell(script, "infer", {"--help"}).status == 1);
    CHECK(run_by_shell(script, "infer", infer).status == 1);
    CHECK(run_by_shell(script, "train", run).status == 1);
  }
  CHECK(run_by_shell("\"$0\" \"$@\" >/dev/full", "train", run + out(folder / "full")).status == 1);
  check_equal_runs(folder / "full", folder / "whole");  // what was not told is in the folder

  // the shell's
  CHECK(run_by_shell("\"$0\" \"$@\" | head -n0", "train", run + out(folder / "pipe")).status == 0);
  CHECK(fs::exists(folder / "pipe" / "checkpoint.safetensors"));
  CHECK(run_program("train", resume(folder / "pipe")).status == 0);
  check_equal_runs(folder / "pipe", folder / "whole");

  // Closed standard files are not taken for files of the run.
  CHECK(run_by_shell("\"$0\" \"$@\" <&- 2>&-", "train", run + out(folder / "closed")).status == 0);
  check_equal_runs(folder / "closed", folder / "whole");
}

TEST_CASE("paths that are not UTF-8 work in every option, in the checkpoint, and in the report") {
  ScratchFolder folder;
  const fs::path odd = folder / "caf\xE9 \x80 <b>";
  fs::create_directory(odd);
  REQUIRE(run_program("train", run + out(odd / "first")).status == 0);
  put(odd / "gates", "1,1,1,1,1,1,1,1,1\n1,0,1,1,1,1,1,1,1\n1,1,1,1,1,1,1,1,0\n");
  const Words words = {"--data",        "synthetic",
                       "--limit-train", "10",
                       "--limit-test",  "10",
                       "--batch",       "10",
                       "--data-dir",    odd.string(),
                       "--init",        (odd / "first" / "model.safetensors").string(),
                       "--gates",       (odd / "gates").string()};
  const Outcome outcome = run_program("train", words + Words{"--steps", "2"} + out(odd / "second"));
  REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  CHECK(run_program("train", words + Words{"--steps", "3"} + resume(odd / "second")).status == 0);
  CHECK(bytes_of(odd / "second" / "gates.csv") == bytes_of(odd / "gates"));
  const std::string contradiction = refusal("train", resume(odd / "second") + Words{"--init", "e\xE9"});
  CHECK(contains(contradiction, "--init is \"e\xE9\", but the run in"));
  const std::string report = bytes_of(odd / "second" / "report.html");
  CHECK(is_utf8(report));
  CHECK(contains(report, "caf\xEF\xBF\xBD \xEF\xBF\xBD &lt;b&gt;/gates"));

  const Words infer = {"--weights",      (odd / "second" / "model.safetensors").string(),
                       "--limit",        "20",
                       "--depth-images", "20",
                       "--depth-points", "1"};
  const Words files = {"--logits",      (odd / "l\xE9").string(), "--block-removal", (odd / "b\xE9").string(),
                       "--depth-curve", (odd / "c\xE9").string()};
  CHECK(run_program("infer", infer + files).status == 0);
  for (const char* name : {"l\xE9", "b\xE9", "c\xE9"}) CHECK(fs::exists(odd / name));
}

}  // namespace sdepth::test::folder_test
