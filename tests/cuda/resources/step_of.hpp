// What step_float32.cu and step_tf32.cu have in common.
#pragma once

#include <vector>

#include <sdepth/cuda.hpp>

#include "step.hpp"

namespace sdepth::resources {

template <Precision P>
void step(std::span<const std::uint8_t> gates) {
  using Net = CifarResNet<110>;
  static_assert(Net::residual_blocks == blocks);
  static Trainer<Net, Cuda<P>> trainer([] {
    TrainingOptions options;
    options.batch = batch;
    return options;
  }());
  static const std::vector<float> images(batch * Net::input.size());
  static const std::vector<int> labels(batch);
  if (gates.empty())
    trainer.step(NHWC<float>{images}, labels);
  else
    trainer.step(NHWC<float>{images}, labels, gates);
}

}  // namespace sdepth::resources
