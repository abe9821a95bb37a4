// A network of the package is made, and predicts.
#include <sdepth/net.hpp>

#include <cstdio>
#include <memory>
#include <vector>

using Net = sdepth::Network<sdepth::Input<3, 8, 8>, sdepth::Conv<4>, sdepth::BN, sdepth::ReLU, sdepth::GlobalAvgPool, sdepth::Linear<2>>;

int main() {
  const auto weights = std::make_shared<sdepth::Weights<Net, sdepth::Cpu<>>>();
  sdepth::initialise(*weights, 1, sdepth::GammaInit::one);
  sdepth::Inference<Net, sdepth::Cpu<>> inference(weights);
  const std::vector<float> logits = inference.predict(sdepth::NHWC<float>{std::vector<float>(Net::input.size(), 0.5F)});
  std::printf("sdepth predicts %zu logits\n", logits.size());
}
