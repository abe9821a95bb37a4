// A training step, to be disassembled: three programs, by the macro BLOCKS. Their networks differ in blocks whose branch has 24 channels, as nothing else has.
//   0  without these blocks
//   1  with them, closed by compile-time gates: the same instructions
//   2  with them, open
// In all of them a block that changes the shape is closed, too; its branch has 40 channels, as nothing else has.
#include <cstdio>
#include <vector>

#include <sdepth/net.hpp>

using namespace sdepth;

namespace {

template <int Inside, int Channels, class Gates>
using Block = StochasticDepth<Residual<Conv<Inside>, BN, ReLU, Conv<Channels>, BN>, Gates>;
template <class Gates>
using Down = StochasticDepth<Residual<Conv<40, 3, 2>, BN, ReLU, Conv<32>, BN>, Gates>;

#if BLOCKS == 0
using Gates = FixedGates<1, 1, 0>;
using Net = Network<Input<3, 16, 16>, Conv<16>, BN, ReLU, Repeat<2, Block<16, 16, Gates>>, Down<Gates>, GlobalAvgPool, Linear<10>>;
#else
constexpr int gate = BLOCKS == 2;
using Gates = FixedGates<1, 1, 0, gate, gate, gate, gate>;
using Net = Network<Input<3, 16, 16>, Conv<16>, BN, ReLU, Repeat<2, Block<16, 16, Gates>>, Down<Gates>, Repeat<3, Block<24, 32, Gates>>,
                    Block<24, 32, Gates>, GlobalAvgPool, Linear<10>>;
#endif
using Trained = Trainer<Net, Cpu<>>;

}  // namespace

/// What is looked at. Not static and not inlined, so that it is found by its name.
[[gnu::noinline]] Score training_step(Trained& trainer, const std::vector<float>& images, const std::vector<int>& labels) {
  return trainer.step(NHWC<float>{images}, labels);
}

int main() {
  constexpr int batch = 8;
  TrainingOptions options;
  options.batch = batch;
  options.threads = 2;
  Trained trainer(options);
  const std::vector<float> images(batch * Net::input.size(), 0.5F);
  const std::vector<int> labels(batch, 3);
  const Score score = training_step(trainer, images, labels);
  std::printf("loss %g, %d blocks\n", score.loss, score.blocks_run);
}
