// What a loader gives: pictures ready for the network, with what is to be learned of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Pictures ready for the network.
struct Batch {
  std::vector<float> images{};  ///< [size, H, W, C]
  std::vector<int> labels{};    ///< [size]
  /// [size, targets of a picture]: probabilities of classes, or numbers; empty where the labels are all
  std::vector<float> targets{};
  int size = 0;  ///< the last batch of an epoch may be smaller than the others

  /// Writes the labels as probabilities, where there are no targets yet.
  void make_probabilities(int classes) {
    if (!targets.empty() || classes < 1) return;
    targets.assign(static_cast<std::size_t>(size) * static_cast<std::size_t>(classes), 0.0F);
    for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i)
      targets[i * static_cast<std::size_t>(classes) + static_cast<std::size_t>(labels[i])] = 1.0F;
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
