// The command lines of train and infer: numbers are what they look like, texts are not empty, and what cannot
// succeed is said before the work.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>

#include "process.hpp"

namespace sdepth::test::options_test {

namespace {

namespace fs = std::filesystem;

/// A step on ten pictures, and none to test on.
const Words step = {"--data",  "synthetic", "--limit-train", "10", "--limit-test", "0",
                    "--batch", "10",        "--no-augment"};

Words out(const fs::path& folder) { return {"--out", folder.string()}; }

/// Whether a program refuses each of the values by the option's name, in a form with a blank and in one with
/// =.
void check_refused(const std::string& program, const Words& words, const std::string& option,
                   const Words& values) {
  for (const std::string& value : values)
    for (const Words& given : {Words{"--" + option, value}, Words{"--" + option + "=" + value}}) {
      const std::string sentence = refusal(program, words + given);
      CHECK_MESSAGE(sentence.starts_with(program + ": --" + option), given.back(), " of ", option, ": ",
                    sentence);
    }
}

}  // namespace

TEST_CASE(
    "what is no number, or none that fits, is refused by every numeric option, and nothing is written") {
  ScratchFolder folder;
  const Words never = {"nan", "NaN", "-nan", "inf", "-inf", "infinity", "-1",
                       "",    " 1",  "1 ",   "+1",  "one",  "1,5",      "1_0"};
  const Words no_whole_number =
      never + Words{"1.5", "1e1", "0x10", "0b1", "99999999999999999999", "18446744073709551616"};
  const Words no_real_number = never + Words{"1e999", "-1e999", "1e39", "0x1p-1", "0.5f"};
  for (const char* option : {"survival", "lr", "momentum", "weight-decay", "memory"})
    check_refused("train", out(folder / "run"), option, no_real_number);
  check_refused("train", out(folder / "run"), "survival", {"1.0000001"});
  for (const char* option : {"survival-warm-up", "epochs", "steps", "batch", "warm-up", "limit-train",
                             "limit-test", "validation", "seed", "threads"})
    check_refused("train", out(folder / "run"), option, no_whole_number);
  for (const char* option :
       {"survival-warm-up", "epochs", "steps", "batch", "warm-up", "limit-train", "limit-test", "validation"})
    check_refused("train", out(folder / "run"), option, {"2147483648", "4294967297"});
  for (const char* option : {"epochs", "steps", "batch", "threads"})
    check_refused("train", out(folder / "run"), option, {"0", "000"});
  check_refused("train", out(folder / "run"), "threads", {"4097", "2147483647"});
  check_refused("train", out(folder / "run"), "lr-drop",
                {"nan", "inf", "0.5,nan", "0.5,inf", "0", "-0.5", "0.75,0.5", "0.5,0.5", "1.5", "25,35", "",
                 "0.5,", " 0.5", "1e999"});

  check_refused("train", out(folder / "run"), "survival-over-time",
                {"early", "early:", "early:1.1", "early:-0.1", "early:nan", "early: 0.5", "early:0.5 ",
                 "late:0x1p-1", "warm-up", "Early:0.5", "constant:0.5", "linear:0.5"});
  check_refused("train", out(folder / "run"), "lr-schedule", {"step", "Cosine", "cosine ", "one_cycle"});
  check_refused("train", out(folder / "run"), "warm-up-shape", {"rising", "cosine"});

  const Words infer = {"--weights", "/nowhere"};
  check_refused("infer", infer, "survival", no_real_number);
  for (const char* option : {"limit", "depth-images", "depth-points", "threads"})
    check_refused("infer", infer, option, no_whole_number);
  for (const char* option : {"depth-images", "depth-points", "threads"})
    check_refused("infer", infer, option, {"0"});
  check_refused("infer", infer, "threads", {"4097", "2147483647"});
  CHECK_FALSE(fs::exists(folder / "run"));
}

TEST_CASE("a text that is empty, or another option, is refused by the option's name") {
  ScratchFolder folder;
  for (const char* option :
       {"data-dir", "init", "gates", "out", "resume", "model", "data", "schedule", "survival-over-time",
        "lr-schedule", "warm-up-shape", "normalize", "skip-update", "scaling", "device"})
    check_refused("train", step + Words{"--steps", "1"}, option, {""});
  for (const char* option : {"data-dir", "init", "gates", "out", "resume"})
    check_refused("train", step + Words{"--steps", "1"}, option, {"--no-shuffle"});
  for (const char* option : {"weights", "model", "data", "data-dir", "normalize", "schedule", "scaling",
                             "logits", "block-removal", "depth-curve", "precision"})
    check_refused("infer", {}, option, {""});
  for (const char* option : {"weights", "data-dir", "logits", "block-removal", "depth-curve"})
    check_refused("infer", {}, option, {"--threads"});
  CHECK_FALSE(fs::exists("--no-shuffle"));
}

TEST_CASE("whole numbers are decimal, with leading zeros too, and all 64 bits of a seed count") {
  ScratchFolder folder;
  const auto weights = [&](const std::string& seed) {
    const fs::path run = folder / seed;
    const Outcome outcome = run_program("train", step + Words{"--steps", "001", "--seed", seed} + out(run));
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    return bytes_of(run / "checkpoint.safetensors");
  };
  const std::string ten = weights("10");
  CHECK(weights("010") == ten);
  CHECK(weights("00000000000000000000000000000010") == ten);
  CHECK(weights("8") != ten);
  CHECK(weights("4294967306") != ten);  // 2^32 + 10
  CHECK(contains(weights("18446744073709551615"), "18446744073709551615"));
}

TEST_CASE(
    "the learning rate drops at the fraction that was asked for, whatever the double nearest to it is") {
  ScratchFolder folder;
  const auto rates = [&](const std::string& name, const Words& more) {
    const Outcome outcome =
        run_program("train", step + Words{"--lr-drop", "0.28"} + more + out(folder / name));
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    std::vector<double> found;
    for (const auto& row : read_csv(
             folder / name / "metrics.csv",
             "epoch,train_loss,train_error,validation_error,test_error,seconds,blocks_run,learning_rate"))
      found.push_back(row[7]);
    return found;
  };
  const auto epochs = rates("epochs", {"--epochs", "25"}), steps = rates("steps", {"--steps", "25"});
  REQUIRE(epochs.size() == 25);
  REQUIRE(steps.size() == 25);  // an epoch is one step
  for (std::size_t i = 0; i < 25; ++i) {
    CHECK(epochs[i] == doctest::Approx(i + 1 < 7 ? 0.1 : 0.01));
    CHECK(steps[i] == doctest::Approx(i < 7 ? 0.1 : 0.01));
  }
}

TEST_CASE("what cannot succeed is refused before the training") {
  ScratchFolder folder;
  const auto sentence = [&](const Words& words) {
    return refusal("train", step + words + out(folder / "run"));
  };
  CHECK(contains(sentence({"--epochs", "2", "--block-harm"}),
                 "--block-harm needs pictures to evaluate on, and this run has none"));
  CHECK(contains(refusal("train", step + Words{"--steps", "1", "--block-harm", "--validation", "5"}),
                 "--block-harm writes harm.csv"));
  put(folder / "gates", "1,1,1,1,1,1,1,1,1\n");
  CHECK(contains(sentence({"--gates", (folder / "gates").string(), "--epochs", "2"}),
                 "has gates for 1 steps, and step 1 (counted from 0) of the 2"));
  put(folder / "gates", "1,1\n1,1\n");
  CHECK(contains(sentence({"--gates", (folder / "gates").string(), "--epochs", "2"}),
                 "line 1 has 2 gates, expected 9"));
  CHECK(contains(sentence({"--init", (folder / "none").string(), "--epochs", "2"}), "none cannot be read"));
  CHECK(contains(sentence({"--survival-warm-up", "1", "--survival-over-time", "early:0.5"}),
                 "both say when blocks are skipped; give one"));
  CHECK_FALSE(fs::exists(folder / "run"));

  const Outcome constant = run_program(
      "train", step + Words{"--steps", "1", "--schedule", "none", "--survival", "0.5", "--warm-up", "1"} +
                   Words{"--survival-over-time", "late:0.5", "--lr-schedule", "cosine", "--lr-drop", "0.5"} +
                   Words{"--test-split", "0.2", "--skip-broken", "--local-norms"});
  CHECK(constant.status == 0);
  CHECK(contains(constant.errors, "note: --survival changes nothing with --schedule none"));
  CHECK(contains(constant.errors, "note: --survival-over-time changes nothing with --schedule none"));
  CHECK(contains(constant.errors, "note: --lr-drop changes nothing without --lr-schedule steps"));
  CHECK(contains(constant.errors, "note: the whole run is a warm-up of 1 epochs"));
  for (const std::string option : {"test-split", "skip-broken"})
    CHECK(contains(constant.errors, "note: --" + option + " changes nothing without --data folder"));
  CHECK(contains(constant.errors, "note: --local-norms changes nothing for one process"));
}

TEST_CASE("files that infer cannot write are found before the work, and are none of those that it reads") {
  ScratchFolder folder;
  REQUIRE(run_program("train", step + Words{"--steps", "1"} + out(folder / "run")).status == 0);
  const std::string model = (folder / "run" / "model.safetensors").string(), weights = bytes_of(model);
  const Words infer = {"--weights", model, "--limit", "20"};
  for (const std::string option : {"--logits", "--block-removal", "--depth-curve"}) {
    const auto sentence = [&](const std::string& name) {
      return refusal("infer", infer + Words{option, name});
    };
    CHECK(
        contains(sentence((folder / "nowhere" / "file").string()),
                 option + " " + (folder / "nowhere" / "file").string() + " cannot be written: No such file"));
    CHECK(contains(sentence(folder.path().string()), "it is a directory"));
    CHECK(contains(sentence(model), option + " " + model + " is the file of --weights as well"));
    CHECK(contains(sentence(model + "/file"), "cannot be written: Not a directory"));
  }
  CHECK(contains(refusal("infer", infer + Words{"--logits", (folder / "a").string(), "--block-removal",
                                                (folder / "." / "a").string()}),
                 "is the file of --logits as well"));
  put(folder / "curve", "an older curve");
  const Words curve = {"--depth-curve", (folder / "curve").string(), "--logits",
                       (folder / "logits").string()};
  CHECK(
      contains(refusal("infer", infer + curve + Words{"--depth-images", "10000"}), "cannot hold out 10000"));
  CHECK(bytes_of(folder / "curve") == "an older curve");
  CHECK_FALSE(fs::exists(folder / "logits"));
  CHECK(bytes_of(model) == weights);
}

TEST_CASE(
    "weights from which a network computes no numbers are refused by infer and by train, and no result is told") {
  ScratchFolder folder;
  REQUIRE(run_program("train", step + Words{"--steps", "1"} + out(folder / "run")).status == 0);
  const SafeTensors model = read_safetensors(folder / "run" / "model.safetensors");
  const auto damaged = [&](const std::string& name, float value) {
    SafeTensors changed = model;
    for (Tensor& tensor : changed.tensors)
      if (tensor.name == name) std::fill(tensor.values.begin(), tensor.values.end(), value);
    write_safetensors(folder / "damaged", changed);
    return (folder / "damaged").string();
  };
  for (const auto& [name, value] :
       {std::pair("blocks.3.bn1.running_var", -1.0F), {"blocks.8.bn2.weight", 3e38F}, {"fc.weight", 3e38F}}) {
    const std::string file = damaged(name, value), logits = (folder / "logits").string(),
                      table = (folder / "table").string();
    for (const Words& more : {Words{}, Words{"--logits", logits}, Words{"--block-removal", table},
                              Words{"--depth-curve", table}}) {
      const std::string sentence =
          refusal("infer", Words{"--weights", file, "--limit", "20", "--depth-images", "20"} + more);
      CHECK_MESSAGE(contains(sentence, "damaged: "), name, sentence);
    }
    CHECK_FALSE(fs::exists(logits));
    CHECK_FALSE(fs::exists(table));
    const std::string sentence =
        refusal("train", step + Words{"--steps", "1", "--lr", "0", "--init", file} + out(folder / "second"));
    CHECK_MESSAGE(contains(sentence, file), name, sentence);
    CHECK_FALSE(fs::exists(folder / "second"));
  }
}

}  // namespace sdepth::test::options_test
