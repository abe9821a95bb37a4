// 01: a network is a type. Everything that does not need numbers is known before the program runs.
#include <sdepth/net.hpp>

#include <cstddef>
#include <cstdio>

using namespace sdepth;

// A residual block is a word made of words: the branch f_l is written out, the shortcut around it and the
// ReLU after the sum come with Residual.
template <int Channels, int Stride = 1>
using Block = Residual<Conv<Channels, 3, Stride>, BN, ReLU, Conv<Channels, 3>, BN>;

// In a training step a block may be skipped. LinearDecay says how likely it survives: from nearly 1 at the
// input to 0.5 at the last block.
template <int Channels, int Stride = 1>
using Drop = StochasticDepth<Block<Channels, Stride>, LinearDecay<0.5>>;

// The 110-layer network of the paper: 54 blocks in three groups. Repeat is a loop, not 18 types, so depth
// costs no compile time.
using ResNet110 = Network<Input<3, 32, 32>,                   //
                          Conv<16>, BN, ReLU,                 //
                          Repeat<18, Drop<16>>,               //
                          Drop<32, 2>, Repeat<17, Drop<32>>,  //
                          Drop<64, 2>, Repeat<17, Drop<64>>,  //
                          GlobalAvgPool, Linear<10>>;

// A network answers questions at compile time, so they can be assertions.
static_assert(ResNet110::residual_blocks == 54);
static_assert(ResNet110::survival[53] == 0.5);
static_assert(ResNet110::output == Shape{10, 1, 1});
static_assert(std::is_same_v<ResNet110, CifarResNet<110>>, "models/cifar_resnet.hpp has it ready");

// Shape rules are values. This block's shortcut cannot make 32 channels of 64; in a Network the same mistake
// is one compile error that says so.
static_assert(Block<32, 2>::check({64, 32, 32}) == ShapeError::shortcut_loses_channels);

// Types carry no state.
static_assert(std::is_empty_v<ResNet110>);

int main() {
  std::printf("The 110-layer CIFAR ResNet, layer by layer:\n\n  shape (channels x height x width)\n");
  const char* layers[] = {"input",     "3x3 convolution",        "batch normalisation", "ReLU",
                          "18 blocks", "block, stride 2",        "17 blocks",           "block, stride 2",
                          "17 blocks", "global average pooling", "linear layer"};
  for (std::size_t i = 0; i < ResNet110::shapes.size(); ++i) {
    const Shape shape = ResNet110::shapes[i];
    std::printf("  %4d x %2d x %2d   after %s\n", shape.channels, shape.height, shape.width, layers[i]);
  }

  std::printf("\nSurvival probabilities p_l of its %d residual blocks:\n\n  ", ResNet110::residual_blocks);
  for (const int l : {1, 2, 3, 27, 53, 54})
    std::printf("p_%d = %.4f  ", l, ResNet110::survival[static_cast<std::size_t>(l - 1)]);

  const double all = ResNet110::operations_per_image, expected = ResNet110::expected_operations_per_image;
  std::printf("\n\nparameters           %zu\n", ResNet110::parameter_count);
  std::printf("blocks run per step  %.2f of %d on average\n", ResNet110::expected_depth,
              ResNet110::residual_blocks);
  std::printf(
      "operations per image %.0f million with all blocks, %.0f million on average: skipping saves %.1f %%\n",
      all / 1e6, expected / 1e6, 100 * (1 - expected / all));

  // What PyTorch would call the first tensors; examples/06_weights_in_pytorch.py loads them.
  std::printf("\nIts first tensors, by PyTorch's names:\n\n");
  const auto tensors = ResNet110::parameters(1);
  for (std::size_t i = 0; i < 8; ++i)
    std::printf("  %-24s %zu numbers\n", tensors[i].name.c_str(), pytorch_size(tensors[i]));
}
