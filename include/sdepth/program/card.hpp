// What inference needs besides the weights, and how it travels in the metadata of model.safetensors.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/io/predictions.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// One trained network. Metadata are texts: the names as they are, the lists as JSON.
struct ModelCard {
  std::string model;             // its name: resnet110
  std::string data;              // cifar10
  std::string scaling;           // test or train
  std::vector<double> survival;  // p_l of each residual block
  // Normalization::values(): the scale, and the mean picture [H, W, C] if there is one
  std::vector<float> normalization;
  std::vector<std::string> classes{};  // their names; empty: they have none
};

inline constexpr const char* card_format = "sdepth model 1";

[[nodiscard]] inline std::map<std::string, std::string> to_metadata(const ModelCard& card) {
  std::map<std::string, std::string> metadata{{"format", card_format},
                                              {"model", card.model},
                                              {"data", card.data},
                                              {"scaling", card.scaling},
                                              {"survival", nlohmann::json(card.survival).dump()},
                                              {"normalization", nlohmann::json(card.normalization).dump()}};
  if (!card.classes.empty()) metadata["classes"] = class_names_text(card.classes);
  return metadata;
}

/// Whether a file was written by train, this version's or another; files from elsewhere have no card.
[[nodiscard]] inline bool has_card(const std::map<std::string, std::string>& metadata) {
  const auto format = metadata.find("format");
  return format != metadata.end() && format->second.starts_with("sdepth");
}

}  // namespace sdepth::inline SDEPTH_ISA::program
