// Command lines as programs read them: files of options, flags, and the locale of whoever calls.
#include <doctest/doctest.h>

#include <locale.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <sstream>
#include <streambuf>
#include <string>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/program/infer_options.hpp>
#include <sdepth/program/read_options.hpp>
#include <sdepth/program/stored_options.hpp>

#include "../io/scratch_folder.hpp"

namespace sdepth::test::read_options_test {

using namespace sdepth::program;

namespace {

/// A network that is there by name alone.
Networks networks_by_name() {
  Trainable network{
      .name = "small", .input = {1, 28, 28}, .classes = 10, .device = "cpu", .precision = "float32"};
  network.facts = [] { return NetworkFacts{}; };
  return {network};
}

/// The words behind the program's name, as main gets them.
struct Words {
  std::vector<std::string> texts;
  std::vector<char*> words;
  explicit Words(std::vector<std::string> given) : texts(std::move(given)) {
    texts.insert(texts.begin(), "train");
    for (std::string& text : texts) words.push_back(text.data());
  }
};

CommandLine read(const std::vector<std::string>& given) {
  Words line(given);
  return read_command_line(static_cast<int>(line.words.size()), line.words.data(), networks_by_name());
}
/// The sentence that refuses them; empty: none does.
std::string refusal(const std::vector<std::string>& given) {
  try {
    static_cast<void>(read(given));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

struct ConfigFile {
  ScratchFolder folder;
  std::filesystem::path path = folder / "c.ini";
  std::vector<std::string> holding(const std::string& text) const {
    put(path, text);
    return {"--config", path.string()};
  }
};

}  // namespace

TEST_CASE("each line of a file of options is the option that it looks like") {
  const ConfigFile file;
  const Options o = read(file.holding("\xEF\xBB\xBF"
                                      "lr = 0.05  # a comment\r\n"
                                      "; another\n\n"
                                      "lr-drop = 0.25,0.5\n"
                                      "freeze=conv1,layer1.\n"
                                      "seed = 010\n"
                                      "data-dir = '/with # and blank '\n"
                                      "init = \"a'b\" ; why\n"
                                      "shuffle = false\n"
                                      "no-nesterov\n"
                                      "augment = none"))
                        .options;
  CHECK(o.learning_rate == 0.05);
  CHECK(o.drops == "0.25,0.5");
  CHECK(o.freeze == "conv1,layer1.");
  CHECK(o.seed == 10);
  CHECK(o.data_dir == "/with # and blank ");
  CHECK(o.init == "a'b");
  CHECK_FALSE(o.shuffle);
  CHECK_FALSE(o.nesterov);
  CHECK_FALSE(o.augment);
  CHECK(read(file.holding("no-augment = false\n")).options.augment);
  CHECK(read({"--lr", "0.3", "--config", file.holding("lr = 0.05\n")[1]}).options.learning_rate == 0.3);
  CHECK(read(file.holding("")).options.learning_rate == 0.1);
}

TEST_CASE("a line of a file of options that is none is refused by its number") {
  const ConfigFile file;
  for (const char* line : {"lerning-rate = 0.1",
                           "lr_drop = 0.5",
                           "LR = 0.1",
                           "lr: 0.1",
                           "lr 0.1",
                           "--lr = 0.1",
                           "[train]",
                           "[a.b]",
                           "{\"lr\": 0.1}",
                           "= 0.1",
                           "completion = bash",
                           "config = other.ini",
                           "help",
                           "// lr = 0.1",
                           "\x01\x02",
                           "lr",
                           "lr =",
                           "lr = # 0.1",
                           "init = \"\"",
                           "init = \"a\" b",
                           "init = 'a",
                           "batch = 1\nbatch = 2"}) {
    const std::string sentence = refusal(file.holding("epochs = 1\n" + std::string(line) + "\n"));
    const std::string number = contains(line, "\n") ? ", line 3: " : ", line 2: ";
    CHECK_MESSAGE(contains(sentence, file.path.string() + number), line, " :: ", sentence);
  }
  for (const char* line : {"lr = nan", "lr = 0,1", "seed = 0x10", "seed = 1e3", "nesterov = 5",
                           "nesterov = maybe", "no-augment = 2", "model = large"}) {
    const std::string name(line, std::string(line).find(' '));
    const std::string sentence = refusal(file.holding(line));
    CHECK_MESSAGE(sentence.starts_with("--" + name), line, " :: ", sentence);
  }
}

TEST_CASE("a flag is true or false, and said once") {
  for (const char* word :
       {"--nesterov=5", "--nesterov=-1", "--shuffle=maybe", "--keep-best=2", "--no-augment=2"})
    CHECK_MESSAGE(contains(refusal({word}), "expected true or false"), word);
  CHECK_FALSE(read({"--nesterov=false"}).options.nesterov);
  CHECK_FALSE(read({"--no-nesterov=true"}).options.nesterov);
  CHECK(contains(refusal({"--shuffle", "--no-shuffle"}), "--shuffle"));
  CHECK(contains(refusal({"--augment", "paper", "--no-augment"}), "--augment"));
}

TEST_CASE("a number has a point, whatever the caller's locale has") {
  // Debian has no locale with a comma ready; localedef makes one where its sources are there.
  const ScratchFolder folder;
  const std::string made = (folder / "comma").string();
  if (std::system(("localedef -i de_DE -f UTF-8 " + made + " >/dev/null 2>&1").c_str()) != 0 ||
      ::setenv("LOCPATH", folder.path().c_str(), 1) != 0 || !::setlocale(LC_ALL, "comma")) {
    MESSAGE("skipped: no locale with a decimal comma can be made here");
    return;
  }
  const auto rate = [] { return read({"--lr", "0.05"}).options.learning_rate; };
  CHECK(rate() == 0.05);
  const lconv* now = ::localeconv();
  CHECK(std::string(now->decimal_point) == ",");  // the caller's is left as it was
  ::setlocale(LC_ALL, "C");
}

TEST_CASE("infer says of an option that it changes nothing, and refuses a format of what it does not write") {
  const auto read_infer = [](std::vector<std::string> given) {
    given.insert(given.begin(), {"--weights", "w"});
    Words line(given);
    const std::ostringstream said;
    std::streambuf* const terminal = std::cerr.rdbuf(said.rdbuf());
    try {
      static_cast<void>(
          read_infer_options(static_cast<int>(line.words.size()), line.words.data(), "infer", {"small"}));
    } catch (...) {
      std::cerr.rdbuf(terminal);
      throw;
    }
    std::cerr.rdbuf(terminal);
    return said.str();
  };
  for (const char* option : {"--top", "--page-pictures", "--depth-points", "--depth-images"})
    CHECK(contains(read_infer({option, "5"}), std::string(option) + " changes nothing"));
  CHECK(contains(read_infer({"--survival", "0.5", "--schedule", "none"}), "--survival changes nothing"));
  CHECK(read_infer({"--top", "5", "--page", "p.html"}).empty());
  CHECK(read_infer({"--depth-images", "5", "--block-removal", "b.csv"}).empty());
  CHECK(read_infer({"--survival", "0.5"}).empty());
  CHECK(read_infer({"cat.png", "--top", "5", "--format", "json"}).empty());
  CHECK_THROWS_WITH_AS(read_infer({"--format", "json"}), doctest::Contains("--format"), Error);
}

TEST_CASE("stochastic rounding is of bfloat16, and goes into the checkpoint where it is asked for") {
  CHECK(contains(refusal({"--rounding", "stochastic"}), "add --precision bf16"));
  CHECK(refusal({"--rounding", "stochastic", "--precision", "bf16", "--device", "cuda"}).empty());
  CHECK(contains(refusal({"--rounding", "up"}), "--rounding"));
  CHECK(refusal({"--rounding", "nearest"}).empty());
  const Options chosen = read({"--rounding", "stochastic", "--precision", "bf16"}).options;
  CHECK(learner_options(chosen, 1, nullptr).training.rounding == Rounding::stochastic);
  CHECK(from_json(to_stored(chosen), "here").rounding == "stochastic");
  CHECK(!to_stored(Options{.epochs = 1}).contains("rounding"));
}

}  // namespace sdepth::test::read_options_test
