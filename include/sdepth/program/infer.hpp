// The whole program that uses trained networks, as a main function: the error on a test set, with fewer
// blocks too, or the classes of pictures in files.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/catalog.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/npy.hpp>
#include <sdepth/io/predictions.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/program/card.hpp>
#include <sdepth/program/choices.hpp>
#include <sdepth/program/classifier.hpp>
#include <sdepth/program/classifier_of.hpp>
#include <sdepth/program/command_line.hpp>
#include <sdepth/program/infer_options.hpp>
#include <sdepth/program/picture_files.hpp>
#include <sdepth/program/prediction_page.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// One use of a trained network: what the weights' file says of itself, and the options that win over it.
class InferRun {
 public:
  InferRun(InferOptions options, const Classifiers& classifiers);
  void go();

 private:
  void note(const std::string& sentence) const {
    std::cerr << options_.program << ": note: " << sentence << '\n';
  }
  [[nodiscard]] std::string choose(const char* option, const std::string& given, const std::string* stored,
                                   const std::string& otherwise) const;
  [[nodiscard]] std::vector<double> choose_survival() const;
  /// Of the network's pictures. @param train  measured where nobody else knows
  [[nodiscard]] Normalization normalization(Shape shape, ImageSet* train) const;
  [[nodiscard]] bool knows_normalization() const { return card_ && normalize_ == stored_normalize_; }
  /// Of picture i. @param logits  [N, classes]
  [[nodiscard]] Prediction prediction_of(std::string path, const std::vector<float>& logits, int i) const {
    const auto classes = static_cast<std::size_t>(classifier_->classes);
    return {std::move(path),
            best_guesses(std::span(logits).subspan(static_cast<std::size_t>(i) * classes, classes),
                         options_.top)};
  }
  [[nodiscard]] PredictionPage page_of(const std::string& pictures) const;
  void classify_files();
  void judge_test_set();
  void write_depth(const ClassifierTask& task, const ImageSet& chosen_by, const ImageSet& train) const;
  /// Throws Error where a logit is not finite. The largest of numbers that are none would be class 0, and a
  /// tenth of the pictures right.
  void check_finite(const std::vector<float>& logits, const ImageSet& pictures) const;

  InferOptions options_;
  SafeTensors weights_;
  std::optional<ModelCard> card_;
  std::string model_, data_, scaling_, stored_normalize_, normalize_;
  const Classifier* classifier_ = nullptr;
};

inline InferRun::InferRun(InferOptions options, const Classifiers& classifiers)
    : options_(std::move(options)) {
  check_outputs(options_);
  weights_ = read_safetensors(options_.weights);
  std::vector<KnownNetwork> known;
  for (const Classifier& network : classifiers) known.push_back({network.name, network.survival.size()});
  card_ = card_of(weights_, known, options_.weights);

  const bool files = !options_.pictures.empty();
  const std::vector<std::string> models = names_of(classifiers);
  model_ =
      choose("model", options_.model, card_ ? &card_->model : nullptr, models.size() == 1 ? models[0] : "");
  data_ = choose("data", options_.data, card_ ? &card_->data : nullptr, files ? "folder" : "");
  if (data_ == "folder" && !files)
    fail(
        "the network is for pictures in folders, of which there is no test set; name pictures or folders to classify");
  scaling_ = choose("scaling", options_.scaling, card_ ? &card_->scaling : nullptr, "test");
  if (card_)
    stored_normalize_ = card_->normalization.size() == 1                             ? "none"
                        : card_->normalization == Normalization::imagenet().values() ? "imagenet"
                                                                                     : "paper";
  normalize_ = choose("normalize", options_.normalize, card_ ? &stored_normalize_ : nullptr,
                      data_ == "folder" ? "imagenet" : "paper");

  PictureKind kind = kind_of_data(data_);
  if (data_ == "folder") kind.classes = static_cast<int>(class_names_of(weights_.metadata).size());
  classifier_ =
      &find_classifier(classifiers, model_, files ? options_.weights : data_, kind, options_.precision);
}

inline void InferRun::go() {
  if (options_.pictures.empty())
    judge_test_set();
  else
    classify_files();
}

