// The likeliest classes of pictures, and how they are written.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <sdepth/io/predictions.hpp>

namespace sdepth::test::predictions_test {

TEST_CASE("guesses are the softmax of the logits, the largest first, equals in the order of their labels") {
  const std::vector<float> logits{1, 3, 3, -1000};
  const auto guesses = best_guesses(logits, 3);
  REQUIRE(guesses.size() == 3);
  CHECK(guesses[0].label == 1);
  CHECK(guesses[1].label == 2);
  CHECK(guesses[2].label == 0);
  const double sum = std::exp(1.0) + 2 * std::exp(3.0);
  CHECK(guesses[0].probability == doctest::Approx(std::exp(3.0) / sum));
  CHECK(guesses[2].probability == doctest::Approx(std::exp(1.0) / sum));
  CHECK(best_guesses(logits, 9).size() == 4);
  CHECK(best_guesses(logits, 0).empty());
  CHECK(best_guesses(std::vector<float>{1e38F, -1e38F}, 1)[0].probability == 1);
}

TEST_CASE("predictions are written as text, CSV and JSON, by names where there are any") {
  const std::vector<Prediction> predictions{{"a, b.png", {{1, 0.75}, {2, 0.25}}}, {"caf\xE9.jpg", {{0, 1}}}};
  const std::vector<std::string> names{"ape", "say \"cat\""};
  CHECK(predictions_as(PredictionFormat::text, predictions, names) ==
        "a, b.png: say \"cat\" 75.0 %, 2 25.0 %\ncaf\xEF\xBF\xBD.jpg: ape 100.0 %\n");
  CHECK(
      predictions_as(PredictionFormat::csv, predictions, names) ==
      "path,rank,class,probability\n\"a, b.png\",1,\"say \"\"cat\"\"\",0.75\n\"a, b.png\",2,2,0.25\ncaf\xE9.jpg,1,ape,1\n");
  const auto json = nlohmann::json::parse(predictions_as(PredictionFormat::json, predictions, names));
  CHECK(json[0]["guesses"][0]["class"] == "say \"cat\"");
  CHECK(json[0]["guesses"][1]["label"] == 2);
  CHECK(json[1]["path"] == "caf\xEF\xBF\xBD.jpg");
}

TEST_CASE("names of classes travel as one text") {
  const std::vector<std::string> names{"ape", "say \"cat\"", "K\xC3\xA4se"};
  CHECK(class_names_from(class_names_text(names)) == names);
  CHECK_THROWS_WITH_AS(
      class_names_from("{}"),
      "the names of classes are \"{}\", expected a list of texts as JSON; save the model again", Error);
  CHECK_THROWS_AS(class_names_from("[1]"), Error);
}

}  // namespace sdepth::test::predictions_test
