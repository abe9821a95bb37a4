// export: trained weights as an ONNX model, as a state dict of PyTorch, or as a C++ header; the whole
// network, or what is left of it at reduced depth.
//
//     export --weights DIR/model.safetensors --onnx net.onnx --with-normalization
//     export --weights DIR/model.safetensors --state-dict net.safetensors
//     export --weights DIR/model.safetensors --header digits.hpp --blocks 5
//
// What it needs besides the weights travels in the metadata of train's files. Files from elsewhere need
// --model and --data, and the other options where train's defaults are not what they were trained with.
#include <cctype>
#include <filesystem>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/io/cpp_header.hpp>
#include <sdepth/io/option_a.hpp>
#include <sdepth/io/predictions.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/state_dict.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/command_line.hpp>
#include <sdepth/program/survival_options.hpp>

#include "../shared/card.hpp"
#include "model.hpp"
#include "networks.hpp"

namespace programs {

using sdepth::fail;

struct Options {
  std::string weights, model, data, schedule, scaling;  // empty: as the file says
  std::optional<double> survival;
  std::string shortcuts;                 // empty: the network's own
  std::string onnx, state_dict, header;  // empty: not wanted
  bool keep_norms = false, with_normalization = false, keep_survival = false;
  std::string input, output = "logits", names = "layers", name_space;
  std::optional<int> blocks;
  std::optional<double> operations;
};

[[nodiscard]] Options read_command_line(int count, char** words) {
  Options o;
  std::vector<std::string> names;
  for (const KnownNetwork& network : known_networks()) names.push_back(network.name);
  CLI::App app(
      "Writes trained weights for other programs. Options win over what the weights' file says of itself.",
      "export");
  app.get_formatter()->column_width(36);
  app.add_option("--weights", o.weights, "safetensors file, train's model.safetensors or PyTorch's")
      ->required()
      ->check(some_text())
      ->type_name("FILE");
  const auto onnx = app.add_option("--onnx", o.onnx, "writes an ONNX model: NCHW, any batch")
                        ->check(some_text())
                        ->type_name("OUT.onnx");
  const auto state_dict = app.add_option("--state-dict", o.state_dict,
                                         "writes PyTorch's tensors by their names, for load_state_dict")
                              ->check(some_text())
                              ->type_name("OUT.safetensors");
  const auto header =
      app.add_option("--header", o.header, "writes a C++ header with the network's type and its weights")
          ->check(some_text())
          ->type_name("OUT.hpp");
  const auto blocks =
      app.add_option("--blocks", o.blocks,
                     "keeps so many residual blocks; those go first that survived the fewest steps")
          ->transform(whole_number(0));
  app.add_option("--operations", o.operations,
                 "keeps as many blocks as need at most this fraction of the operations")
      ->transform(finite_number(0, 1))
      ->excludes(blocks);
  app.add_flag("--keep-norms", o.keep_norms,
               "ONNX: norms and survival probabilities are nodes; else folded into the weights")
      ->needs(onnx);
  app.add_flag("--with-normalization", o.with_normalization,
               "ONNX: the input are bytes, which the first nodes normalise")
      ->needs(onnx);
  app.add_option("--input", o.input, "ONNX: its name; else images, or pixels where they are bytes")
      ->check(some_text())
      ->type_name("NAME")
      ->needs(onnx);
  app.add_option("--output", o.output, "ONNX: its name")
      ->check(some_text())
      ->type_name("NAME")
      ->capture_default_str()
      ->needs(onnx);
  app.add_option("--names", o.names,
                 "state dict: layer1.0 as in public ResNets, or blocks.0 as in our own files")
      ->check(CLI::IsMember({"layers", "blocks"}))
      ->capture_default_str()
      ->needs(state_dict);
  app.add_flag("--keep-survival", o.keep_survival,
               "state dict: survival probabilities are not folded into the last norm of each block")
      ->needs(state_dict);
  app.add_option("--namespace", o.name_space, "header: of its names; else the file's name")
      ->check(some_text())
      ->type_name("NAME")
      ->needs(header);
  app.add_option("--model", o.model, "the network")->check(CLI::IsMember(names));
  app.add_option("--data", o.data, "the data set that it was trained on")->check(CLI::IsMember(data_names));
  app.add_option(
         "--shortcuts", o.shortcuts,
         "what weights from elsewhere were trained with: pool, subsample, or option-a as public CIFAR ResNets have it")
      ->check(CLI::IsMember({"pool", "subsample", "option-a"}));
  add_survival_options(app, o);
  parse(app, count, words);
  if (o.onnx.empty() && o.state_dict.empty() && o.header.empty())
    fail("nothing is to be written: give --onnx, --state-dict or --header, or several of them");
  if (o.input.empty()) o.input = o.with_normalization ? "pixels" : "images";
  return o;
}

/// Throws Error where a file to be written is another one of the command line, before anything is.
void check_outputs(const Options& o) {
  namespace fs = std::filesystem;
  std::vector<std::pair<const char*, fs::path>> files{{"--weights", o.weights}};
  for (const auto& [option, name] :
       {std::pair("--onnx", o.onnx), {"--state-dict", o.state_dict}, {"--header", o.header}}) {
    if (name.empty()) continue;
    const fs::path path(name);
    std::error_code none;
    for (const auto& [other, before] : files)
      if (before.lexically_normal() == path.lexically_normal() || fs::equivalent(before, path, none))
        fail(option, " ", name, " is the file of ", other, " as well; give every file a name of its own");
    files.emplace_back(option, path);
  }
}

void note(const std::string& sentence) { std::cerr << "export: note: " << sentence << '\n'; }

/// A file's own word, or the option that replaces it.
[[nodiscard]] std::string choose(const char* option, const std::string& given, const std::string* stored,
                                 const char* otherwise) {
  if (stored && !given.empty() && given != *stored)
    note(std::string("--") + option + " " + given + " replaces " + *stored +
         ", which the weights' file says");
  if (!given.empty()) return given;
  if (stored) return *stored;
  if (*otherwise == '\0')
    fail("--", option, " is needed: the weights' file does not say it, as those of train do");
  note(std::string("the weights' file does not say --") + option + ", so it is taken to be " + otherwise);
  return otherwise;
}

/// The file's name as one of C++.
[[nodiscard]] std::string namespace_of(const std::filesystem::path& file) {
  std::string name = file.stem().string();
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return sdepth::is_cpp_name(name) ? name : "network_" + name;
}

void say(const std::string& file, const std::string& what) {
  std::error_code none;
  const auto size = std::filesystem::file_size(file, none);
  std::cout << "wrote " << file << ", " << what << (none ? "" : ", " + sdepth::with_commas(size) + " bytes")
            << '\n';
}

int run(int count, char** words) {
  const Options o = read_command_line(count, words);
  check_outputs(o);
  const sdepth::SafeTensors weights = sdepth::read_safetensors(o.weights);
  const std::optional<ModelCard> card = card_of(weights, known_networks(), o.weights);

  const std::string model = choose("model", o.model, card ? &card->model : nullptr, "");
  const std::string data = choose("data", o.data, card ? &card->data : nullptr, "");
  const std::string scaling = choose("scaling", o.scaling, card ? &card->scaling : nullptr, "test");
  if (data == "folder")
    fail(
        o.weights,
        " holds a network for pictures in folders, expected one for a data set of a name; say which set's pictures are alike by --data");
  const bool gray = data == "fashion-mnist" || data == "mnist";
  const int classes = data == "cifar100" ? 100 : 10;

  Task task{.model = model,
            .weights = weights,
            .where = o.weights,
            .survival = std::nullopt,
            .scaling = scaling_of(scaling),
            .blocks = o.blocks,
            .operations = o.operations};
  if (card && o.schedule.empty() && !o.survival) {
    task.survival = card->survival;
  } else {
    if (!card && o.schedule.empty() && !o.survival)
      note(
          "the weights' file does not say --schedule and --survival, so they are taken to be linear and 0.5");
    if (!o.schedule.empty()) task.schedule = o.schedule;
    task.last_survival = o.survival.value_or(0.5);
  }
  sdepth::TrainedNetwork network = (gray             ? network_gray
                                    : classes == 100 ? network_colour_100
                                                     : network_colour)(task);
  if (!o.shortcuts.empty())
    sdepth::set_shortcuts(network, o.shortcuts == "pool"        ? sdepth::ShortcutKind::pool
                                   : o.shortcuts == "subsample" ? sdepth::ShortcutKind::subsample
                                                                : sdepth::ShortcutKind::subsample_centred);
  const std::string depth = std::to_string(network.blocks_kept()) + " of " +
                            std::to_string(network.keep.size()) + " residual blocks";

  std::optional<sdepth::InputNormalization> normalization;
  if (card) normalization = sdepth::input_normalization(card->normalization, network.network.input);
  const auto names = weights.metadata.find("classes");
  if (!o.onnx.empty()) {
    if (o.with_normalization && !normalization)
      fail(
          "--with-normalization: the weights' file does not say how its pictures were normalised, as those of train do; leave it out");
    ModelOptions options{o.keep_norms, normalization, o.with_normalization,
                         o.input,      o.output,      {{"model", model}, {"data", data}}};
    if (names != weights.metadata.end()) options.metadata["classes"] = names->second;
    write_model(o.onnx, network, options);
    say(o.onnx, depth);
  }
  if (!o.state_dict.empty()) {
    sdepth::SafeTensors file = sdepth::state_dict(
        network, o.names == "layers" ? sdepth::BlockNames::layers : sdepth::BlockNames::blocks,
        o.keep_survival);
    file.metadata = {{"format", "pt"}};  // as PyTorch's own files say
    if (names != weights.metadata.end()) file.metadata["classes"] = names->second;
    if (normalization) file.metadata["normalization"] = sdepth::normalization_text(*normalization);
    sdepth::write_safetensors(o.state_dict, file);
    say(o.state_dict, depth);
  }
  if (!o.header.empty()) {
    sdepth::write_cpp_header(o.header, network,
                             {.name = o.name_space.empty() ? namespace_of(o.header) : o.name_space,
                              .comment = model + " for " + data + ", " + depth + ".",
                              .normalization = normalization});
    say(o.header, depth);
  }
  return 0;
}

}  // namespace programs

int main(int count, char** words) {
  return programs::run_as_main("export", "export a smaller network",
                               [&] { return programs::run(count, words); });
}
