// A training program of networks that the library has not: one without residual blocks, one with an input and
// classes of its own, and one on two backends. `train_own infer` uses the first two.
#include <string_view>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/net.hpp>
#include <sdepth/program/infer.hpp>
#include <sdepth/program/train.hpp>

using namespace sdepth;

using Plain = Network<Input<3, 32, 32>, Conv<8, 3, 2>, BN, ReLU, GlobalAvgPool, Linear<10>>;

template <int C, int Stride = 1>
using Block = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C, 3>, BN>, Uniform<0.5>>;
using Blocks =
    Network<Input<3, 16, 16>, Conv<8, 3>, BN, ReLU, Block<8>, Block<16, 2>, GlobalAvgPool, Linear<3>>;

/// A backend that is taken for one that works by itself, as a GPU does: the program starts a step before it
/// has finished the last one.
struct LateReference : Reference {
  static constexpr bool synchronous = false;
};
using Small = Network<Input<3, 32, 32>, Conv<4, 3, 2>, BN, ReLU, Block<4, 2>, GlobalAvgPool, Linear<10>>;

int main(int argc, char** argv) {
  using namespace program;
  if (argc > 1 && std::string_view(argv[1]) == "infer")
    return infer<Choice<"plain", Plain>, Choice<"blocks", Blocks>>(argc - 1, argv + 1);
  return train(
      argc, argv,
      {networks<Cpu<>, Choice<"plain", Plain>, Choice<"blocks", Blocks>>(),
       networks<Reference, Choice<"small", Small>>(), networks<LateReference, Choice<"small", Small>>()});
}
