// What a loader gives: pictures ready for the network, with what is to be learned of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/core/parallel.hpp>
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

  /// Leaves out those that are marked. @param broken  [size]
  void leave_out(const std::vector<std::uint8_t>& broken) {
    for_each_row_set([&](auto& values) {
      const std::size_t row = values.size() / broken.size();
      auto to = values.begin();
      for (std::size_t i = 0; i < broken.size(); ++i)
        if (!broken[i]) to = std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(i * row), row, to);
      values.erase(to, values.end());
    });
    size = static_cast<int>(std::count(broken.begin(), broken.end(), 0));
  }
  /// Leaves out all others.
  void keep(const Range& rows) {
    if (rows.size() == size) return;
    for_each_row_set([&](auto& values) {
      const auto row = static_cast<std::ptrdiff_t>(values.size()) / size;
      values.erase(values.begin() + row * rows.last, values.end());
      values.erase(values.begin(), values.begin() + row * rows.first);
    });
    size = rows.size();
  }

 private:
  template <class Body>
  void for_each_row_set(const Body& body) {
    body(images);
    body(labels);
    body(targets);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
