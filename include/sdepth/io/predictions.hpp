// What a network says of pictures, for people and programs: the likeliest classes of each by name, as text,
// CSV or JSON.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/core/exactly.hpp>
#include <sdepth/core/utf8.hpp>
#include <sdepth/io/text.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A class of a picture, with its probability by the network.
struct Guess {
  int label = 0;
  double probability = 0;
};

/// The `count` likeliest classes of one picture, the likeliest first; of equals the one of the lower number.
/// @param logits  [classes], finite; the probabilities are their softmax
[[nodiscard]] inline std::vector<Guess> best_guesses(std::span<const float> logits, int count) {
  if (logits.empty()) return {};
  const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto kept =
      static_cast<std::ptrdiff_t>(std::min(order.size(), static_cast<std::size_t>(std::max(count, 0))));
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), [&](int a, int b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x > y || (exactly(static_cast<double>(x), static_cast<double>(y)) && a < b);
  });
  std::vector<Guess> guesses;
  for (auto label = order.begin(); label != order.begin() + kept; ++label)
    guesses.push_back(
        {*label, std::exp(static_cast<double>(logits[static_cast<std::size_t>(*label)]) - largest) / sum});
  return guesses;
}

/// One picture: where it lies, and what the network says of it.
struct Prediction {
  std::string path;
  std::vector<Guess> guesses;
};

enum class PredictionFormat { text, csv, json };

/// Lines `path: name 97.1 %, name 2.0 %`; or CSV with a line for each guess; or JSON with an object for each
/// picture.
/// @param class_names  of the labels; numbers where there are fewer
[[nodiscard]] inline std::string predictions_as(PredictionFormat format,
                                                std::span<const Prediction> predictions,
                                                std::span<const std::string> class_names) {
  const auto name = [&](const Guess& guess) {
    const auto label = static_cast<std::size_t>(guess.label);
    return label < class_names.size() ? class_names[label] : std::to_string(guess.label);
  };
  if (format == PredictionFormat::json) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const Prediction& prediction : predictions) {
      nlohmann::ordered_json guesses = nlohmann::ordered_json::array();
      for (const Guess& guess : prediction.guesses)
        guesses.push_back(
            {{"class", name(guess)}, {"label", guess.label}, {"probability", guess.probability}});
      all.push_back({{"path", shown_as_utf8(prediction.path)}, {"guesses", guesses}});
    }
    return all.dump(2) + "\n";
  }
  if (format == PredictionFormat::csv) {
    const auto field = [](const std::string& text) {
      if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
      std::string quoted = "\"";
      for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
      return quoted + "\"";
    };
    std::string text = "path,rank,class,probability\n";
    for (const Prediction& prediction : predictions)
      for (std::size_t i = 0; i < prediction.guesses.size(); ++i)
        text += field(prediction.path) + "," + std::to_string(i + 1) + "," +
                field(name(prediction.guesses[i])) + "," + decimal(prediction.guesses[i].probability, 6) +
                "\n";
    return text;
  }
  std::string text;
  for (const Prediction& prediction : predictions) {
    text += shown_as_utf8(prediction.path) + ":";
    for (std::size_t i = 0; i < prediction.guesses.size(); ++i)
      text += (i > 0 ? ", " : " ") + name(prediction.guesses[i]) + " " +
              fixed_point(100 * prediction.guesses[i].probability, 1) + " %";
    text += "\n";
  }
  return text;
}

/// Names of classes as one text for a model's metadata, and back. Throws Error where it is no list of texts.
[[nodiscard]] inline std::string class_names_text(std::span<const std::string> names) {
  return nlohmann::json(std::vector<std::string>(names.begin(), names.end())).dump();
}
[[nodiscard]] inline std::vector<std::string> class_names_from(const std::string& text) {
  const auto list = nlohmann::json::parse(text, nullptr, false);
  if (!list.is_array() ||
      !std::all_of(list.begin(), list.end(), [](const auto& name) { return name.is_string(); }))
    fail("the names of classes are ", in_quotes(text),
         ", expected a list of texts as JSON; save the model again");
  return list.get<std::vector<std::string>>();
}

}  // namespace sdepth::inline SDEPTH_ISA
