#include "networks.hpp"

sdepth::Score disassembled::training_step(Trainer<Net, Cpu<>>& trainer, const std::vector<float>& images,
                                          const std::vector<int>& labels) {
  return trainer.step(NHWC<float>{images}, labels);
}
