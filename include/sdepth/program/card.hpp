// What inference needs besides the weights, and how it travels in the metadata of model.safetensors: written
// by train, read by those who use the network.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/io/json.hpp>
#include <sdepth/io/predictions.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/choices.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// One trained network. Metadata are texts: the names as they are, the lists as JSON.
struct ModelCard {
  std::string model;                   // its name: resnet110
  std::string data;                    // cifar10
  std::string scaling;                 // test or train
  std::vector<double> survival;        // p_l of each residual block
  std::vector<float> normalization;    // Normalization::values()
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

/// The names of classes, also of a file without a card; empty: it has none.
[[nodiscard]] inline std::vector<std::string> class_names_of(
    const std::map<std::string, std::string>& metadata) {
  const auto names = metadata.find("classes");
  return names == metadata.end() ? std::vector<std::string>() : class_names_from(names->second);
}

/// A network that a program has, whose cards it can read.
struct KnownNetwork {
  std::string name;
  std::size_t residual_blocks = 0;
};

/// The opposite of to_metadata. Throws Error naming what is missing, or is nothing that to_metadata writes.
/// @param networks  of which the card names one   @param where  the file, for messages
[[nodiscard]] inline ModelCard from_metadata(const std::map<std::string, std::string>& metadata,
                                             const std::vector<KnownNetwork>& networks,
                                             const std::string& where) {
  constexpr const char* advice = "; the file is damaged or of another version, save the model again";
  const auto text = [&](const char* key) -> const std::string& {
    const auto found = metadata.find(key);
    if (found == metadata.end()) fail(where, ": the metadata lack ", key, advice);
    return found->second;
  };
  const auto refuse = [&](const char* key, const auto&... expected) {
    fail(where, ": the metadata's ", key, " is ", in_quotes(text(key)), ", expected ", expected..., advice);
  };
  const auto word = [&](const char* key, const char* kind, const std::vector<std::string>& known,
                        const char* what_to_do) {
    std::string names;
    for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
    const std::string quoted = in_quotes(text(key));
    if (std::find(known.begin(), known.end(), text(key)) == known.end())
      fail(where, ": the metadata's ", key, ": there is no ", kind, " named ",
           quoted.substr(1, quoted.size() - 2), ", expected ", known.size() > 1 ? "one of " : "", names,
           what_to_do);
    return text(key);
  };
  const auto numbers = [&](const char* key, double least, double most) {
    const auto list = parse_json(text(key));
    const auto fits = [&](const nlohmann::json& value) {
      return value.is_number() && value.get<double>() >= least && value.get<double>() <= most;
    };
    if (!list || !list->is_array() || !std::all_of(list->begin(), list->end(), fits))
      refuse(key, "a list of numbers from ", least, " to ", most);
    return list->get<std::vector<double>>();
  };

  word("format", "format", {card_format}, advice);
  std::vector<std::string> names;
  for (const KnownNetwork& network : networks)
    if (std::find(names.begin(), names.end(), network.name) == names.end()) names.push_back(network.name);
  ModelCard card{
      word("model", "model", names, "; use the program that has this network, or save the model again"),
      word("data", "data set", data_choices, advice),
      word("scaling", "scaling", scaling_names, advice),
      numbers("survival", 0, 1),
      {}};
  try {
    card.classes = class_names_of(metadata);
  } catch (const Error&) {
    refuse("classes", "a list of texts");
  }
  const auto classes = static_cast<std::size_t>(kind_of_data(card.data).classes);
  if (!card.classes.empty() && classes > 0 && card.classes.size() != classes)
    refuse("classes", "the names of ", classes, " classes, not ", card.classes.size());
  const auto named = [&](const KnownNetwork& network) { return network.name == card.model; };
  const auto has_as_many = [&](const KnownNetwork& network) {
    return named(network) && network.residual_blocks == card.survival.size();
  };
  if (std::none_of(networks.begin(), networks.end(), has_as_many))
    fail(where, ": the metadata's survival table: expected ",
         std::find_if(networks.begin(), networks.end(), named)->residual_blocks,
         " probabilities, one for each residual block of ", card.model, ", found ", card.survival.size(),
         advice);
  constexpr double largest = std::numeric_limits<float>::max();
  const std::vector<double> normalization = numbers("normalization", -largest, largest);
  card.normalization.assign(normalization.begin(), normalization.end());
  const auto& values = card.normalization;
  if (const PictureKind kind = kind_of_data(card.data); kind.classes > 0) {
    const std::size_t picture = kind.shape.size(), channels = static_cast<std::size_t>(kind.shape.channels);
    if (values.size() != 1 && values.size() != 1 + picture && values.size() != 2 * channels)
      refuse("normalization", "1 number or ", 1 + picture, ", the scale and the mean picture of ", card.data,
             ", not ", values.size());
    if (values.size() != 2 * channels && !(values[0] > 0))
      refuse("normalization", "a scale above 0 as its first number");
  }
  return card;
}

/// The card of a file of weights; none: it is from elsewhere. Throws Error for a checkpoint, and for a card
/// that is damaged.
[[nodiscard]] inline std::optional<ModelCard> card_of(const SafeTensors& weights,
                                                      const std::vector<KnownNetwork>& networks,
                                                      const std::string& where) {
  if (const auto format = weights.metadata.find("format");
      format != weights.metadata.end() && format->second.starts_with("sdepth checkpoint"))
    fail(where, " is a checkpoint, to go on training with; use the model.safetensors beside it");
  if (!has_card(weights.metadata)) return std::nullopt;
  return from_metadata(weights.metadata, networks, where);
}

}  // namespace sdepth::inline SDEPTH_ISA::program
