// A unit of a program that is compiled once for each of several kinds of processors: a training step, a
// prediction, and what prepares images. ISA is the suffix of its function's name.
#include <numeric>
#include <string>
#include <vector>

#include <sdepth/net.hpp>

#include <sdepth/data/augment.hpp>
#include <sdepth/data/normalize.hpp>

namespace {

using namespace sdepth;
using Block = StochasticDepth<Residual<Conv<8>, BN, ReLU, Conv<8>, BN>, LinearDecay<0.5>>;
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Repeat<2, Block>, GlobalAvgPool, Linear<4>>;

}  // namespace

/// Stands in neither unit's own namespace: the linker keeps one of two, which the test must see.
struct PlantedNumbers {
  std::vector<float> values;
  [[gnu::noinline]] float sum() const { return std::accumulate(values.begin(), values.end(), 0.25F); }
};

#define NAME_OF(isa) loss_by_##isa
#define NAME(isa) NAME_OF(isa)
float NAME(ISA)(const std::vector<float>& images, const std::vector<int>& labels) {
  Trainer<Net, Cpu<>> trainer({.batch = static_cast<int>(labels.size()), .seed = 1});
  const double loss = trainer.step(NHWC<float>{images}, labels).loss;
  std::vector<float> moved(Net::input.size());
  augment(images.data(), Net::input, draw_augmentation(1, 1, 1), moved.data());
  const float logit = trainer.predict(NHWC<float>{moved})[0];
  return labels.size() > 1000 ? PlantedNumbers{moved}.sum() : static_cast<float>(loss) + logit;
}
