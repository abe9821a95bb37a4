// infer: runs trained weights over a test set, prints the error and writes the logits.
//
// What it needs besides the weights travels in the metadata of model.safetensors, so for train's own files
//
//     infer --weights DIR/model.safetensors
//
// is enough. Files from elsewhere need --model and --data, and the other options where train's defaults are not what they were trained with.
// An option that is given wins over the metadata, with a note.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <csignal>
#include <exception>
#include <iostream>
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/core/parallel.hpp>
#include <sdepth/data/catalog.hpp>
#include <sdepth/io/npy.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>

#include "../shared/card.hpp"
#include "../shared/choices.hpp"
#include "classify.hpp"

namespace programs {

using sdepth::fail;

struct Options {
  std::string model, weights, data, data_dir, logits;
  int limit = 0;  // 0: all
  int threads = sdepth::hardware_threads();
  std::string normalize, schedule, scaling;  // empty: as the file says
  std::optional<double> survival;
};

[[nodiscard]] Options read_command_line(int count, char** words) {
  Options o;
  CLI::App app("Runs trained weights over a test set. Options win over what the weights' file says of itself.", "infer");
  app.get_formatter()->column_width(36);
  app.add_option("--weights", o.weights, "safetensors file, train's model.safetensors or PyTorch's")->required()->type_name("FILE");
  app.add_option("--model", o.model, "the network")->check(CLI::IsMember(model_names));
  app.add_option("--data", o.data, "the data set")->check(CLI::IsMember(data_names));
  app.add_option("--data-dir", o.data_dir, "where the data set lies; else it is looked for")->type_name("DIR");
  app.add_option("--limit", o.limit, "only the first N records of the test set (0: all)")
      ->check(CLI::Range(0, std::numeric_limits<int>::max()));
  app.add_option("--normalize", o.normalize, "mean image and deviation of the training part, or bytes / 255")
      ->check(CLI::IsMember(normalize_names));
  app.add_option("--schedule", o.schedule, "survival probabilities in training")->check(CLI::IsMember(schedule_names));
  app.add_option("--survival", o.survival, "of the last block (linear) or of each (uniform)")->check(CLI::Range(0.0, 1.0));
  app.add_option("--scaling", o.scaling, "test: branches are multiplied by p now; train: they were divided by p in training")
      ->check(CLI::IsMember(scaling_names));
  app.add_option("--logits", o.logits, "writes float32 [N, classes], in the test set's order")->type_name("OUT.npy");
  app.add_option("--threads", o.threads, "threads; the result does not depend on it")->check(CLI::Range(1, 1024))->capture_default_str();
  try {
    app.parse(count, words);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    std::exit(0);
  } catch (const CLI::ParseError& error) {
    fail(error.what(), "; `infer --help` lists the options");
  }
  return o;
}

void note(const std::string& sentence) { std::cerr << "infer: note: " << sentence << '\n'; }

/// The mean image of the training part of a data set, as train has it where nothing else is said: without what it holds out by default.
[[nodiscard]] sdepth::Normalization paper_normalization(const std::string& data, sdepth::ImageSet& train) {
  const int held_out = recipe_of(data, "").validation;
  train.limit(std::max(1, train.size() - held_out));
  return sdepth::Normalization::paper(train);
}

/// A file's own word, or the option that replaces it, or `otherwise` where there is neither.
[[nodiscard]] std::string choose(const char* option, const std::string& given, const std::string* stored, const std::string& otherwise) {
  if (stored && !given.empty() && given != *stored)
    note(std::string("--") + option + " " + given + " replaces " + *stored + ", which the weights' file says");
  if (!given.empty()) return given;
  if (stored) return *stored;
  if (otherwise.empty()) fail("--", option, " is needed: the weights' file does not say it, as those of train do");
  note(std::string("the weights' file does not say --") + option + ", so it is taken to be " + otherwise);
  return otherwise;
}

/// Survival probabilities of each block: the options', else the file's, else train's default.
[[nodiscard]] std::vector<double> choose_survival(const Options& o, const std::optional<ModelCard>& card, int blocks) {
  const bool given = !o.schedule.empty() || o.survival;
  if (card && !given) return card->survival;
  if (!given) note("the weights' file does not say --schedule and --survival, so they are taken to be linear and 0.5");
  const auto table = survival_table(o.schedule.empty() ? "linear" : o.schedule, o.survival.value_or(0.5), blocks);
  if (card && table != card->survival) note("--schedule and --survival replace the survival probabilities that the weights' file says");
  return table;
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
  std::cout << "test error " << sdepth::fixed_point(100.0 * static_cast<double>(errors) / count, 2) << " % (" << sdepth::with_commas(errors)
            << " of " << sdepth::with_commas(pictures.labels.size()) << " images), loss " << sdepth::decimal(loss / count, 6) << '\n';
}

int infer(int count, char** words) {
  const Options o = read_command_line(count, words);
  const sdepth::SafeTensors weights = sdepth::read_safetensors(o.weights);
  if (const auto format = weights.metadata.find("format");
      format != weights.metadata.end() && format->second.starts_with("sdepth checkpoint"))
    fail(o.weights, " is a checkpoint, to go on training with; use the model.safetensors beside it");
  std::optional<ModelCard> card;
  if (has_card(weights.metadata)) card = from_metadata(weights.metadata, o.weights);

  const std::string model = choose("model", o.model, card ? &card->model : nullptr, "");
  const std::string data = choose("data", o.data, card ? &card->data : nullptr, "");
  const std::string scaling = choose("scaling", o.scaling, card ? &card->scaling : nullptr, "test");
  const std::string stored_normalize = card && card->normalization.size() > 1 ? "paper" : "none";
  const std::string normalize = choose("normalize", o.normalize, card ? &stored_normalize : nullptr, "paper");

  auto [train, test] = sdepth::load_data_set(data, o.data_dir);
  if (o.limit > 0) test.limit(o.limit);
  const auto normalization = card && normalize == stored_normalize ? sdepth::Normalization::from_values(card->normalization, test.shape)
                             : normalize == "paper"                ? paper_normalization(data, train)
                                                                   : sdepth::Normalization::none();
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
  const std::vector<float> logits = for_pictures(test, classify_gray, classify_colour, classify_colour_100)(task);
  if (!o.logits.empty()) sdepth::write_npy(o.logits, logits, {test.size(), test.classes});
  print_error(test, logits);
  return 0;
}

}  // namespace programs

int main(int count, char** words) {
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file sizes is then an error of the write, with its sentence, and not the program's end
  try {
    return programs::infer(count, words);
  } catch (const sdepth::Error& error) {
    std::cerr << "infer: " << error.what() << '\n';
  } catch (const std::bad_alloc&) {
    std::cerr << "infer: out of memory; use a smaller --limit\n";
  } catch (const std::exception& error) {
    std::cerr << "infer: " << error.what() << '\n';
  }
  return 1;
}
