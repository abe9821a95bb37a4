// Predicting, watched by clang's RealtimeSanitizer: it ends the program where a function that says
// [[clang::nonblocking]] allocates, locks or asks the system.
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include <sdepth/net.hpp>

using Net = sdepth::Network<
    sdepth::Input<3, 8, 8>, sdepth::Conv<16>, sdepth::BN, sdepth::ReLU,
    sdepth::StochasticDepth<
        sdepth::Residual<sdepth::Conv<16>, sdepth::BN, sdepth::ReLU, sdepth::Conv<16>, sdepth::BN>,
        sdepth::Uniform<0.5>>,
    sdepth::StochasticDepth<sdepth::Residual<sdepth::Conv<32, 3, 2>, sdepth::BN>, sdepth::Uniform<0.5>>,
    sdepth::MaxPool<2>, sdepth::GlobalAvgPool, sdepth::Linear<2>>;

/// The twin that must be seen.
void allocate(std::size_t bytes)
#if __has_cpp_attribute(clang::nonblocking)
    [[clang::nonblocking]]
#endif
{
  std::vector<char> room(bytes);
  if (room[bytes / 2] != 0) std::puts("never");
}

template <class Weight>
void predict(const std::shared_ptr<const sdepth::Weights<Net, sdepth::Cpu<>>>& weights) {
  sdepth::Inference<Net, sdepth::Cpu<>, Weight> inference(weights, {.batch = 2, .threads = 1});
  const std::vector<float> images(3 * Net::input.size(), 0.5F);
  std::vector<float> logits(6);
  inference.predict(sdepth::NHWC<float>{images}, logits);
  inference.predict(sdepth::NCHW<float>{images}, logits);
}

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "planted") == 0) allocate(static_cast<std::size_t>(argc) * 1000);
  const auto weights = std::make_shared<sdepth::Weights<Net, sdepth::Cpu<>>>();
  sdepth::initialise(*weights, 1, sdepth::GammaInit::one);
  predict<float>(weights);
  predict<sdepth::float16>(weights);
  std::puts("predicted");
}
