// Public CIFAR ResNets with shortcuts of "option A" in this library's words: their new channels are zero on
// both sides of the old ones, here behind them.
//
// Which channel is called the first makes no difference to a network: the weights' channels are put into
// another order, and every logit stays.
// Source: the public PyTorch programs, F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, planes // 4, planes // 4)).
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/io/trained_network.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What a parameterless shortcut does where the shape changes; the network's type says it, and weights from
/// elsewhere may be of another.
enum class ShortcutKind {
  pool,               // average, new channels behind
  subsample,          // every second pixel, new channels behind
  subsample_centred,  // every second pixel, half of the new channels before the old ones and half behind
};

/// Puts the channels of layers into another order while one goes from layer to layer.
class ChannelOrder {
 public:
  using Order = std::vector<std::size_t>;  // of each new channel the old one
  explicit ChannelOrder(TrainedNetwork& trained) : trained_(trained) {}

  [[nodiscard]] static Order as_it_was(int channels) {
    Order order(static_cast<std::size_t>(channels));
    std::iota(order.begin(), order.end(), std::size_t{0});
    return order;
  }
  /// Makes a row of layers read channels in a new order. Returns the order that the row leaves them in.
  /// @param out  what that is to be; null: as it was. Ignored where no layer mixes channels
  Order layers(const std::vector<LayerDescription>& row, Order order, const Order* out) {
    std::size_t last = row.size();
    while (last > 0 && !mixes(row[last - 1])) --last;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const LayerDescription& layer = row[i];
      if (std::holds_alternative<NormDescription>(layer.what)) {
        for (std::size_t t = 0; t < 4; ++t) reorder(layer.first_tensor + t, 1, 1, order);
      } else if (mixes(layer)) {
        const std::size_t outputs = static_cast<std::size_t>(layer.out.channels), inputs = order.size();
        reorder(layer.first_tensor, outputs, trained_.numbers[layer.first_tensor].size() / (outputs * inputs),
                order);
        order = i + 1 == last && out != nullptr ? *out : as_it_was(layer.out.channels);
        reorder(layer.first_tensor, 1, trained_.numbers[layer.first_tensor].size() / outputs, order);
        if (has_bias(layer)) reorder(layer.first_tensor + 1, 1, 1, order);
      }
    }
    return order;
  }

 private:
  [[nodiscard]] static bool mixes(const LayerDescription& layer) {
    return std::holds_alternative<ConvShape>(layer.what) || std::holds_alternative<LinearShape>(layer.what);
  }
  [[nodiscard]] static bool has_bias(const LayerDescription& layer) {
    const auto* conv = std::get_if<ConvShape>(&layer.what);
    return conv != nullptr ? conv->bias : std::get<LinearShape>(layer.what).bias;
  }
  /// Of a tensor [outer, order, inner] the middle.
  void reorder(std::size_t tensor, std::size_t outer, std::size_t inner, const Order& order) {
    std::vector<float>& numbers = trained_.numbers[tensor];
    std::vector<float> result;
    for (std::size_t o = 0; o < outer; ++o)
      for (const std::size_t from : order) {
        const auto begin = numbers.begin() + static_cast<std::ptrdiff_t>((o * order.size() + from) * inner);
        result.insert(result.end(), begin, begin + static_cast<std::ptrdiff_t>(inner));
      }
    numbers = std::move(result);
  }
  TrainedNetwork& trained_;
};

/// Makes a network of weights that belong to one with other parameterless shortcuts.
/// Throws Error where new channels cannot stand on both sides: their number is odd.
inline void set_shortcuts(TrainedNetwork& trained, ShortcutKind kind) {
  ChannelOrder channels(trained);
  auto order = ChannelOrder::as_it_was(trained.network.input.channels);
  std::vector<LayerDescription> trunk;
  std::size_t index = 0;
  const auto finish_trunk = [&] {
    order = channels.layers(trunk, std::move(order), nullptr);
    trunk.clear();
  };
  for (auto& part : trained.network.parts) {
    if (const auto* layer = std::get_if<LayerDescription>(&part)) {
      trunk.push_back(*layer);
      continue;
    }
    finish_trunk();
    auto& block = std::get<BlockDescription>(part);
    const std::size_t here = index++;
    auto out = order;
    if (!block.projection.empty()) {
      out = ChannelOrder::as_it_was(block.out.channels);
      channels.layers(block.projection, order, nullptr);
    } else if (!block.identity) {
      block.subsamples = kind != ShortcutKind::pool;
      const auto more = static_cast<std::size_t>(block.out.channels - block.in.channels);
      if (kind == ShortcutKind::subsample_centred) {
        if (more % 2 != 0)
          fail("shortcuts: block ", here, " has ", more,
               " new channels, which cannot stand on both sides of the others");
        for (std::size_t& channel : out) channel += more / 2;
      }
      for (std::size_t channel = 0; channel < static_cast<std::size_t>(block.out.channels); ++channel)
        if (std::ranges::find(out, channel) == out.end()) out.push_back(channel);
    }
    channels.layers(block.branch, order, &out);
    order = std::move(out);
  }
  finish_trunk();
}

}  // namespace sdepth::inline SDEPTH_ISA
