// A network as data: what the type says, for code that is compiled once and not for each network. Exports to
// other programs are written from it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <sdepth/core/operation_shapes.hpp>
#include <sdepth/network/activation_formula.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/network/network.hpp>

namespace sdepth::inline SDEPTH_ISA {

struct NormDescription {};

/// One layer at inference, where a dropout is none. `first_tensor` is the place of its first tensor in
/// NetworkDescription::tensors: weight and bias; of a norm also the running mean and variance.
struct LayerDescription {
  std::variant<ConvShape, LinearShape, PoolShape, NormDescription, ActivationDescription> what;
  Shape in, out;
  std::size_t first_tensor = 0;
};

/// Behind how many of a row's layers a factor of all of them may stand as well: in front of the activations at
/// its end that scale.
[[nodiscard]] inline std::size_t factor_place(const std::vector<LayerDescription>& row) {
  const auto lets_through = [](const LayerDescription& layer) {
    const auto* activation = std::get_if<ActivationDescription>(&layer.what);
    return activation != nullptr && activation->scales;
  };
  std::size_t place = row.size();
  while (place > 0 && lets_through(row[place - 1])) --place;
  return place;
}

/// A residual block: after_sum( branch(x) + shortcut(x) ).
struct BlockDescription {
  std::vector<LayerDescription> branch;
  std::vector<LayerDescription> projection;  // of a shortcut that has parameters
  ShortcutShape shortcut;                    // of one that has none; the identity where `identity`
  bool identity = true;
  bool subsamples = false;  // of the two shortcuts without parameters the one that picks pixels
  bool projects = false;    // by its type, also where it is the identity
  std::optional<ActivationDescription> after_sum;
  Shape in, out;
  std::size_t first_tensor = 0, end_tensor = 0;  // those of the branch, then the projection's
};

/// A whole network.
struct NetworkDescription {
  std::vector<std::variant<LayerDescription, BlockDescription>> parts;
  std::vector<ParameterInfo> tensors;  // in storage order, without padding
  Shape input, output;
  std::vector<double> survival;  // [residual blocks]
};

namespace detail {

/// Appends the layers of a stage.
template <class Stage>
void describe_stage_layers(std::vector<LayerDescription>& layers, std::size_t& tensor) {
  if constexpr (Stage::convolves || Stage::is_linear) {
    layers.push_back({Stage::operation, Stage::in, Stage::out, tensor});
    tensor += Stage::bias ? 2 : 1;
  } else if constexpr (Stage::computes && !Stage::drops) {
    layers.push_back({Stage::operation, Stage::in, Stage::out, tensor});
  }
  if constexpr (Stage::norm) {
    layers.push_back({NormDescription{}, Stage::out, Stage::out, tensor});
    tensor += 4;
  }
  if constexpr (Stage::ends_in_activation)
    layers.push_back({describe_activation<typename Stage::Activation>(), Stage::out, Stage::out, tensor});
}

/// Appends the blocks of a row.
template <class Row>
void describe_blocks(NetworkDescription& network, std::size_t& tensor) {
  using Block = typename Row::Block;
  for (int i = 0; i < Row::blocks; ++i) {
    BlockDescription block{.branch = {},
                           .projection = {},
                           .shortcut = Row::shortcut,
                           .identity = Row::identity,
                           .subsamples = std::is_same_v<typename Block::Shortcut, SubsampleShortcut>,
                           .projects = Block::projects,
                           .after_sum = std::nullopt,
                           .in = Row::in,
                           .out = Row::out,
                           .first_tensor = tensor};
    Row::Branch::for_each(
        [&]<class Stage>(std::type_identity<Stage>) { describe_stage_layers<Stage>(block.branch, tensor); });
    if constexpr (Row::projects)
      Row::Projection::for_each([&]<class Stage>(std::type_identity<Stage>) {
        describe_stage_layers<Stage>(block.projection, tensor);
      });
    if constexpr (activates<typename Block::AfterSum>)
      block.after_sum = describe_activation<typename Block::AfterSum>();
    block.end_tensor = tensor;
    network.parts.emplace_back(std::move(block));
  }
}

}  // namespace detail

template <class Net>
[[nodiscard]] NetworkDescription describe_network() {
  NetworkDescription network{
      {}, Net::parameters(1), Net::input, Net::output, {Net::survival.begin(), Net::survival.end()}};
  std::size_t tensor = 0;
  Net::Stages::for_each([&]<class Stage>(std::type_identity<Stage>) {
    if constexpr (Stage::blocks > 0) {
      detail::describe_blocks<Stage>(network, tensor);
    } else {
      std::vector<LayerDescription> layers;
      detail::describe_stage_layers<Stage>(layers, tensor);
      for (LayerDescription& layer : layers) network.parts.emplace_back(std::move(layer));
    }
  });
  return network;
}

}  // namespace sdepth::inline SDEPTH_ISA
