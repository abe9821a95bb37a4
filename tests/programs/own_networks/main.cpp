// A training program of networks that the library has not: one without residual blocks, and one with an input
// and classes of its own.
#include <sdepth/net.hpp>
#include <sdepth/program/train.hpp>

using namespace sdepth;

using Plain = Network<Input<3, 32, 32>, Conv<8, 3, 2>, BN, ReLU, GlobalAvgPool, Linear<10>>;

template <int C, int Stride = 1>
using Block = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C, 3>, BN>, Uniform<0.5>>;
using Blocks =
    Network<Input<3, 16, 16>, Conv<8, 3>, BN, ReLU, Block<8>, Block<16, 2>, GlobalAvgPool, Linear<3>>;

int main(int argc, char** argv) {
  return program::train<program::Choice<"plain", Plain>, program::Choice<"blocks", Blocks>>(argc, argv);
}
