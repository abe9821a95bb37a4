// Everything that reads what others have written, fed with bytes that nobody meant: it reads them, or refuses
// them by an Error, and does nothing else.
//
//     SDEPTH_FUZZ=safetensors fuzz corpus/safetensors -max_total_time=600      (libFuzzer's options)
//
// Under the address and undefined-behaviour sanitizers; any other exception ends the program, and so does
// more memory than -rss_limit_mb.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/cifar.hpp>
#include <sdepth/data/idx.hpp>
#include <sdepth/data/mat_file.hpp>
#include <sdepth/data/svhn.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/program/read_options.hpp>
#include <sdepth/program/stored_options.hpp>
#ifdef WITH_PICTURES
#include <sdepth/pictures/decode.hpp>
#include <sdepth/pictures/list.hpp>
#endif

using namespace sdepth;

namespace {

namespace fs = std::filesystem;

/// The bytes as a file of this name.
[[nodiscard]] fs::path file_of(const std::string& bytes, const std::string& name) {
  static const fs::path folder = [] {
    std::string text =
        (fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) / "sdepth_fuzz_XXXXXX";
    if (!mkdtemp(text.data())) std::abort();
    static fs::path made = text;
    std::atexit([] { fs::remove_all(made); });
    return made;
  }();
  std::ofstream(folder / name, std::ios::binary | std::ios::trunc) << bytes;
  return folder / name;
}

void read_options(const std::string& bytes) {
  std::istringstream lines(bytes);
  std::vector<std::string> words = {"train"};
  for (std::string word; words.size() < 20 && std::getline(lines, word);)
    if (word != "--help" && word != "-h" && word != "--version" && !word.starts_with("--config"))
      words.push_back(word);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  program::Trainable network;
  network.name = "network";
  network.device = "cpu";
  network.precision = "float32";
  network.facts = [] { return program::NetworkFacts{}; };
  try {
    static_cast<void>(
        program::read_command_line(static_cast<int>(pointers.size()), pointers.data(), {network}));
  } catch (const program::HelpWasAsked&) {  // a word ends where a zero is
  }
}

using Reader = void (*)(const std::string&);
const std::map<std::string, Reader> readers = {
    {"idx",
     [](const std::string& b) {
       static_cast<void>(read_idx_array(file_of(b, "images-idx3-ubyte"), 3, "fuzz"));
     }},
    {"idx_gz",
     [](const std::string& b) {
       static_cast<void>(read_idx_array(file_of(b, "images-idx3-ubyte.gz"), 3, "fuzz"));
     }},
    {"cifar",
     [](const std::string& b) {  // one record, of CIFAR-100 where it is a byte longer
       const CifarLayout layout =
           b.size() == 3074 ? cifar100_layout(CifarLabel::fine) : CifarLayout{.name = "fuzz", .labels = {10}};
       ImageSet set = empty_cifar_set(layout, "fuzz");
       append_cifar_file(set, file_of(b, "test_batch.bin"), layout, 1);
     }},
    {"mat",
     [](const std::string& b) {
       static_cast<void>(read_svhn_test(file_of(b, "test_32x32.mat").parent_path()));
     }},
    {"safetensors", [](const std::string& b) { static_cast<void>(parse_safetensors(b, "fuzz")); }},
    {"checkpoint",
     [](const std::string& b) { static_cast<void>(read_checkpoint(file_of(b, "checkpoint.safetensors"))); }},
    {"gates", [](const std::string& b) { static_cast<void>(gates_in(b, "fuzz", 3)); }},
    {"table",
     [](const std::string& b) { static_cast<void>(read_csv(file_of(b, "losses.csv"), "step,loss")); }},
    {"options", read_options},
    {"stored_options",
     [](const std::string& b) {
       if (const auto stored = parse_json(b)) static_cast<void>(program::from_json(*stored, "fuzz"));
     }},
#ifdef WITH_PICTURES
    {"picture",
     [](const std::string& b) {
       Picture picture;
       const auto* bytes = reinterpret_cast<const std::uint8_t*>(b.data());
       decode_picture(std::span(bytes, b.size()), "fuzz", picture, {.pixels = 1 << 20});
     }},
    {"list", [](const std::string& b) { static_cast<void>(read_list(file_of(b, "list.csv"))); }},
#endif
};

[[nodiscard]] Reader reader() {
  const char* name = std::getenv("SDEPTH_FUZZ");
  const auto found = readers.find(name ? name : "");
  if (found != readers.end()) return found->second;
  std::fprintf(stderr, "fuzz: SDEPTH_FUZZ is %s, expected one of", name ? name : "not set");
  for (const auto& [known, unused] : readers) std::fprintf(stderr, " %s", known.c_str());
  std::fprintf(stderr, "\n");
  std::exit(1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Reader read = reader();
  try {
    read(std::string(reinterpret_cast<const char*>(data), size));
  } catch (const Error& error) {
    if (std::string_view(error.what()).empty()) std::abort();  // a refusal says why
  }
  return 0;
}
