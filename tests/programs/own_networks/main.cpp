// A training program of networks that the library has not: one without residual blocks, and one with an input
// and classes of its own. `train_own infer` uses them.
#include <string_view>

#include <sdepth/net.hpp>
#include <sdepth/program/infer.hpp>
#include <sdepth/program/train.hpp>

using namespace sdepth;

using Plain = Network<Input<3, 32, 32>, Conv<8, 3, 2>, BN, ReLU, GlobalAvgPool, Linear<10>>;

template <int C, int Stride = 1>
using Block = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C, 3>, BN>, Uniform<0.5>>;
using Blocks =
    Network<Input<3, 16, 16>, Conv<8, 3>, BN, ReLU, Block<8>, Block<16, 2>, GlobalAvgPool, Linear<3>>;

int main(int argc, char** argv) {
  using namespace program;
  if (argc > 1 && std::string_view(argv[1]) == "infer")
    return infer<Choice<"plain", Plain>, Choice<"blocks", Blocks>>(argc - 1, argv + 1);
  return train<Choice<"plain", Plain>, Choice<"blocks", Blocks>>(argc, argv);
}
