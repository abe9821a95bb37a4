// Running a trained network: every block runs, its branch scaled by what training assumed.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <sdepth/run/images.hpp>
#include <sdepth/run/walk.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/schedule/gates.hpp>
#include <sdepth/schedule/scaling.hpp>

namespace sdepth {

/// The factors by which branches are multiplied at test. @param survival  [residual blocks]
[[nodiscard]] inline std::vector<double> test_scales(Scaling scaling, std::span<const double> survival) {
  std::vector<double> scales;
  for (const double p : survival) scales.push_back(branch_scale(scaling, false, p));
  return scales;
}

/// Runs images [first, first + count) through all blocks. Returns padded logits, valid until the walk's next pass.
template <class Net, class Backend, template <class> class Layout, class Number>
const typename Backend::Scalar* run_all_blocks(Walk<Net, Backend>& walk, const Weights<Net, Backend>& weights, const Layout<Number>& images,
                                               int first, int count, std::span<const double> scales) {
  static constexpr auto gates = [] {
    std::array<std::uint8_t, static_cast<std::size_t>(Net::residual_blocks)> open{};
    open.fill(1);
    return open;
  }();
  copy_images(Net::input, images, first, count, walk.input_stride, walk.input());
  WalkParameters<typename Backend::Scalar> numbers;
  numbers.parameters = weights.parameters().data();
  numbers.running = weights.running().data();
  return walk.forward(count, false, numbers, gates, scales);
}

/// Logits [N, classes] of all images, a walk's capacity at a time.
template <class Net, class Backend, template <class> class Layout, class Number>
[[nodiscard]] std::vector<float> predict_all(Walk<Net, Backend>& walk, const Weights<Net, Backend>& weights, const Layout<Number>& images,
                                             std::span<const double> scales) {
  const int count = image_count(Net::input, images);
  constexpr auto classes = Net::output.size();
  std::vector<float> logits(static_cast<std::size_t>(count) * classes);
  for (int first = 0; first < count; first += walk.capacity()) {
    const int n = std::min(walk.capacity(), count - first);
    const auto* out = run_all_blocks(walk, weights, images, first, n, scales);
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
      for (std::size_t c = 0; c < classes; ++c)
        logits[(static_cast<std::size_t>(first) + i) * classes + c] = static_cast<float>(out[i * walk.classes_stride + c]);
  }
  return logits;
}

/// Logits for images, from weights that several of these may share.
///
/// Not for use from several threads at once: give each thread its own, with the same weights.
template <class Net, class Backend>
class Inference {
 public:
  using T = typename Backend::Scalar;

  /// @param weights   shared, read only, must not be null
  /// @param survival  [residual blocks], the probabilities of training; empty: the network's own
  /// @param batch     images that run at once   @param threads  at least 1
  explicit Inference(std::shared_ptr<const Weights<Net, Backend>> weights, std::span<const double> survival = {},
                     Scaling scaling = Scaling::test, int batch = 128, int threads = 1)
      : weights_(std::move(weights)), walk_(batch, threads, false) {
    if (survival.empty()) survival = Net::survival;
    check_survival(survival, static_cast<std::size_t>(Net::residual_blocks));
    scales_ = test_scales(scaling, survival);
  }

  /// Logits [N, classes] of the images.
  template <template <class> class Layout, class Number>
  [[nodiscard]] std::vector<float> predict(const Layout<Number>& images) {
    return predict_all(walk_, *weights_, images, scales_);
  }

 private:
  static_assert(Net::output.pixels() == 1,
                "Inference: the network must end with one number per class; add GlobalAvgPool and Linear<classes>");

  std::shared_ptr<const Weights<Net, Backend>> weights_;
  Walk<Net, Backend> walk_;
  std::vector<double> scales_;
};

}  // namespace sdepth
