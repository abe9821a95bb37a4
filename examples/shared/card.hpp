// What inference needs besides the weights, and how it travels in the metadata of model.safetensors.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/io/text.hpp>

namespace programs {

/// One trained network. Metadata are texts: the names as they are, the lists as JSON.
struct ModelCard {
  std::string model;                 // resnet110
  std::string data;                  // cifar10
  std::string scaling;               // test or train
  std::vector<double> survival;      // p_l of each residual block
  std::vector<float> normalization;  // Normalization::values(): the scale, and the mean picture [H, W, C] if there is one
};

inline constexpr const char* card_format = "sdepth model 1";

[[nodiscard]] inline std::map<std::string, std::string> to_metadata(const ModelCard& card) {
  return {{"format", card_format},
          {"model", card.model},
          {"data", card.data},
          {"scaling", card.scaling},
          {"survival", nlohmann::json(card.survival).dump()},
          {"normalization", nlohmann::json(card.normalization).dump()}};
}

/// Whether a file was written by train; files from elsewhere have no card.
[[nodiscard]] inline bool has_card(const std::map<std::string, std::string>& metadata) {
  const auto format = metadata.find("format");
  return format != metadata.end() && format->second == card_format;
}

/// The opposite of to_metadata. Throws Error naming what is missing or unreadable. @param where  the file, for messages
[[nodiscard]] inline ModelCard from_metadata(const std::map<std::string, std::string>& metadata, const std::string& where) {
  const auto text = [&](const char* key) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) sdepth::fail(where, ": the metadata lack ", key, "; give it by options, or save the model again");
    return found->second;
  };
  const auto numbers = [&]<class Number>(const char* key, std::vector<Number>& values) {
    const nlohmann::json list = nlohmann::json::parse(text(key), nullptr, false);
    const auto is_number = [](const nlohmann::json& value) { return value.is_number(); };
    if (!list.is_array() || !std::all_of(list.begin(), list.end(), is_number))
      sdepth::fail(where, ": the metadata's ", key, " is ", sdepth::in_quotes(text(key)),
                   ", expected a list of numbers; the file is damaged");
    values = list.get<std::vector<Number>>();
  };
  ModelCard card{text("model"), text("data"), text("scaling"), {}, {}};
  numbers("survival", card.survival);
  numbers("normalization", card.normalization);
  return card;
}

}  // namespace programs
