// A training program made of a network's type: all that train does, for networks and pictures that the
// library has not.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <string>

#include <nlohmann/json.hpp>

#include <sdepth/data/normalize.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>

#include "drawn_pictures.hpp"
#include "process.hpp"
#include "run_folders.hpp"

namespace sdepth::test::own_program_test {

namespace {

namespace fs = std::filesystem;

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

TEST_CASE("on a terminal a line says how far the run is, which is written over; elsewhere there is none") {
  const Words run = {"--data",  "synthetic", "--limit-train", "40", "--limit-test", "0",
                     "--batch", "20",        "--steps",       "1"};
  ScratchFolder folder;
  const auto says_how_far = [](const Outcome& outcome) {
    CHECK_MESSAGE(outcome.status == 0, outcome.output);
    return contains(outcome.output, " images/s   loss ") && contains(outcome.output, " left\r\033[K");
  };
  CHECK_FALSE(says_how_far(run_program("train_own", run + out(folder / "file"))));
  const char* const script = "/usr/bin/script";  // gives a program a terminal, and writes down what it says
  if (!fs::exists(script)) {
    MESSAGE("skipped: there is no " << script << " (Debian: bsdutils)");
    return;
  }
  std::string command = SDEPTH_PROGRAMS_DIR "/train_own";
  for (const std::string& word : run + out(folder / "terminal")) command += " '" + word + "'";
  CHECK(says_how_far(run_program(script, {"--quiet", "--return", "--command", command, "/dev/null"})));
}

TEST_CASE("augmentation is chosen by name, for any data") {
  ScratchFolder folder;
  const Words run = {"--data",  "synthetic", "--limit-train", "40", "--limit-test", "0",
                     "--batch", "20",        "--epochs",      "2"};
  const auto model = [&](const std::string& name, const Words& augment) {
    const Outcome outcome = run_program("train_own", run + augment + out(folder / name));
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
    return bytes_of(folder / name / "model.safetensors");
  };
  const std::string usual = model("usual", {}), none = model("none", {"--augment", "none"});
  CHECK(usual == model("alone", {"--augment"}));
  CHECK(usual == model("paper", {"--augment", "paper"}));
  CHECK(none == model("no", {"--no-augment"}));
  CHECK(none != usual);
  const std::string imagenet = model("imagenet", {"--augment=imagenet"});
  CHECK(imagenet != usual);
  CHECK(imagenet != none);
  CHECK(contains(refusal("train_own", resume(folder / "usual") + Words{"--augment", "none"}),
                 "--augment is false, but the run in"));
  CHECK(contains(refusal("train_own", resume(folder / "imagenet") + Words{"--augment", "paper"}),
                 "--augmentation is \"paper\", but"));
  put(folder / "options.ini", "augment = false\n");
  CHECK(none == model("file", {"--config", (folder / "options.ini").string()}));
  CHECK(contains(refusal("train_own", run + Words{"--augment", "more"}), "--augment"));
}

TEST_CASE("infer of the same networks finds theirs by the card's name, and judges it as train did") {
  ScratchFolder folder;
  const Words run = {"--data",  "synthetic", "--limit-train", "320", "--limit-test", "64",
                     "--batch", "32",        "--epochs",      "1"};
  const Outcome trained = run_program("train_own", run + out(folder / "run"));
  REQUIRE_MESSAGE(trained.status == 0, trained.output);
  const Words infer = {"infer", "--weights", (folder / "run" / "model.safetensors").string()};
  const Outcome judged = run_program("train_own", infer + Words{"--limit", "64"});
  REQUIRE_MESSAGE(judged.status == 0, judged.output);
  CHECK(judged.errors.empty());
  const double error =
      read_csv(folder / "run" / "metrics.csv", "epoch,train_loss,train_error,validation_error,test_error")
          .back()[4];
  CHECK(contains(judged.output, "(" + std::to_string(std::lround(0.64 * error)) + " of 64 images)"));
  CHECK(contains(refusal_of(run_program("train_own", infer + Words{"--precision", "f16"}), "infer"),
                 "built without it for plain"));
  CHECK(contains(refusal_of(run_program("train_own", infer + Words{"--data", "cifar100"}), "infer"),
                 "no network named plain"));

  SafeTensors file = read_safetensors(folder / "run" / "model.safetensors");
  file.metadata["model"] = "resnet20";
  write_safetensors(folder / "other", file);
  CHECK(contains(
      refusal_of(run_program("train_own", {"infer", "--weights", (folder / "other").string()}), "infer"),
      "there is no model named resnet20, expected one of plain, blocks; use the program that has this network"));
}

TEST_CASE(
    "on a device that works by itself steps overlap, and the run is the same, stopped and resumed or not") {
  ScratchFolder folder;
  const Words run = {"--data",       "synthetic", "--model",       "small",   "--limit-train", "100",
                     "--limit-test", "20",        "--batch",       "20",      "--lr",          "0.1",
                     "--seed",       "3",         "--lr-schedule", "constant"};
  const Words on_device = run + Words{"--device", "cuda"};
  const auto ended_well = [](const Words& words) {
    const Outcome outcome = run_program("train_own", words);
    REQUIRE_MESSAGE(outcome.status == 0, outcome.output);
  };
  ended_well(run + Words{"--steps", "11"} + out(folder / "host"));
  ended_well(on_device + Words{"--steps", "11"} + out(folder / "device"));
  check_equal_runs(folder / "host", folder / "device");
  ended_well(on_device + Words{"--steps", "7"} + out(folder / "stopped"));  // within the second epoch
  ended_well(resume(folder / "stopped") + Words{"--device", "cuda", "--steps", "11"});
  check_equal_runs(folder / "host", folder / "stopped");
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

TEST_CASE("a run goes on with its own pictures, in its own folder, and begins in one that a link leads to") {
  ScratchFolder folder;
  // CIFAR-10's files: nothing but zeros, and so no blocks on the disk, but for one picture
  const auto pictures = [&](const std::string& name, const std::string& first) {
    fs::create_directories(folder / name);
    for (const char* file : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                             "data_batch_5.bin", "test_batch.bin"}) {
      put(folder / name / file, first);
      fs::resize_file(folder / name / file, 10'000 * 3073);
    }
    return Words{"--data-dir", (folder / name).string()};
  };
  const Words run = {"--data",  "cifar10", "--validation", "0",    "--limit-train", "20", "--limit-test", "0",
                     "--batch", "10",      "--normalize",  "none", "--no-augment"};
  const Words ours = pictures("ours", {1, 2, 3}), others = pictures("others", {1, 2, 4});
  fs::create_symlink("made", folder / "link");
  REQUIRE(run_program("train_own", run + ours + Words{"--steps", "1"} + out(folder / "link")).status == 0);
  CHECK(fs::exists(folder / "made" / "checkpoint.safetensors"));

  const std::string checkpoint = bytes_of(folder / "made" / "checkpoint.safetensors");
  const Words longer = resume(folder / "made") + Words{"--steps", "2"};
  CHECK(contains(refusal("train_own", longer + others), "is of a run on other pictures"));
  CHECK(bytes_of(folder / "made" / "checkpoint.safetensors") == checkpoint);
  fs::rename(folder / "ours", folder / "moved");
  CHECK(run_program("train_own", longer + Words{"--data-dir", (folder / "moved").string()}).status == 0);

  const std::string file = (folder / "made" / "checkpoint.safetensors").string();
  CHECK(contains(refusal("train_own", {"--resume", file}), "is a file, expected the folder of a run"));
  CHECK(contains(refusal("train_own", {"--data", "synthetic", "--init", file}),
                 "is a checkpoint, to go on training with"));
}

TEST_CASE("what contradicts itself, or is another's, is refused in one sentence before anything is written") {
  ScratchFolder folder;
  const Words run = {"--data",       "synthetic", "--limit-train", "40", "--limit-test", "20",
                     "--validation", "0",         "--batch",       "20", "--steps",      "1"};
  REQUIRE(run_program("train_own", run + out(folder / "run")).status == 0);
  const auto sentence = [](const Words& words) { return refusal("train_own", words); };
  CHECK(
      contains(sentence(resume(folder / "run") + out(folder / "other")), "is another folder than --resume"));
  CHECK(contains(sentence({"--data="}), "--data: expected something behind the =, found nothing"));
  CHECK(contains(sentence(run + Words{"--block-harm"}), "--block-harm writes harm.csv and a plot into"));
  CHECK(contains(sentence(run + Words{"--survival-over-time", "early:0.5", "--survival-warm-up", "1"}),
                 "--survival-warm-up and --survival-over-time both say when blocks are skipped"));

  SafeTensors checkpoint = read_safetensors(folder / "run" / "checkpoint.safetensors");
  checkpoint.metadata["program"] = "";  // as of a loop of one's own
  fs::create_directory(folder / "own");
  write_safetensors(folder / "own" / "checkpoint.safetensors", checkpoint);
  CHECK(contains(sentence(resume(folder / "own")), "was not written by this program"));

  const auto infer = [&](const std::string& model, const Words& words) {
    const Words all = Words{"infer", "--weights", (folder / "run" / model).string()} + words;
    return refusal_of(run_program("train_own", all), "infer");
  };
  const std::string table = (folder / "table.csv").string();
  CHECK(contains(infer("model.safetensors", {"--block-removal", table, "--precision", "f16"}),
                 "study the weights in float32: leave out --precision f16"));
  CHECK(contains(infer("model.safetensors", {"--logits", (folder / "run").string()}),
                 "cannot be written: it is a directory; give the name of a file"));
  SafeTensors model = read_safetensors(folder / "run" / "model.safetensors");
  for (Tensor& tensor : model.tensors)
    if (tensor.name == "fc.weight") std::ranges::fill(tensor.values, 3e38F);
  write_safetensors(folder / "run" / "large.safetensors", model);
  CHECK(contains(infer("large.safetensors", {}), "from these weights the network computes "));
  model.metadata["survival"] = "[0.5]";
  write_safetensors(folder / "run" / "large.safetensors", model);
  CHECK(contains(
      infer("large.safetensors", {}),
      "the metadata's survival table: expected 0 probabilities, one for each residual block of plain, found 1"));
  CHECK_FALSE(fs::exists(folder / "other"));
  CHECK_FALSE(fs::exists(table));
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
  const std::string last = bytes_of(folder / "run" / "model.safetensors"),
                    lowest = bytes_of(folder / "run" / "best.safetensors");
  for (const char* model : {"model.safetensors", "best.safetensors"}) fs::remove(folder / "run" / model);
  const Outcome again = run_program("train_own", resume(folder / "run"));
  CHECK(again.status == 0);
  CHECK(bytes_of(folder / "run" / "model.safetensors") == last);
  CHECK(contains(again.errors, "best.safetensors, the model of epoch " + std::to_string(best + 1)));
  CHECK(contains(run_program("train_own", {"--config", (folder / "nowhere.ini").string()}).errors,
                 "nowhere.ini"));

  const std::string epochs = std::to_string(best + 1);  // the command line wins
  REQUIRE(run_program("train_own", config + Words{"--epochs", epochs} + out(folder / "best")).status == 0);
  CHECK(read_csv(folder / "best" / "metrics.csv", metrics).size() == best + 1);
  CHECK(bytes_of(folder / "best" / "model.safetensors") == lowest);
  fs::remove(folder / "best" / "best.safetensors");  // which the last one is
  REQUIRE(run_program("train_own", resume(folder / "best")).status == 0);
  CHECK(bytes_of(folder / "best" / "best.safetensors") == lowest);
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

  // Where the test has no error the network names each picture by its folder.
  const Words infer = {"infer", "--weights", (folder / "whole" / "model.safetensors").string()};
  const Outcome named = run_program(
      "train_own", infer + Words{(folder / "pictures").string(), "--top", "1", "--format", "csv"});
  REQUIRE_MESSAGE(named.status == 0, named.output);
  CHECK(named.errors.empty());
  CHECK(std::count(named.output.begin(), named.output.end(), '\n') == 1 + 36);
  for (const char* name : {"class 0", "class 1", "class 2"})
    CHECK(contains(named.output, (folder / "pictures" / name / "3.png").string() + ",1," + name + ","));
  CHECK(
      contains(refusal_of(run_program("train_own", infer), "infer"), "name pictures or folders to classify"));
  CHECK(contains(
      refusal_of(run_program("train_own", infer + Words{(folder / "pictures").string(), "--limit", "5"}),
                 "infer"),
      "pictures of one's own have no true classes"));
  CHECK(contains(refusal("train_own", run + Words{"--epochs", "1", "--validation", "36"}),
                 "cannot hold out 36 of "));

  // By which numbers pictures were normalised the weights' file says; of one from elsewhere an option does.
  const Outcome other = run_program(
      "train_own", run + Words{"--epochs", "2", "--normalize", "imagenet"} + out(folder / "other"));
  REQUIRE_MESSAGE(other.status == 0, other.output);
  const fs::path others = folder / "other" / "model.safetensors";
  SafeTensors unsaid = read_safetensors(others);
  CHECK(unsaid.metadata.at("normalization") == nlohmann::json(Normalization::imagenet().values()).dump());
  std::erase_if(unsaid.metadata, [](const auto& word) { return word.first != "classes"; });
  write_safetensors(folder / "unsaid", unsaid);
  const auto classes = [&](const fs::path& weights, const Words& more) {
    const Words all = {"infer",    "--weights", weights.string(), (folder / "pictures").string(),
                       "--format", "csv"};
    return run_program("train_own", all + more);
  };
  const Outcome said = classes(others, {});
  CHECK_MESSAGE((said.status == 0 && said.errors.empty()), said.output);
  const Words blocks = {"--model", "blocks", "--data", "folder", "--scaling", "test"};
  const Outcome told = classes(folder / "unsaid", blocks + Words{"--normalize", "imagenet"});
  CHECK(told.output == said.output + told.errors);
  CHECK(contains(refusal_of(classes(folder / "unsaid", blocks + Words{"--normalize", "paper"}), "infer"),
                 "--normalize paper needs the training pictures"));

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

}  // namespace sdepth::test::own_program_test
