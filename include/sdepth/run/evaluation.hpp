// The training walk at test: running statistics, the blocks of a plan open. For a network between two steps
// of training; see inference.hpp for one that is trained.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/run/walk.hpp>
#include <sdepth/run/weights.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// What a walk at test reads of a network's weights.
template <class Net, class Backend>
[[nodiscard]] WalkParameters<typename Backend::Scalar> numbers_at_test(const Weights<Net, Backend>& weights) {
  WalkParameters<typename Backend::Scalar> numbers;
  numbers.parameters = for_kernels(weights.parameters());
  numbers.running = for_kernels(weights.running());
  return numbers;
}

/// Runs images [first, first + count) through the blocks whose gate is open. Returns padded logits, valid
/// until the walk's next pass.
/// @param numbers  see numbers_at_test   @param gates, scales  [residual blocks]; see gates_of and
///                 test_scales
template <class Net, class Backend, template <class> class Layout, class Number>
const typename Backend::Scalar* run_open_blocks(Walk<Net, Backend>& walk,
                                                const WalkParameters<typename Backend::Scalar>& numbers,
                                                const Layout<Number>& images, int first, int count,
                                                std::span<const std::uint8_t> gates,
                                                std::span<const double> scales) {
  walk.load(images, first, count);
  return walk.forward(count, false, numbers, gates, scales);
}

/// Logits [N, classes] of all images, a walk's capacity at a time.
template <class Net, class Backend, template <class> class Layout, class Number>
[[nodiscard]] std::vector<float> predict_all(Walk<Net, Backend>& walk,
                                             const WalkParameters<typename Backend::Scalar>& numbers,
                                             const Layout<Number>& images,
                                             std::span<const std::uint8_t> gates,
                                             std::span<const double> scales) {
  const int count = image_count(Net::input, images);
  constexpr auto classes = Net::output.size();
  std::vector<float> logits(static_cast<std::size_t>(count) * classes);
  for (int first = 0; first < count; first += walk.capacity()) {
    const int n = std::min(walk.capacity(), count - first);
    const auto* on_device = run_open_blocks(walk, numbers, images, first, n, gates, scales);
    const auto there =
        Backend::read(walk.context(), on_device, static_cast<std::size_t>(n) * walk.classes_stride);
    const auto out = there.get();
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
      for (std::size_t c = 0; c < classes; ++c)
        logits[(static_cast<std::size_t>(first) + i) * classes + c] =
            static_cast<float>(out[i * walk.classes_stride + c]);
  }
  return logits;
}

}  // namespace sdepth::inline SDEPTH_ISA::detail
