// What bash proposes behind the words of a command line, by the script that the program itself prints.
#include <doctest/doctest.h>

#include <string>

#include "process.hpp"

namespace sdepth::test::completion_test {

namespace {

namespace fs = std::filesystem;

/// The proposals for the last word, each with a line break behind it. @param script  what a program printed
/// for bash
std::string proposals(const fs::path& script, const std::string& program, const Words& words) {
  std::string line = "source '" + script.string() + "'; COMP_WORDS=(" + program;
  for (const std::string& word : words) line += " '" + word + "'";
  // The function is what bash would call: the one that `complete` has on record for the program.
  line += "); COMP_CWORD=" + std::to_string(words.size()) + "; set -- $(complete -p " + program +
          "); while [[ $1 != -F ]]; do shift; done; $2 2>&1; printf '%s\\n' \"${COMPREPLY[@]}\"";
  const Outcome outcome = run_program("/bin/bash", {"--norc", "-c", line});
  CHECK_MESSAGE(outcome.status == 0, outcome.output);
  return outcome.output;
}

}  // namespace

TEST_CASE("bash completes options, the words that one may have, and files") {
  if (!fs::exists("/bin/bash")) {
    MESSAGE("skipped: there is no bash");
    return;
  }
  ScratchFolder folder;
  const Outcome printed = run_program("train_own", {"--completion", "bash"});
  REQUIRE_MESSAGE(printed.status == 0, printed.output);
  put(folder / "script", printed.output);
  const auto complete = [&](const Words& words) { return proposals(folder / "script", "train_own", words); };
  CHECK(complete({"--lr"}) == "--lr\n--lr-schedule\n--lr-drop\n");
  CHECK(complete({"--no-aug"}) == "--no-augment\n");
  CHECK(complete({"--epochs", "3", "--warm"}) == "--warm-up\n--warm-up-shape\n");
  CHECK(complete({"--lr-schedule", "c"}) == "cosine\nconstant\n");
  CHECK(complete({"--lr-schedule", "=", "one"}) == "one-cycle\n");  // as bash splits --lr-schedule=one
  CHECK(complete({"--model", ""}) == "plain\nblocks\nsmall\n");
  CHECK(complete({"--model", "="}) == "plain\nblocks\nsmall\n");
  CHECK(complete({"--epochs", ""}) == "\n");  // a number
  put(folder / "a file", "");
  fs::create_directory(folder / "a folder");
  CHECK(complete({"--init", (folder / "a f").string()}) ==
        (folder / "a file").string() + "\n" + (folder / "a folder").string() + "\n");
  CHECK(complete({"--out", (folder / "a f").string()}) == (folder / "a folder").string() + "\n");

  // infer needs --weights otherwise, and takes files without a name.
  const Outcome of_infer = run_program("train_own", {"infer", "--completion", "bash"});
  REQUIRE_MESSAGE(of_infer.status == 0, of_infer.output);
  put(folder / "script", of_infer.output);
  CHECK(proposals(folder / "script", "infer", {"--prec"}) == "--precision\n");
  CHECK(proposals(folder / "script", "infer", {"--precision", "b"}) == "bf16\n");
  CHECK(proposals(folder / "script", "infer", {(folder / "a fi").string()}) ==
        (folder / "a file").string() + "\n");

  CHECK(contains(refusal("train_own", {"--completion", "fish"}), "--completion"));
  const Outcome zsh = run_program("train_own", {"--completion", "zsh"});
  CHECK(zsh.output.ends_with(printed.output));
  CHECK(contains(zsh.output, "bashcompinit"));
  if (fs::exists("/bin/zsh")) CHECK(run_program("/bin/zsh", {"-f", "-c", zsh.output}).status == 0);
}

}  // namespace sdepth::test::completion_test
