// A program for several processors: it says which instructions it was compiled for, and what a network
// computes with them.
#include <cstdio>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <sdepth/net.hpp>

#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)

using Net = sdepth::Network<sdepth::Input<3, 8, 8>, sdepth::Conv<16>, sdepth::BN, sdepth::ReLU,
                            sdepth::GlobalAvgPool, sdepth::Linear<2>>;

// Made before main begins, by instructions that an older processor may not have.
const std::map<std::string, std::vector<float>> made_before = {{"ones", std::vector<float>(64, 1.0F)},
                                                               {"twos", std::vector<float>(64, 2.0F)}};

int main(int argc, char** argv) {
  const auto weights = std::make_shared<sdepth::Weights<Net, sdepth::Cpu<>>>();
  sdepth::initialise(*weights, 1, sdepth::GammaInit::one);
  sdepth::Inference<Net, sdepth::Cpu<>> inference(weights);
  std::vector<float> image(192);
  for (std::size_t i = 0; i < image.size(); ++i)
    image[i] = made_before.at("twos")[i % 64] * static_cast<float>(i) / 192;
  const std::vector<float> logits = inference.predict(sdepth::NHWC<float>{image});
  std::string caught;
  try {
    throw std::runtime_error(argc > 1 ? argv[1] : "nothing");
  } catch (const std::exception& error) {
    caught = error.what();
  }
  const double x = static_cast<double>(logits[0]), y = static_cast<double>(logits[1]);
  std::printf("%s %d lanes, %.3f %.3f (%a %a), caught %s\n", TEXT(SDEPTH_ISA), sdepth::Cpu<>::lanes, x, y, x,
              y, caught.c_str());
}
