// 04: blocks of one's own. Any sequence of words is a branch; the library lowers it to fused stages, or
// refuses it with a sentence.
#include <sdepth/net.hpp>

#include <cstddef>
#include <cstdio>
#include <string>

using namespace sdepth;

// A bottleneck: 1×1 down to a quarter of the channels, 3×3, 1×1 up again. ProjectionShortcut puts a 1×1
// convolution and a BN on the shortcut where the shape changes, and nothing where it does not.
template <int Channels, int Stride = 1>
using Bottleneck = ResidualWith<ProjectionShortcut,                       //
                                Conv<Channels / 4, 1>, BN, ReLU,          //
                                Conv<Channels / 4, 3, Stride>, BN, ReLU,  //
                                Conv<Channels, 1>, BN>;

// A pre-activation block: BN and ReLU come first, and nothing after the sum, so the shortcut runs through the
// network untouched.
template <int Channels, int Stride = 1>
using Before = PreActivation<BN, ReLU, Conv<Channels, 3, Stride>, BN, ReLU, Conv<Channels>>;

// Every kind of residual block can be skipped.
template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.8>>;

using Bottlenecks =
    Network<Input<3, 32, 32>, Conv<32>, BN, ReLU,                   //
            Drop<Bottleneck<64>>, Repeat<2, Drop<Bottleneck<64>>>,  //
            Drop<Bottleneck<128, 2>>, Repeat<2, Drop<Bottleneck<128>>>, GlobalAvgPool, Linear<10>>;

// A network of pre-activation blocks ends in the BN and ReLU that its last block left out.
using PreActivated = Network<Input<3, 32, 32>, Conv<16>, Repeat<3, Drop<Before<16>>>, Drop<Before<32, 2>>,
                             Repeat<2, Drop<Before<32>>>, BN, ReLU, GlobalAvgPool, Linear<10>>;

// Blocks outside StochasticDepth always run; MaxPool, 5×5 kernels and biases are words like the others.
using Mixed = Network<Input<1, 28, 28>, Conv<16, 5, 1, Bias::learned>, ReLU, MaxPool<2>,  //
                      Residual<Conv<16>, BN, ReLU, Conv<16>, BN>,                         //
                      Drop<ResidualWith<SubsampleShortcut, Conv<32, 3, 2>, BN, ReLU, Conv<32>, BN>>,
                      GlobalAvgPool, Linear<10>>;
static_assert(Mixed::residual_blocks == 2 && Mixed::stochastic_blocks == 1);
static_assert(Mixed::survival[0] == 1.0 && Mixed::survival[1] == 0.8);

// What does not fit is refused where it stands. The second block would change its input's shape again and
// again:
static_assert(Repeat<2, Bottleneck<128, 2>>::check({64, 32, 32}) ==
              ShapeError::block_changes_shape_in_repeat);
// A parameter-free shortcut cannot lose channels:
static_assert(Residual<Conv<8>, BN>::check({16, 32, 32}) == ShapeError::shortcut_loses_channels);

/// Trains on one batch for a few steps and tells how the loss falls: a quick test that a new design learns at
/// all.
template <class Net>
void try_out(const std::string& name) {
  TrainingOptions options;
  options.batch = 16;
  options.sgd.learning_rate = 0.02;
  Trainer<Net, Cpu<>> trainer(options);
  std::vector<float> images(16 * Net::input.size());
  std::vector<int> labels;
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(uniform(random_words(1, Purpose::synthetic, i, 0)[0]) - 0.5);
  for (int n = 0; n < 16; ++n) labels.push_back(n % 10);

  const double first = trainer.step(NHWC<float>{images}, labels).loss;
  double last = first;
  for (int i = 0; i < 40; ++i) last = trainer.step(NHWC<float>{images}, labels).loss;
  std::printf("  %-24s %2d blocks  %6zu parameters  %5.1f million operations   loss %.2f -> %.3f\n",
              name.c_str(), Net::residual_blocks, Net::parameter_count, Net::operations_per_image / 1e6,
              first, last);
}

int main() {
  std::printf("Three designs, each trained on one batch of noise for 40 steps:\n\n");
  try_out<Bottlenecks>("bottlenecks, projection");
  try_out<PreActivated>("pre-activation");
  try_out<Mixed>("mixed");
}
