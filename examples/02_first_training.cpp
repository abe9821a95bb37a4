// 02: a first training, in a loop of one's own. The trainer makes steps; where pictures come from and when to
// stop is the loop's business.
#include <sdepth/net.hpp>

#include <cstddef>
#include <cstdio>
#include <vector>

#include <sdepth/data/loader.hpp>
#include <sdepth/data/synthetic.hpp>

using namespace sdepth;

// A small network for small pictures: 14 layers, 6 residual blocks, every one of them in a StochasticDepth
// with LinearDecay<0.5>.
constexpr int classes = 4;
using Net = CifarResNet<14, Input<3, 16, 16>, classes>;

int main() {
  // Stripes in random colours, drawn by the program itself; the class is their angle and period. Bytes, [N,
  // H, W, C].
  const DataSet data = synthetic(Net::input, classes, /*train*/ 1920, /*test*/ 400, /*seed*/ 1);

  // Bytes become numbers: minus the mean picture, divided by one standard deviation, both of the training
  // set.
  const Normalization normalization = Normalization::paper(data.train);

  // The loader makes batches in a thread of its own, in a new order each epoch, shifted and flipped at
  // random.
  Loader loader(data.train, normalization, {.batch = 64, .seed = 1});

  // The trainer holds weights, momentum and memory. Cpu<> is the fastest instruction set that the compiler
  // was told of; Reference<> would be plain loops. Nothing is global: make as many trainers as you like.
  TrainingOptions options;
  options.batch = 64;
  options.seed = 1;
  options.sgd.learning_rate = 0.05;
  Trainer<Net, Cpu<>> trainer(options);

  // The test pictures, normalised once.
  std::vector<float> test_images(data.test.pixels.size());
  const std::vector<int> test_labels(data.test.labels.begin(), data.test.labels.end());
  for (int i = 0; i < data.test.size(); ++i)
    normalization.apply(data.test.image(i),
                        test_images.data() + static_cast<std::size_t>(i) * data.test.shape.size());

  constexpr int epochs = 6;
  std::printf("%zu parameters, %d training pictures, %d steps per epoch\n\n", Net::parameter_count,
              data.train.size(), loader.steps());
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    if (epoch == 5) trainer.set_learning_rate(0.005);
    double loss = 0;
    loader.start(epoch);
    while (const Batch* batch = loader.next()) {
      // One mini-batch: gates are drawn, open blocks run forward and backward, closed ones are not touched,
      // the weights change.
      const Score score = trainer.step(NHWC<float>{batch->images}, batch->labels);
      loss += score.loss / loader.steps();
    }
    const Score test = trainer.evaluate(NHWC<float>{test_images}, test_labels);
    std::printf("epoch %d   training loss %.3f   test loss %.3f   test error %4.1f %%\n", epoch, loss,
                test.loss, 100 * test.error_rate());
  }

  // Weights are within reach by PyTorch's names, as Eigen matrices with a column per output channel, in
  // place.
  const auto conv1 = trainer.parameter("conv1.weight");
  std::printf("\nconv1.weight: %td x %td, norm %.3f\n", conv1.rows(), conv1.cols(),
              static_cast<double>(conv1.norm()));
}
