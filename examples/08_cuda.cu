// 08: the same training on a GPU. The network is the same type; the backend's name and this file's ending,
// which makes nvcc compile it, are all that is different.
#include <sdepth/cuda.hpp>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <optional>
#include <vector>

#include <sdepth/data/loader.hpp>
#include <sdepth/data/synthetic.hpp>

using namespace sdepth;

// As in 02: 14 layers, 6 residual blocks, each in a StochasticDepth.
constexpr int classes = 4;
using Net = CifarResNet<14, Input<3, 16, 16>, classes>;

// Cuda<> calculates in float32. Cuda<Precision::tf32> multiplies on tensor cores, with factors rounded to 10
// bits of mantissa; sums stay float32.
using Backend = Cuda<>;

void run() {
  // Nothing falls back to the CPU in silence: without a GPU this throws, and so would the trainer.
  const CudaDevice device = cuda_device();
  std::printf("%s, compute capability %d.%d, %zu of %zu MiB free\n", device.name.c_str(), device.major, device.minor, device.free >> 20,
              device.total >> 20);

  const DataSet data = synthetic(Net::input, classes, /*train*/ 1920, /*test*/ 400, /*seed*/ 1);
  const Normalization normalization = Normalization::paper(data.train);
  Loader loader(data.train, normalization, {.batch = 64, .seed = 1});

  TrainingOptions options;
  options.batch = 64;
  options.seed = 1;
  options.sgd.learning_rate = 0.05;
  Trainer<Net, Backend> trainer(options);

  std::vector<float> test_images(data.test.pixels.size());
  const std::vector<int> test_labels(data.test.labels.begin(), data.test.labels.end());
  for (int i = 0; i < data.test.size(); ++i)
    normalization.apply(data.test.image(i), test_images.data() + static_cast<std::size_t>(i) * data.test.shape.size());

  constexpr int epochs = 6;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    if (epoch == 5) trainer.set_learning_rate(0.005);
    const auto begin = std::chrono::steady_clock::now();
    double loss = 0;
    // start() returns as soon as the step has been handed to the GPU; its loss is asked for when the next
    // step is already on its way. A plain trainer.step(...), which waits each time, gives the same numbers.
    std::optional<Trainer<Net, Backend>::Started> before;
    loader.start(epoch);
    while (const Batch* batch = loader.next()) {
      const auto started = trainer.start(NHWC<float>{batch->images}, batch->labels);
      if (before) loss += trainer.finish(*before).loss / loader.steps();
      before = started;
    }
    if (before) loss += trainer.finish(*before).loss / loader.steps();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const Score test = trainer.evaluate(NHWC<float>{test_images}, test_labels);
    std::printf("epoch %d   training loss %.3f   test loss %.3f   test error %4.1f %%   %.2f ms per step\n", epoch, loss, test.loss,
                100 * test.error_rate(), 1e3 * seconds / loader.steps());
  }

  // Weights come to the host when they are asked for: the same numbers under the same names as a CPU's, so
  // either can go on from the other's file.
  std::printf("\n%zu parameters; the first weight is %.4f\n", Net::parameter_count,
              static_cast<double>(trainer.weights()->parameters().data()[0]));
}

int main() {
  try {
    run();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "08_cuda: %s\n", error.what());
    return 1;
  }
}