/// A file's own word, or the option that replaces it, or `otherwise` where there is neither.
inline std::string InferRun::choose(const char* option, const std::string& given, const std::string* stored,
                                    const std::string& otherwise) const {
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

/// Survival probabilities of each block: the options', else the file's, else those of the network's type.
inline std::vector<double> InferRun::choose_survival() const {
  const bool given = !options_.schedule.empty() || options_.survival;
  if (card_ && !given) return card_->survival;
  if (!given) {
    note("the weights' file does not say --schedule and --survival, so they are as the network's type says");
    return classifier_->survival;
  }
  const auto table =
      survival_table(options_.schedule.empty() ? "linear" : options_.schedule,
                     options_.survival.value_or(0.5), static_cast<int>(classifier_->survival.size()));
  if (card_ && table != card_->survival)
    note("--schedule and --survival replace the survival probabilities that the weights' file says");
  return table;
}

/// The mean image of the training part of a data set, as train has it where nothing else is said: without
/// what it holds out by default.
[[nodiscard]] inline Normalization paper_normalization(const std::string& data, ImageSet& train) {
  const ImageSet held_out = train.split_off(std::min(recipe_of(data, 0).validation, train.size() - 1));
  const auto normalization = Normalization::paper(train);
  train.pixels.insert(train.pixels.end(), held_out.pixels.begin(), held_out.pixels.end());
  train.labels.insert(train.labels.end(), held_out.labels.begin(), held_out.labels.end());
  return normalization;
}

inline Normalization InferRun::normalization(Shape shape, ImageSet* train) const {
  if (knows_normalization()) return Normalization::from_values(card_->normalization, shape);
  if (normalize_ == "none") return Normalization::none();
  if (normalize_ == "paper") return paper_normalization(data_, *train);
  if (shape.channels != 3)
    fail("--normalize imagenet is for networks that read 3 channels, this one reads ", shape.channels);
  return Normalization::imagenet();
}

inline void InferRun::check_finite(const std::vector<float>& logits, const ImageSet& pictures) const {
  const auto bad =
      std::find_if(logits.begin(), logits.end(), [](float logit) { return !std::isfinite(logit); });
  if (bad != logits.end())
    fail(options_.weights, ": from these weights the network computes ", *bad, " as a logit of picture ",
         (bad - logits.begin()) / pictures.classes, " of the ", pictures.name,
         ", expected finite numbers; the file is damaged, or its training had diverged");
}

inline PredictionPage InferRun::page_of(const std::string& pictures) const {
  std::vector<std::string> names = class_names_of(weights_.metadata);
  if (names.empty()) names = class_names_of_data(data_);
  return {model_ + ": " + pictures, std::move(names)};
}

/// The likeliest classes of pictures in files, by the names that the weights' file has for them.
inline void InferRun::classify_files() {
  if (!picture_reader.read)
    fail(
        "this program was built without PNG and JPEG: install libpng-dev and libjpeg-dev, include <sdepth/program/pictures.hpp>, link "
        "sdepth::pictures, and build it again");
  const Shape shape = classifier_->input;
  const auto files = picture_reader.files({options_.pictures.begin(), options_.pictures.end()});
  ImageSet train;
  if (normalize_ == "paper" && !knows_normalization()) {
    if (data_ == "folder")
      fail(
          "--normalize paper needs the training pictures, and those of folders are not known; give imagenet or none, or leave it out");
    train = load_data_set(data_, options_.data_dir).train;
  }
  const Normalization normalized = normalization(shape, &train);
  const std::vector<double> survival = choose_survival();

  const auto most_shown = static_cast<std::size_t>(options_.page_pictures);
  // So many at a time that their pixels take at most 256 MB.
  const std::size_t most = std::max<std::size_t>(128, (std::size_t{1} << 28) / shape.size());
  std::vector<Prediction> predictions;
  std::size_t wrong = 0;
  PredictionPage page = page_of("pictures in files");
  for (std::span<const std::filesystem::path> left = files; !left.empty();) {
    const std::size_t count = std::min(most, left.size());
    const PictureFiles some =
        picture_reader.read(left.first(count), shape, classifier_->classes, options_.threads);
    left = left.subspan(count);
    for (const std::string& sentence : some.wrong) note(sentence);
    wrong += some.wrong.size();
    if (some.paths.empty()) continue;
    const std::vector<float> logits = classifier_->logits(
        {weights_, options_.weights, survival, scaling_of(scaling_), some.set, normalized, options_.threads});
    check_finite(logits, some.set);
    for (int i = 0; i < some.set.size(); ++i) {
      predictions.push_back(prediction_of(some.paths[static_cast<std::size_t>(i)], logits, i));
      if (!options_.page.empty() && page.size() < most_shown) page.add(some.set, i, -1, predictions.back());
    }
  }
  if (predictions.empty()) fail("none of the ", wrong, " pictures can be read; the reasons stand above");
  const auto format = options_.format == "csv"    ? PredictionFormat::csv
                      : options_.format == "json" ? PredictionFormat::json
                                                  : PredictionFormat::text;
  if (!options_.page.empty()) write_file_atomically(options_.page, page.html());
  std::cout << predictions_as(format, predictions, class_names_of(weights_.metadata));
}

/// Mean cross-entropy and errors, from logits [N, classes].
inline void print_error(const ImageSet& pictures, const std::vector<float>& logits) {
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
  std::cout << "test error " << fixed_point(100.0 * static_cast<double>(errors) / count, 2) << " % ("
            << with_commas(errors) << " of " << with_commas(pictures.labels.size()) << " images), loss "
            << decimal(loss / count, 6) << '\n';
}

inline void InferRun::judge_test_set() {
  const bool studies_depth = options_.studies_depth();
  ImageSet train, test;
  if (studies_depth || (normalize_ == "paper" && !knows_normalization())) {
    DataSet both = load_data_set(data_, options_.data_dir);
    train = std::move(both.train);
    test = std::move(both.test);
  } else {
    test = load_test_set(data_, options_.data_dir);
  }
  if (options_.limit > 0) test.limit(options_.limit);
  const Normalization normalized = normalization(test.shape, &train);
  const ImageSet chosen_by = studies_depth ? train.split_off(options_.depth_images) : ImageSet{};
  if (studies_depth)
    train.limit(10 * 128);  // norms are estimated on ten batches
  else
    train = {};
  const ClassifierTask task{weights_, options_.weights, choose_survival(), scaling_of(scaling_),
                            test,     normalized,       options_.threads};
  const std::vector<float> logits = classifier_->logits(task);
  check_finite(logits, test);
  if (!options_.logits.empty()) write_npy(options_.logits, logits, {test.size(), test.classes});
  if (!options_.page.empty()) {
    PredictionPage page = page_of("test pictures of " + data_);
    for (int i = 0; i < std::min(options_.page_pictures, test.size()); ++i)
      page.add(test, i, test.labels[static_cast<std::size_t>(i)],
               prediction_of(test.name + " " + std::to_string(i), logits, i));
    write_file_atomically(options_.page, page.html());
  }
  print_error(test, logits);
  if (studies_depth) write_depth(task, chosen_by, train);
}

/// The error with fewer blocks. Blocks are judged by pictures that are neither the test set's nor, where
/// train held some out, trained on.
inline void InferRun::write_depth(const ClassifierTask& task, const ImageSet& chosen_by,
                                  const ImageSet& train) const {
  const int held_out = recipe_of(data_, 0).validation;
  if (options_.depth_images > held_out)
    note("blocks are judged by the last " + std::to_string(options_.depth_images) +
         " training pictures, of which train holds out " + std::to_string(held_out) +
         " if not told otherwise");
  const DepthResult result = classifier_->study_depth(
      task, {chosen_by, train, options_.depth_curve.empty() ? 0 : options_.depth_points});
  if (!options_.block_removal.empty()) {
    auto table = CsvLog::create(options_.block_removal, "block,survival,loss,error");
    for (const auto& [block, score] : result.removals)
      table.row(block, task.survival[static_cast<std::size_t>(block)], score.loss, score.error_rate());
    table.flush();
  }
  if (options_.depth_curve.empty()) return;
  auto table = CsvLog::create(
      options_.depth_curve,
      "blocks,operations,milliseconds,error_by_survival,error_by_harm,error_by_harm_reestimated");
  for (const DepthPoint& point : result.curve)
    table.row(point.blocks, point.operations, point.milliseconds, point.by_survival, point.by_harm,
              point.by_harm_reestimated);
  table.flush();
}

/// The program that uses what train() of the same networks has trained. The weights' file names its network;
/// --model does where it does not.
///
///     int main(int argc, char** argv) {
///       using namespace sdepth;
///       return program::infer(argc, argv, {program::classifiers<Cpu<>, float, program::Choice<"small", A>, program::Choice<"large", B>>()});
///     }
///
/// Each list may stand in a .cpp of its own. Returns the exit status: 0, or 1 after a sentence on standard
/// error.
/// @param lists  of at least one network
[[nodiscard]] inline int infer(int argc, char** argv, std::initializer_list<Classifiers> lists) {
  const std::string name = argc > 0 ? std::filesystem::path(argv[0]).filename().string() : "infer";
  return run_as_main(name, "use a smaller --limit", [&] {
    const Classifiers classifiers = all_of(lists);
    if (classifiers.empty()) fail("this program has no networks, expected at least one; give infer() some");
    InferRun(read_infer_options(argc, argv, name, names_of(classifiers)), classifiers).go();
    return 0;
  });
}

/// The same in three lines, with weights in float32:
///
///     #include <sdepth/program/infer.hpp>
///     int main(int argc, char** argv) { return sdepth::program::infer<MyNet>(argc, argv); }
///
/// @tparam Entries  network types, or Choice<"name", Net> for several, as train() had them
template <class... Entries>
  requires(sizeof...(Entries) > 0)
[[nodiscard]] int infer(int argc, char** argv) {
  return infer(argc, argv, {classifiers<Cpu<>, float, Entries...>()});
}

}  // namespace sdepth::inline SDEPTH_ISA::program
