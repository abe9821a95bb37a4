// The card of a model.safetensors, read back: the side of those that use a trained network.
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
#include <sdepth/io/json.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/text.hpp>
#include <sdepth/program/card.hpp>

#include "networks.hpp"

namespace programs {

/// The residual blocks of a network by its name: resnetN has N = 6n + 2 layers, and so 3n blocks of two.
[[nodiscard]] inline std::size_t residual_blocks_of(const std::string& model) {
  return (std::stoul(model.substr(std::string_view("resnet").size())) - 2) / 2;
}

/// The opposite of to_metadata. Throws Error naming what is missing, or is nothing that to_metadata writes.
/// @param where  the file, for messages
[[nodiscard]] inline ModelCard from_metadata(const std::map<std::string, std::string>& metadata,
                                             const std::string& where) {
  const auto text = [&](const char* key) -> const std::string& {
    const auto found = metadata.find(key);
    if (found == metadata.end())
      sdepth::fail(where, ": the metadata lack ", key, "; give it by options, or save the model again");
    return found->second;
  };
  constexpr const char* advice = "; the file is damaged or of another version, save the model again";
  const auto refuse = [&](const char* key, const auto&... expected) {
    sdepth::fail(where, ": the metadata's ", key, " is ", sdepth::in_quotes(text(key)), ", expected ",
                 expected..., advice);
  };
  const auto word = [&](const char* key, const char* kind, const std::vector<std::string>& known) {
    std::string names;
    for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
    const std::string quoted = sdepth::in_quotes(text(key));
    if (std::find(known.begin(), known.end(), text(key)) == known.end())
      sdepth::fail(where, ": the metadata's ", key, ": there is no ", kind, " named ",
                   quoted.substr(1, quoted.size() - 2), ", expected ", known.size() > 1 ? "one of " : "",
                   names, advice);
    return text(key);
  };
  const auto numbers = [&](const char* key, double least, double most) {
    const auto list = sdepth::parse_json(text(key));
    const auto fits = [&](const nlohmann::json& value) {
      return value.is_number() && value.get<double>() >= least && value.get<double>() <= most;
    };
    if (!list || !list->is_array() || !std::all_of(list->begin(), list->end(), fits))
      refuse(key, "a list of numbers from ", least, " to ", most);
    return list->get<std::vector<double>>();
  };

  word("format", "format", {card_format});
  ModelCard card{word("model", "model", model_names),
                 word("data", "data set", data_names),
                 word("scaling", "scaling", scaling_names),
                 {},
                 {}};
  card.survival = numbers("survival", 0, 1);
  if (const std::size_t blocks = residual_blocks_of(card.model); card.survival.size() != blocks)
    sdepth::fail(where, ": the metadata's survival table: expected ", blocks,
                 " probabilities, one for each residual block of ", card.model, ", found ",
                 card.survival.size(), advice);
  constexpr double largest = std::numeric_limits<float>::max();
  const std::vector<double> normalization = numbers("normalization", -largest, largest);
  card.normalization.assign(normalization.begin(), normalization.end());
  const std::size_t picture =
      card.data == "fashion-mnist" || card.data == "mnist" ? Gray::shape.size() : Colour::shape.size();
  if (card.normalization.size() != 1 && card.normalization.size() != 1 + picture)
    refuse("normalization", "1 number or ", 1 + picture, ", the scale and the mean picture of ", card.data,
           ", not ", card.normalization.size());
  if (!(card.normalization[0] > 0)) refuse("normalization", "a scale above 0 as its first number");
  return card;
}

/// The card of a file of weights; none: it is from elsewhere. Throws Error for a checkpoint, and for a card
/// that is damaged.
[[nodiscard]] inline std::optional<ModelCard> card_of(const sdepth::SafeTensors& weights,
                                                      const std::string& where) {
  if (const auto format = weights.metadata.find("format");
      format != weights.metadata.end() && format->second.starts_with("sdepth checkpoint"))
    sdepth::fail(where, " is a checkpoint, to go on training with; use the model.safetensors beside it");
  if (!has_card(weights.metadata)) return std::nullopt;
  return from_metadata(weights.metadata, where);
}

}  // namespace programs
