// What step_float32.cu, step_tf32.cu and step_bf16.cu have in common.
#pragma once

#include <vector>

#include <sdepth/cuda.hpp>

#include "step.hpp"

namespace sdepth::resources {

template <class Backend, Rounding rounding = Rounding::nearest>
void step(std::span<const std::uint8_t> gates, bool dependent = false, bool persistent = false) {
  using Net = CifarResNet<110>;
  static_assert(Net::residual_blocks == blocks);
  static Trainer<Net, Backend> trainer([] {
    TrainingOptions options;
    options.batch = batch;
    options.rounding = rounding;
    return options;
  }());
  trainer.walk().context().use_dependent_launches(dependent);
  trainer.walk().context().use_persistent_blocks(persistent);
  static const std::vector<float> images(batch * Net::input.size());
  static const std::vector<int> labels(batch);
  if (gates.empty())
    trainer.step(NHWC<float>{images}, labels);
  else
    trainer.step(NHWC<float>{images}, labels, gates);
}

}  // namespace sdepth::resources
