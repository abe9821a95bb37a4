// Names of tensors as public ResNets have them, made comparable with a network's own.
//
// Known are torchvision's and timm's names (layer2.0.conv1, downsample.0), those of the CIFAR ResNets (linear
// for fc, shortcut.0), and what wrappers put in front of all names (module., _orig_mod.). A block's place in
// the network is all that its name says, so any two ways of counting blocks agree.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// Turns names of one file, or of one network, into those of sdepth: blocks.3.shortcut.conv.weight, fc.bias.
class PublicNames {
 public:
  explicit PublicNames(std::span<const std::string_view> names) {
    for (bool again = !names.empty(); again;) {
      again = false;
      for (const std::string_view wrapper : {"module.", "_orig_mod.", "model."})
        if (std::ranges::all_of(names, [&](std::string_view name) {
              return name.substr(std::min(name.size(), in_front_)).starts_with(wrapper);
            })) {
          in_front_ += wrapper.size();
          again = true;
        }
    }
    for (const std::string_view name : names)
      if (const auto [layer, block, rest] = split(name.substr(in_front_)); layer >= 0)
        blocks_.emplace(layer, block);
  }

  [[nodiscard]] std::string own(std::string_view name) const {
    name.remove_prefix(in_front_);
    constexpr std::string_view linear = "linear.";
    if (name.starts_with(linear)) return "fc." + std::string(name.substr(linear.size()));
    std::string prefix;
    if (const auto [layer, block, rest] = split(name); layer >= 0) {
      const auto place = std::distance(blocks_.begin(), blocks_.find({layer, block}));
      prefix = "blocks." + std::to_string(place) + ".";
      name = rest;
    }
    constexpr std::array<std::pair<std::string_view, const char*>, 4> shortcuts{{{"downsample.0.", "conv."},
                                                                                 {"downsample.1.", "bn."},
                                                                                 {"shortcut.0.", "conv."},
                                                                                 {"shortcut.1.", "bn."}}};
    for (const auto& [theirs, ours] : shortcuts)
      if (name.starts_with(theirs))
        return prefix + "shortcut." + ours + std::string(name.substr(theirs.size()));
    return prefix + std::string(name);
  }

 private:
  struct Parts {
    int layer = -1, block = 0;
    std::string_view rest;
  };
  /// "layer2.0.conv1.weight" as 2, 0 and "conv1.weight"; a layer of −1 where it is no such name.
  [[nodiscard]] static Parts split(std::string_view name) {
    constexpr std::string_view word = "layer";
    if (!name.starts_with(word)) return {};
    Parts parts;
    const char *at = name.data() + word.size(), *end = name.data() + name.size();
    for (int* number : {&parts.layer, &parts.block}) {
      const auto [behind, error] = std::from_chars(at, end, *number);
      if (error != std::errc() || behind == end || *behind != '.' || *number < 0) return {};
      at = behind + 1;
    }
    parts.rest = {at, static_cast<std::size_t>(end - at)};
    return parts;
  }

  std::size_t in_front_ = 0;  // characters
  std::set<std::pair<int, int>> blocks_;
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
