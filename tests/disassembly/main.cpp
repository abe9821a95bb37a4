#include <cstdio>

#include "networks.hpp"

int main() {
  using namespace disassembled;
  constexpr int batch = 8;
  TrainingOptions options;
  options.batch = batch;
  options.threads = 2;
  Trainer<Net, Cpu<>> trainer(options);
  const std::vector<float> images(batch * Net::input.size(), 0.5F);
  const Score score = training_step(trainer, images, std::vector<int>(batch, 3));
  std::printf("loss %g, %d blocks\n", score.loss, score.blocks_run);
  return score.blocks_run <= 3 && trainer.gates()[2] == 1 && trainer.gates()[3] == 0 ? 0 : 1;
}
