// Predicting, watched by clang's RealtimeSanitizer: it ends the program where a function that says
// [[clang::nonblocking]] allocates, locks or asks the system. And read by clang's -Wfunction-effects, which
// follows the calls of such a function through all kernels.
#include <cstdio>
#include <cstring>
#include <memory>
#include <ratio>
#include <span>
#include <vector>

#include <sdepth/net.hpp>

using namespace sdepth;

using Net = Network<Input<3, 8, 8>, Conv<16>, BN, ReLU,
                    StochasticDepth<Residual<Conv<16>, BN, ReLU, Conv<16>, BN>, Uniform<0.5>>,
                    StochasticDepth<Residual<Conv<32, 3, 2>, BN>, Uniform<0.5>>, MaxPool<2>, GlobalAvgPool,
                    Linear<2>>;
/// Other kernels: a large filter with a stride, 1×1, activations with an exponential, projections, what has its norm
/// in front, sides that no tile divides.
using Other =
    Network<Input<3, 15, 15>, Conv<24, 7, 2>, BN, GELU,
            ResidualWith<ProjectionShortcut, Conv<8, 1>, BN, SiLU, Conv<8>, BN, Hardswish, Conv<40, 1>, BN>,
            StochasticDepth<PreActivation<BN, ReLU, Conv<40>, BN, ReLU, Conv<40>>, Uniform<0.5>>, BN,
            LeakyReLU<std::ratio<1, 10>>, AvgPool<2>, Dropout<0.5>, Linear<20>, ReLU, Linear<2>>;

#ifdef PLANTED
/// What must be seen.
void allocate(std::size_t bytes)
#if __has_cpp_attribute(clang::nonblocking)
    [[clang::nonblocking]]
#endif
{
  std::vector<char> room(bytes);
  if (room[bytes / 2] != 0) std::puts("never");
}
#endif

/// What a program that works in real time does with it.
template <class Inference, class Images>
void process(Inference& inference, const Images& images, std::span<float> logits) noexcept
#if __has_cpp_attribute(clang::nonblocking)
    [[clang::nonblocking]]
#endif
{
  inference.predict(images, logits);
}

template <class Network, class Backend, class Weight>
void predict() {
  const auto weights = std::make_shared<Weights<Network, Backend>>();
  initialise(*weights, 1, GammaInit::one);
  Inference<Network, Backend, Weight> inference(weights, {.batch = 2, .threads = 1});
  const std::vector<float> images(3 * Network::input.size(), 0.5F);
  std::vector<float> logits(6);
  process(inference, NHWC<float>{images}, logits);
  process(inference, NCHW<float>{images}, logits);
}

int main([[maybe_unused]] int argc, [[maybe_unused]] char** argv) {
#ifdef PLANTED
  if (argc > 1 && std::strcmp(argv[1], "planted") == 0) allocate(static_cast<std::size_t>(argc) * 1000);
#endif
  predict<Net, Cpu<>, float>();
  predict<Net, Cpu<>, float16>();
  predict<Other, Cpu<>, float>();
  predict<Other, CpuBfloat16, bfloat16>();
  std::puts("predicted");
}
