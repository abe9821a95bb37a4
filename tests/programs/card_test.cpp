// What model.safetensors says of itself: it comes back, and whatever train would not have written is refused
// by its name.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include <sdepth/core/error.hpp>

#include "../../examples/shared/card.hpp"

namespace sdepth::test::card_test {

using namespace programs;
using namespace sdepth::program;

namespace {

ModelCard good_card() {
  return {.model = "resnet20",
          .data = "fashion-mnist",
          .scaling = "test",
          .survival = std::vector<double>(9, 0.75),
          .normalization = {255}};
}

/// What from_metadata says after `key` was set to `value`; empty where it takes it.
std::string sentence(const std::string& key, const std::string& value) {
  auto metadata = to_metadata(good_card());
  metadata[key] = value;
  try {
    static_cast<void>(from_metadata(metadata, known_networks(), "m.safetensors"));
  } catch (const sdepth::Error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string list(std::size_t count, const std::string& value) {
  std::string text = "[";
  for (std::size_t i = 0; i < count; ++i) text += (i > 0 ? "," : "") + value;
  return text + "]";
}

}  // namespace

TEST_CASE("a card comes back as it was, with a mean picture, the mean of a channel, or none") {
  ModelCard card = good_card();
  card.survival[3] = 1.0 / 3;
  for (const std::size_t numbers : {std::size_t{1}, std::size_t{2}, std::size_t{785}}) {
    card.normalization.assign(numbers, 1.0F / 3);
    REQUIRE(has_card(to_metadata(card)));
    const ModelCard back = from_metadata(to_metadata(card), known_networks(), "m.safetensors");
    CHECK(back.model == card.model);
    CHECK(back.data == card.data);
    CHECK(back.scaling == card.scaling);
    CHECK(back.survival == card.survival);
    CHECK(back.normalization == card.normalization);
  }
  CHECK_FALSE(has_card({{"format", "pt"}}));
  CHECK_FALSE(has_card({}));
}

TEST_CASE("words and lists that train does not write are refused by name") {
  CHECK(contains(
      sentence("scaling", "tset"),
      "m.safetensors: the metadata's scaling: there is no scaling named tset, expected one of test, train; the file is damaged"));
  CHECK(contains(sentence("scaling", ""), "there is no scaling named ,"));
  CHECK(contains(sentence("model", "resnet21"),
                 "there is no model named resnet21, expected one of resnet20, "));
  CHECK(contains(sentence("data", "imagenet"), "there is no data set named imagenet"));
  CHECK(contains(sentence("format", "sdepth model 2"),
                 "there is no format named sdepth model 2, expected sdepth model 1"));
  for (const char* value :
       {"1.5", "-0.1", "1e999", "-1e999", "nan", "NaN", "Infinity", "null", "true", "\"0.5\"", "[0.5]", "{}"})
    CHECK(contains(sentence("survival", list(9, value)), "the metadata's survival is \"["));
  for (const char* value : {"", "0.5", "{}", "null", "[0.5", "linear"})
    CHECK(contains(sentence("survival", value), "expected a list of numbers from 0 to 1"));
  CHECK(contains(sentence("survival", list(9, "0.5") + std::string(1, '\0') + "]"), "survival"));
  CHECK(
      contains(sentence("survival", list(8, "0.5")),
               "survival table: expected 9 probabilities, one for each residual block of resnet20, found 8"));
  CHECK(contains(sentence("survival", list(10, "0.5")), "found 10"));
  CHECK(sentence("survival", list(9, "1")).empty());
  for (const char* value : {"1e39", "-1e39", "1e999", "nan", "null", "\"255\""})
    CHECK(contains(sentence("normalization", "[255," + std::string(value) + "]"),
                   "the metadata's normalization is \"["));
  CHECK(contains(sentence("normalization", "[]"),
                 "expected 1 number or 785, the scale and the mean picture of fashion-mnist, not 0"));
  CHECK(contains(sentence("normalization", list(3073, "100")), "not 3073"));
  for (const char* value : {"", "ten", "{}", "[1]", "[\"a\", null]"})
    CHECK(contains(sentence("classes", value), "m.safetensors: the metadata's classes is "));
  CHECK(contains(sentence("classes", R"(["a", "b"])"), "expected the names of 10 classes, not 2"));
  for (const char* value : {"[0]", "[-1]", "[1e-60]"})
    CHECK(contains(sentence("normalization", value), "expected a scale above 0"));
}

TEST_CASE("what is missing is named") {
  for (const char* key : {"model", "data", "scaling", "survival", "normalization"}) {
    auto metadata = to_metadata(good_card());
    metadata.erase(key);
    CHECK_THROWS_WITH_AS(static_cast<void>(from_metadata(metadata, known_networks(), "m.safetensors")),
                         doctest::Contains(("m.safetensors: the metadata lack " + std::string(key)).c_str()),
                         sdepth::Error);
  }
}

}  // namespace sdepth::test::card_test
