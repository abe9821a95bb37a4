// How long one image takes, not on average but at worst: build/release/bench/latency [predictions]. What lies
// between the median and the maximum is the machine's (interrupts, other programs): predicting allocates
// nothing, asks nothing of the system, and does the same arithmetic for every image.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include <sdepth/core/clock.hpp>
#include <sdepth/core/float16.hpp>
#include <sdepth/net.hpp>

namespace {

template <int Layers, class Weight>
void measure(int predictions, const char* weight) {
  using Net = sdepth::CifarResNet<Layers, sdepth::Input<3, 32, 32>, 10>;
  using Backend = sdepth::Cpu<>;
  const auto weights = std::make_shared<sdepth::Weights<Net, Backend>>();
  sdepth::initialise(*weights, 1, sdepth::GammaInit::one);
  const auto folded = std::make_shared<const sdepth::FoldedWeights<Net, Backend, Weight>>(*weights);
  sdepth::Inference<Net, Backend, Weight> inference(folded, 1, 1);
  std::vector<float> image(Net::input.size()), logits(10);
  for (std::size_t i = 0; i < image.size(); ++i)
    image[i] = static_cast<float>((i * 2654435761U >> 7) % 1000) / 1000.0F - 0.5F;
  std::vector<double> milliseconds;
  milliseconds.reserve(static_cast<std::size_t>(predictions));
  for (int i = 0; i < predictions; ++i) {
    const std::int64_t begin = sdepth::nanoseconds();
    inference.predict(sdepth::NHWC<float>{image}, logits);
    milliseconds.push_back(1e-6 * static_cast<double>(sdepth::nanoseconds() - begin));
  }
  std::sort(milliseconds.begin(), milliseconds.end());
  const auto at = [&](double part) {
    return milliseconds[static_cast<std::size_t>(part * static_cast<double>(predictions - 1))];
  };
  std::printf("| ResNet-%d, %s | %.3f | %.3f | %.3f | %.3f | %.3f |\n", Layers, weight, at(0), at(0.5),
              at(0.99), at(0.999), at(1));
}

template <int Layers>
void measure_both(int predictions) {
  measure<Layers, float>(predictions, "float32");
  measure<Layers, sdepth::float16>(predictions, "weights in float16");
}

}  // namespace

int main(int argc, char** argv) {
  const int predictions = std::max(1000, argc > 1 ? std::atoi(argv[1]) : 5000);
  std::printf(
      "%d predictions of one image each, one thread, milliseconds:\n| | least | median | 99 %% | 99.9 %% | most |\n|---|---|---|---|---|---|\n",
      predictions);
  measure_both<20>(predictions);
  measure_both<56>(predictions);
  measure_both<110>(predictions);
}
