// The program that measure.py compiles: the door included, one network instantiated and trained. What it
// trains with comes from the command line, so that the compiler can leave nothing out: train BATCH STEPS SEED
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <sdepth/net.hpp>

int main(int argc, char** argv) {
  using Net = sdepth::CifarResNet<SDEPTH_LAYERS>;
  if (argc != 4) {
    std::fputs("usage: train BATCH STEPS SEED\n", stderr);
    return 1;
  }
  sdepth::TrainingOptions options;
  options.batch = std::atoi(argv[1]);
  options.seed = static_cast<std::uint64_t>(std::atoll(argv[3]));
  sdepth::Trainer<Net, sdepth::Cpu<>> trainer(options);
  const auto batch = static_cast<std::size_t>(options.batch);
  std::vector<float> images(batch * Net::input.size());
  std::vector<int> labels(batch);
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(i * 7919 % 1999) / 1000 - 1;
  for (std::size_t n = 0; n < batch; ++n) labels[n] = static_cast<int>(n % Net::output.size());
  for (int step = 0; step < std::atoi(argv[2]); ++step)
    std::printf("%d layers, step %d: loss %.4f\n", SDEPTH_LAYERS, step,
                trainer.step(sdepth::NHWC<float>{images}, labels).loss);
}
