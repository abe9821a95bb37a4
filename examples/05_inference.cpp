// 05: from training to use. Weights go into a file and come back, and several threads run them at once, from
// one copy in memory.
#include <sdepth/net.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include <sdepth/data/synthetic.hpp>
#include <sdepth/io/model.hpp>

using namespace sdepth;

using Net = CifarResNet<14, Input<3, 16, 16>, 4>;
using Backend = Cpu<>;

int main() {
  // Bytes are good enough as input: NHWC<std::uint8_t> is read as byte / 255. (Example 02 normalises by the
  // mean picture instead.)
  const DataSet data = synthetic(Net::input, 4, 640, 512, 1);
  const std::vector<int> labels(data.train.labels.begin(), data.train.labels.end());
  TrainingOptions options;
  options.batch = 64;
  options.sgd.learning_rate = 0.05;
  Trainer<Net, Backend> trainer(options);
  for (int step = 0; step < 120; ++step) {
    const auto first = static_cast<std::size_t>(step % 10) * 64;
    const auto pixels =
        std::span(data.train.pixels).subspan(first * Net::input.size(), 64 * Net::input.size());
    trainer.step(NHWC<std::uint8_t>{pixels}, std::span(labels).subspan(first, 64));
  }

  const std::filesystem::path file = std::filesystem::temp_directory_path() / "sdepth_example_05.safetensors";
  save(file, trainer, {{"about", "14 layers, stripes in four classes"}});  // metadata are texts of your own
  // throws Error where the file is damaged, or of another network; nothing is half loaded
  const auto model = load<Net, Backend>(file);
  std::printf("%s: %ju bytes\n\n", file.filename().c_str(),
              static_cast<std::uintmax_t>(std::filesystem::file_size(file)));
  std::filesystem::remove(file);

  // At test every block runs, its branch scaled by its survival probability: the file has the table that was
  // trained with. That and all batch normalisation go into the weights, once. An Inference belongs to one
  // thread, folded weights to all.
  const auto folded =
      std::make_shared<const FoldedWeights<Net, Backend>>(*model.weights, model.survival, model.scaling);
  constexpr std::size_t workers = 4, share = 512 / workers;
  std::vector<std::vector<float>> logits(workers);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < workers; ++i)
    threads.emplace_back([&, i] {
      Inference<Net, Backend> network(folded);
      const auto pixels =
          std::span(data.test.pixels).subspan(i * share * Net::input.size(), share * Net::input.size());
      logits[i] = network.predict(NHWC<std::uint8_t>{pixels});
    });
  for (std::thread& thread : threads) thread.join();

  // An image's logits depend on the image and the weights alone: not on its batch, nor on who else is
  // running.
  std::vector<float> together;
  for (const std::vector<float>& part : logits) together.insert(together.end(), part.begin(), part.end());
  const bool same =
      Inference<Net, Backend>(folded, 100, 2).predict(NHWC<std::uint8_t>{data.test.pixels}) == together;

  // [N, classes]: the largest logit is the answer. It is the trainer's answer too, which has its norms where
  // they were: but for rounding.
  const std::vector<float> trainers =
      trainer.predict(NHWC<std::uint8_t>{std::span(data.test.pixels).first(share * Net::input.size())});
  float difference = 0, largest = 0;
  for (std::size_t i = 0; i < trainers.size(); ++i) {
    difference = std::max(difference, std::abs(trainers[i] - logits[0][i]));
    largest = std::max(largest, std::abs(trainers[i]));
  }
  std::size_t errors = 0;
  const std::vector<int> classes = classes_of(together, 4);
  for (std::size_t n = 0; n < classes.size(); ++n) errors += classes[n] != data.test.labels[n];
  std::printf("%zu threads with one set of weights: %zu of 512 pictures wrong\n", workers, errors);
  std::printf("in batches of 100 on two threads: %s\n", same ? "the same, bit for bit" : "other logits");
  std::printf("the trainer's own logits, up to %.1f, differ by at most %.0e\n", static_cast<double>(largest),
              static_cast<double>(difference));
}
