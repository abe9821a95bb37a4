// The networks that a card of model.safetensors may name, for programs that read it.
#pragma once

#include <string>
#include <vector>

#include <sdepth/program/card.hpp>

#include "networks.hpp"

namespace programs {

[[nodiscard]] inline std::vector<KnownNetwork> known_networks() {
  return with_resnets<Gray, 10>([]<class... Entries>() {
    return std::vector<KnownNetwork>{
        {Entries::chosen_by, std::size_t{Entries::ChosenNetwork::residual_blocks}}...};
  });
}

}  // namespace programs
