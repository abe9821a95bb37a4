// The command line of infer, by CLI11.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/core/parallel.hpp>
#include <sdepth/core/version.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/program/choices.hpp>
#include <sdepth/program/cli11.hpp>
#include <sdepth/program/command_line.hpp>
#include <sdepth/program/survival_options.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

struct InferOptions {
  std::string program;  // its name, for messages
  std::string weights, model, data, data_dir, logits;
  int limit = 0;  // 0: all
  int threads = available_threads();
  std::string precision = "float32";         // what weights lie in memory as
  std::string normalize, schedule, scaling;  // empty: as the file says
  std::optional<double> survival;
  std::string block_removal, depth_curve;  // empty: not wanted
  int depth_images = 2000;
  int depth_points = 10;
  std::vector<std::string> pictures;  // files and folders; empty: the test set
  int top = 3;
  std::string format = "text";
  std::string page;  // empty: not wanted
  int page_pictures = 60;

  [[nodiscard]] bool studies_depth() const { return !block_removal.empty() || !depth_curve.empty(); }
};

/// @param models  the names that --model may have
/// Throws Error with a sentence for whatever is wrong with the command line.
[[nodiscard]] inline InferOptions read_infer_options(int count, char** words, const std::string& program,
                                                     const std::vector<std::string>& models) {
  InferOptions o;
  o.program = program;
  CLI::App app(
      "Runs trained weights over a test set. Options win over what the weights' file says of itself.",
      program);
  app.get_formatter()->column_width(36);
  app.add_option("--weights", o.weights, "safetensors file, train's model.safetensors or PyTorch's")
      ->required()
      ->check(some_text())
      ->type_name("FILE");
  app.add_option("--model", o.model, "the network")->check(CLI::IsMember(models));
  app.add_option("--data", o.data, "the data set; folder: pictures of your own")
      ->check(CLI::IsMember(data_choices));
  app.add_option("--data-dir", o.data_dir, "where the data set lies; else it is looked for")
      ->check(some_text())
      ->type_name("DIR");
  app.add_option("--limit", o.limit, "only the first N records of the test set (0: all)")
      ->transform(whole_number(0));
  app.add_option("--normalize", o.normalize,
                 "mean image and deviation of the training part, ImageNet's, or bytes / 255")
      ->check(CLI::IsMember(normalize_choices));
  add_survival_options(app, o);
  app.add_option("--logits", o.logits, "writes float32 [N, classes], in the test set's order")
      ->check(some_text())
      ->type_name("OUT.npy");
  app.add_option("--block-removal", o.block_removal,
                 "writes loss and error without each residual block in turn")
      ->check(some_text())
      ->type_name("OUT.csv");
  app.add_option("--depth-curve", o.depth_curve,
                 "writes test error and time for fewer and fewer residual blocks")
      ->check(some_text())
      ->type_name("OUT.csv");
  app.add_option("--depth-images", o.depth_images,
                 "the last N of the training part judge blocks; train holds those out")
      ->transform(whole_number(1))
      ->capture_default_str();
  app.add_option("--depth-points", o.depth_points, "points of the curve")
      ->transform(whole_number(1, 1000))
      ->capture_default_str();
  app.add_option("--threads", o.threads, "threads; the result does not depend on it")
      ->transform(whole_number(1, most_threads))
      ->capture_default_str();
  app.add_option(
         "--precision", o.precision,
         "what weights lie in memory as: f16 and bf16 take half the bytes; activations and arithmetic stay float32")
      ->check(CLI::IsMember({"float32", "f16", "bf16"}))
      ->capture_default_str();
  app.add_option("PICTURES", o.pictures,
                 "PNG and JPEG files, and folders of them, to classify instead of the test set")
      ->check(some_text());
  app.add_option("--top", o.top, "classes to name of each picture")
      ->transform(whole_number(1, 1000))
      ->capture_default_str();
  app.add_option("--format", o.format, "how to write them")
      ->check(CLI::IsMember({"text", "csv", "json"}))
      ->capture_default_str();
  app.add_option("--page", o.page, "writes a page of the first pictures with their likeliest classes")
      ->check(some_text())
      ->type_name("OUT.html");
  app.add_option("--page-pictures", o.page_pictures, "how many it shows")
      ->transform(whole_number(1, 10'000))
      ->capture_default_str();
  app.set_version_flag("--version", program + " (sdepth " + std::string(version_text) + ")",
                       "print the version, and do nothing else");
  parse(app, count, words);
  if (!o.pictures.empty() && (o.studies_depth() || !o.logits.empty() || o.limit > 0))
    fail(
        "pictures of one's own have no true classes and no test set: leave out --block-removal, --depth-curve, --logits and --limit");
  if (o.precision != "float32" && o.studies_depth())
    fail("--block-removal and --depth-curve study the weights in float32: leave out --precision ",
         o.precision);
  if (o.pictures.empty() && app.count("--format") > 0)
    fail(
        "--format says how the classes of pictures are written, and none are named; name some, or leave it out");
  for (const auto& [option, matters, without] :
       {std::tuple("--top", !o.pictures.empty() || !o.page.empty(), "pictures or --page"),
        {"--page-pictures", !o.page.empty(), "--page"},
        {"--depth-points", !o.depth_curve.empty(), "--depth-curve"},
        {"--depth-images", o.studies_depth(), "--block-removal or --depth-curve"},
        {"--survival", o.schedule != "none", "a --schedule of other probabilities than 1"}})
    if (app.count(option) > 0 && !matters)
      std::cerr << program << ": note: " << option << " changes nothing without " << without << '\n';
  return o;
}

/// Throws Error where one of the files to be written cannot be, or would be written over another or over the
/// weights: before the work, which can be long.
inline void check_outputs(const InferOptions& o) {
  namespace fs = std::filesystem;
  std::vector<std::pair<const char*, fs::path>> files{{"--weights", o.weights}};
  for (const auto& [option, name] : {std::pair("--logits", o.logits),
                                     {"--block-removal", o.block_removal},
                                     {"--depth-curve", o.depth_curve},
                                     {"--page", o.page}}) {
    if (name.empty()) continue;
    const fs::path path(name);
    const auto refuse = [&](int code) {
      fail(option, " ", name, " cannot be written: ", reason_and_advice(code));
    };
    std::error_code none;
    for (const auto& [other, before] : files)
      if (before.lexically_normal() == path.lexically_normal() || fs::equivalent(before, path, none))
        fail(option, " ", name, " is the file of ", other, " as well; give every file a name of its own");
    files.emplace_back(option, path);

    struct stat status{};
    const bool there = ::stat(name.c_str(), &status) == 0;
    if (!there && errno != ENOENT) refuse(errno);
    if (there && S_ISDIR(status.st_mode))
      fail(option, " ", name, " cannot be written: it is a directory; give the name of a file");
    if (there && ::access(name.c_str(), W_OK) != 0) refuse(errno);
    if (there && !S_ISREG(status.st_mode)) continue;  // a pipe or a device
    const fs::path target = there                        ? fs::canonical(path, none)
                            : fs::is_symlink(path, none) ? path.parent_path() / fs::read_symlink(path, none)
                                                         : path;
    const fs::path directory = target.has_parent_path() ? target.parent_path() : fs::path(".");
    if (::access(directory.c_str(), W_OK | X_OK) != 0) refuse(errno);
  }
}

}  // namespace sdepth::inline SDEPTH_ISA::program
