// infer: runs trained weights over a test set, prints the error and writes the logits; and what becomes of
// the error with fewer residual blocks. Or over pictures of one's own, PNG and JPEG, and prints the likeliest
// classes.
//
// What it needs besides the weights travels in the metadata of model.safetensors, so for train's own files
//
//     infer --weights DIR/model.safetensors
//
// is enough. Files from elsewhere need --model and --data, and the other options where train's defaults are
// not what they were trained with. An option that is given wins over the metadata, with a note.
//
//     infer --weights DIR/model.safetensors cat.jpg holidays/
//
// says what is in this picture, and in all that lie in that folder.
//
//     infer --weights DIR/model.safetensors --block-removal blocks.csv --depth-curve curve.csv
//
// writes the error without each block, and error against time when blocks are dropped by that, or by
// survival.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include <sdepth/core/error.hpp>
#include <sdepth/core/parallel.hpp>
#include <sdepth/data/catalog.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/npy.hpp>
#include <sdepth/io/predictions.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/command_line.hpp>

#include "../shared/card.hpp"
#include "../shared/networks.hpp"
#include "classify.hpp"
#include "depth.hpp"
#include "files.hpp"

namespace programs {

using sdepth::fail;

struct Options {
  std::string model, weights, data, data_dir, logits;
  int limit = 0;  // 0: all
  int threads = sdepth::available_threads();
  std::string precision = "float32";         // what weights lie in memory as
  std::string normalize, schedule, scaling;  // empty: as the file says
  std::optional<double> survival;
  std::string block_removal, depth_curve;  // empty: not wanted
  int depth_images = 2000;
  int depth_points = 10;
  std::vector<std::string> pictures;  // files and folders; empty: the test set
  int top = 3;
  std::string format = "text";
};

[[nodiscard]] Options read_command_line(int count, char** words) {
  Options o;
  CLI::App app(
      "Runs trained weights over a test set. Options win over what the weights' file says of itself.",
      "infer");
  app.get_formatter()->column_width(36);
  app.add_option("--weights", o.weights, "safetensors file, train's model.safetensors or PyTorch's")
      ->required()
      ->check(some_text())
      ->type_name("FILE");
  app.add_option("--model", o.model, "the network")->check(CLI::IsMember(model_names));
  app.add_option("--data", o.data, "the data set")->check(CLI::IsMember(data_names));
  app.add_option("--data-dir", o.data_dir, "where the data set lies; else it is looked for")
      ->check(some_text())
      ->type_name("DIR");
  app.add_option("--limit", o.limit, "only the first N records of the test set (0: all)")
      ->transform(whole_number(0));
  app.add_option("--normalize", o.normalize, "mean image and deviation of the training part, or bytes / 255")
      ->check(CLI::IsMember(normalize_names));
  app.add_option("--schedule", o.schedule, "survival probabilities in training")
      ->check(CLI::IsMember(schedule_names));
  app.add_option("--survival", o.survival, "of the last block (linear) or of each (uniform)")
      ->transform(finite_number(0, 1));
  app.add_option("--scaling", o.scaling,
                 "test: branches are multiplied by p now; train: they were divided by p in training")
      ->check(CLI::IsMember(scaling_names));
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
      ->transform(whole_number(1, 1024))
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
  parse(app, count, words);
  if (!o.pictures.empty() &&
      (!o.block_removal.empty() || !o.depth_curve.empty() || !o.logits.empty() || o.limit > 0))
    fail(
        "pictures of one's own have no true classes and no test set: leave out --block-removal, --depth-curve, --logits and --limit");
  if (o.precision != "float32" && (!o.block_removal.empty() || !o.depth_curve.empty()))
    fail("--block-removal and --depth-curve study the weights in float32: leave out --precision ",
         o.precision);
  return o;
}

/// Throws Error where one of the files to be written cannot be, or would be written over another or over the
/// weights: before the work, which can be long.
void check_outputs(const Options& o) {
  namespace fs = std::filesystem;
  std::vector<std::pair<const char*, fs::path>> files{{"--weights", o.weights}};
  for (const auto& [option, name] : {std::pair("--logits", o.logits),
                                     {"--block-removal", o.block_removal},
                                     {"--depth-curve", o.depth_curve}}) {
    if (name.empty()) continue;
    const fs::path path(name);
    const auto refuse = [&](int code) {
      fail(option, " ", name, " cannot be written: ", sdepth::reason_and_advice(code));
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

void note(const std::string& sentence) { std::cerr << "infer: note: " << sentence << '\n'; }

/// The mean image of the training part of a data set, as train has it where nothing else is said: without
/// what it holds out by default.
[[nodiscard]] sdepth::Normalization paper_normalization(const std::string& data, sdepth::ImageSet& train) {
  const sdepth::ImageSet held_out =
      train.split_off(std::min(recipe_of(data, 0).validation, train.size() - 1));
  const auto normalization = sdepth::Normalization::paper(train);
  train.pixels.insert(train.pixels.end(), held_out.pixels.begin(), held_out.pixels.end());
  train.labels.insert(train.labels.end(), held_out.labels.begin(), held_out.labels.end());
  return normalization;
}

/// A file's own word, or the option that replaces it, or `otherwise` where there is neither.
[[nodiscard]] std::string choose(const char* option, const std::string& given, const std::string* stored,
                                 const std::string& otherwise) {
  if (stored && !given.empty() && given != *stored)
    note(std::string("--") + option + " " + given + " replaces " + *stored +
         ", which the weights' file says");
  if (!given.empty()) return given;
  if (stored) return *stored;
  if (otherwise.empty())
    fail("--", option, " is needed: the weights' file does not say it, as those of train do");
  note(std::string("the weights' file does not say --") + option + ", so it is taken to be " + otherwise);
  return otherwise;
}

/// Survival probabilities of each block: the options', else the file's, else train's default.
[[nodiscard]] std::vector<double> choose_survival(const Options& o, const std::optional<ModelCard>& card,
                                                  int blocks) {
  const bool given = !o.schedule.empty() || o.survival;
  if (card && !given) return card->survival;
  if (!given)
    note("the weights' file does not say --schedule and --survival, so they are taken to be linear and 0.5");
  const auto table =
      survival_table(o.schedule.empty() ? "linear" : o.schedule, o.survival.value_or(0.5), blocks);
  if (card && table != card->survival)
    note("--schedule and --survival replace the survival probabilities that the weights' file says");
  return table;
}

/// Throws Error where a logit is not finite. The largest of numbers that are none would be class 0, and a
/// tenth of the pictures right.
void check_finite(const std::vector<float>& logits, const sdepth::ImageSet& pictures,
                  const std::string& where) {
  const auto bad =
      std::find_if(logits.begin(), logits.end(), [](float logit) { return !std::isfinite(logit); });
  if (bad != logits.end())
    fail(where, ": from these weights the network computes ", *bad, " as a logit of picture ",
         (bad - logits.begin()) / pictures.classes, " of the ", pictures.name,
         ", expected finite numbers; the file is damaged, or its training had diverged");
}

/// Mean cross-entropy and errors, from logits [N, classes].
void print_error(const sdepth::ImageSet& pictures, const std::vector<float>& logits) {
  const auto classes = static_cast<std::size_t>(pictures.classes);
  std::uint64_t errors = 0;
  double loss = 0;
  for (std::size_t n = 0; n < pictures.labels.size(); ++n) {
    const std::span<const float> row(logits.data() + n * classes, classes);
    const auto largest = std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float logit : row) sum += std::exp(static_cast<double>(logit) - static_cast<double>(*largest));
    loss += std::log(sum) + static_cast<double>(*largest) - static_cast<double>(row[pictures.labels[n]]);
    errors += largest - row.begin() != pictures.labels[n];
  }
  const auto count = static_cast<double>(pictures.size());
  std::cout << "test error " << sdepth::fixed_point(100.0 * static_cast<double>(errors) / count, 2) << " % ("
            << sdepth::with_commas(errors) << " of " << sdepth::with_commas(pictures.labels.size())
            << " images), loss " << sdepth::decimal(loss / count, 6) << '\n';
}

/// The likeliest classes of pictures in files, by the names that the weights' file has for them.
void print_guesses(const Options& o, const sdepth::SafeTensors& weights, const PictureFiles& files,
                   const std::vector<float>& logits) {
  std::vector<std::string> names;
  if (const auto found = weights.metadata.find("classes"); found != weights.metadata.end())
    names = sdepth::class_names_from(found->second);
  const auto classes = static_cast<std::size_t>(files.set.classes);
  std::vector<sdepth::Prediction> predictions;
  for (std::size_t i = 0; i < files.paths.size(); ++i)
    predictions.push_back(
        {files.paths[i], sdepth::best_guesses(std::span(logits).subspan(i * classes, classes), o.top)});
  const auto format = o.format == "csv"    ? sdepth::PredictionFormat::csv
                      : o.format == "json" ? sdepth::PredictionFormat::json
                                           : sdepth::PredictionFormat::text;
  std::cout << sdepth::predictions_as(format, predictions, names);
}

/// The error with fewer blocks. Blocks are judged by pictures that are neither the test set's nor, where
/// train held some out, trained on.
void write_depth(const Options& o, const Task& task, const std::string& data,
                 const sdepth::ImageSet& chosen_by, const sdepth::ImageSet& train) {
  const int held_out = recipe_of(data, 0).validation;
  if (o.depth_images > held_out)
    note("blocks are judged by the last " + std::to_string(o.depth_images) +
         " training pictures, of which train holds out " + std::to_string(held_out) +
         " if not told otherwise");
  const DepthStudy study{chosen_by, train, o.depth_curve.empty() ? 0 : o.depth_points};
  const DepthResult result =
      for_pictures(task.pictures, study_gray, study_colour, study_colour_100)(task, study);
  if (!o.block_removal.empty()) {
    auto table = sdepth::CsvLog::create(o.block_removal, "block,survival,loss,error");
    for (const auto& [block, score] : result.removals)
      table.row(block, task.survival[static_cast<std::size_t>(block)], score.loss, score.error_rate());
    table.flush();
  }
  if (o.depth_curve.empty()) return;
  auto table = sdepth::CsvLog::create(
      o.depth_curve,
      "blocks,operations,milliseconds,error_by_survival,error_by_harm,error_by_harm_reestimated");
  for (const DepthPoint& point : result.curve)
    table.row(point.blocks, point.operations, point.milliseconds, point.by_survival, point.by_harm,
              point.by_harm_reestimated);
  table.flush();
}

int infer(int count, char** words) {
  const Options o = read_command_line(count, words);
  check_outputs(o);
  const sdepth::SafeTensors weights = sdepth::read_safetensors(o.weights);
  const std::optional<ModelCard> card = card_of(weights, o.weights);

  const std::string model = choose("model", o.model, card ? &card->model : nullptr, "");
  const std::string data = choose("data", o.data, card ? &card->data : nullptr, "");
  const std::string scaling = choose("scaling", o.scaling, card ? &card->scaling : nullptr, "test");
  const std::string stored_normalize = card && card->normalization.size() > 1 ? "paper" : "none";
  const std::string normalize = choose("normalize", o.normalize, card ? &stored_normalize : nullptr, "paper");

  const bool needs_depth = !o.block_removal.empty() || !o.depth_curve.empty();
  const bool knows_normalization = card && normalize == stored_normalize;
  sdepth::ImageSet train, test;
  PictureFiles files;
  if (!o.pictures.empty()) {
    files = read_picture_files(o.pictures,
                               data == "fashion-mnist" || data == "mnist" ? Gray::shape : Colour::shape,
                               data == "cifar100" ? 100 : 10, o.threads);
    for (const std::string& sentence : files.wrong) note(sentence);
    if (files.paths.empty())
      fail("none of the ", files.wrong.size(), " pictures can be read; the reasons stand above");
    test = files.set;
    if (normalize == "paper" && !knows_normalization) train = sdepth::load_data_set(data, o.data_dir).train;
  } else if (needs_depth || (normalize == "paper" && !knows_normalization)) {
    sdepth::DataSet both = sdepth::load_data_set(data, o.data_dir);
    train = std::move(both.train);
    test = std::move(both.test);
  } else {
    test = sdepth::load_test_set(data, o.data_dir);
  }
  if (o.limit > 0) test.limit(o.limit);
  const auto normalization = knows_normalization
                                 ? sdepth::Normalization::from_values(card->normalization, test.shape)
                             : normalize == "paper" ? paper_normalization(data, train)
                                                    : sdepth::Normalization::none();
  const sdepth::ImageSet chosen_by = needs_depth ? train.split_off(o.depth_images) : sdepth::ImageSet{};
  if (needs_depth)
    train.limit(10 * 128);  // norms are estimated on ten batches
  else
    train = {};
  const int blocks = with_network<Gray, 10>(model, []<class Net>() { return Net::residual_blocks; });
  const Task task{.model = model,
                  .weights = weights,
                  .where = o.weights,
                  .survival = choose_survival(o, card, blocks),
                  .scaling = scaling_of(scaling),
                  .pictures = test,
                  .normalization = normalization,
                  .threads = o.threads};
  const Classifiers classifiers = o.precision == "f16" ? float16_classifiers()
                                  : o.precision == "bf16"
                                      ? bfloat16_classifiers()
                                      : Classifiers{classify_gray, classify_colour, classify_colour_100};
  const std::vector<float> logits =
      for_pictures(test, classifiers.gray, classifiers.colour, classifiers.colour_100)(task);
  check_finite(logits, test, o.weights);
  if (!o.pictures.empty()) {
    print_guesses(o, weights, files, logits);
    return 0;
  }
  if (!o.logits.empty()) sdepth::write_npy(o.logits, logits, {test.size(), test.classes});
  print_error(test, logits);
  if (needs_depth) write_depth(o, task, data, chosen_by, train);
  return 0;
}

}  // namespace programs

int main(int count, char** words) {
  return programs::run_as_main("infer", "use a smaller --limit",
                               [&] { return programs::infer(count, words); });
}
