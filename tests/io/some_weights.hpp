// Networks for tests of exports: weights as if they had learned, and pictures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <sdepth/core/philox.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/run/weights.hpp>

namespace sdepth::test {
namespace {

[[nodiscard]] double random_number(std::uint64_t i, std::uint32_t j) {
  return 2 * sdepth::uniform(sdepth::random_words(5, sdepth::Purpose::synthetic, i, j)[0]) - 1;
}

/// Weights as if the network had learned: nothing is 0 or 1. They are floats.
template <class Net>
[[nodiscard]] std::shared_ptr<sdepth::Weights<Net, sdepth::ReferenceDouble>> some_weights() {
  auto weights = std::make_shared<sdepth::Weights<Net, sdepth::ReferenceDouble>>();
  std::uint32_t which = 0;
  for (const sdepth::ParameterInfo& tensor : weights->tensors()) {
    ++which;
    const bool positive =
        tensor.kind == sdepth::ParameterKind::running_var || tensor.kind == sdepth::ParameterKind::bn_weight;
    double* numbers =
        (tensor.trainable() ? weights->parameters().data() : weights->running().data()) + tensor.offset;
    for (std::size_t i = 0; i < tensor.size; ++i)
      numbers[i] = static_cast<double>(
          static_cast<float>(positive ? 1 + 0.5 * random_number(i, which) : 0.4 * random_number(i, which)));
  }
  return weights;
}

template <class Net>
[[nodiscard]] std::vector<float> some_images(int count) {
  std::vector<float> images(static_cast<std::size_t>(count) * Net::input.size());
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(2 * random_number(i, 0));
  return images;
}

}  // namespace
}  // namespace sdepth::test
