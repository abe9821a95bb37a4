// The work of export: a network with its weights, of which only the name is known.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <sdepth/core/shape.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/trained_network.hpp>
#include <sdepth/schedule/scaling.hpp>

namespace programs {

/// Everything that decides what is exported.
struct Task {
  std::string model;
  const sdepth::SafeTensors& weights;
  std::string where;                            // the weights' file, for messages
  std::optional<std::vector<double>> survival;  // [residual blocks]; none: as --schedule and --survival say
  std::string schedule = "linear";
  double last_survival = 0.5;
  sdepth::Scaling scaling = sdepth::Scaling::test;
  std::optional<int> blocks;         // that are kept
  std::optional<double> operations;  // fraction that is kept
};

/// Throws Error where the weights do not fit the network, or it cannot be as short as is asked for.
using NetworkOf = sdepth::TrainedNetwork(const Task& task);
NetworkOf network_gray;        // 1 x 28 x 28, 10 classes
NetworkOf network_colour;      // 3 x 32 x 32, 10 classes
NetworkOf network_colour_100;  // 3 x 32 x 32, 100 classes

}  // namespace programs
