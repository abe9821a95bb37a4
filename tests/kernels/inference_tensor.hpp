// An image in the layout that a backend's kernels of inference read and write.
#pragma once

#include <cstddef>
#include <vector>

#include <sdepth/kernels/operands.hpp>

namespace sdepth::test {

/// An image [H, W, C] in the layout that inference has for it, and back.
template <class B, Shape S>
struct InferenceTensor {
  static constexpr ImageLayout layout = B::ForInference::template layout<S>;
  std::vector<float> numbers = std::vector<float>(layout.size);
  InferenceTensor() = default;
  explicit InferenceTensor(const std::vector<float>& dense) {
    each([&](std::size_t i, float& number) { number = dense[i]; });
  }
  [[nodiscard]] std::vector<float> dense() {
    std::vector<float> all(S.size());
    each([&](std::size_t i, float& number) { all[i] = number; });
    return all;
  }
  template <class Body>
  void each(const Body& body) {
    const auto width = static_cast<std::size_t>(S.width), channels = static_cast<std::size_t>(S.channels);
    for (std::size_t i = 0; i < S.size(); ++i)
      body(i, numbers[layout.first + i / channels / width * layout.row + i / channels % width * layout.pixel +
                      i % channels]);
  }
};

}  // namespace sdepth::test
