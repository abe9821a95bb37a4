#include <sdepth/io/model.hpp>

#include <doctest/doctest.h>

#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/float16.hpp>
#include <sdepth/data/loader.hpp>
#include <sdepth/data/synthetic.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/train/batches.hpp>

#include "scratch_folder.hpp"

namespace sdepth::test::model_test {

namespace {

using Block = StochasticDepth<Residual<Conv<4>, BN>, LinearDecay<0.5>>;
using Net = Network<Input<1, 8, 8>, Conv<4>, BN, ReLU, Repeat<2, Block>, GlobalAvgPool, Linear<3>>;

/// A trainer that has made a few steps, so that every number of its network differs from what it began with.
[[nodiscard]] Trainer<Net, Reference> some_trainer(const DataSet& data) {
  Trainer<Net, Reference> trainer({.batch = 8, .threads = 1, .seed = 3, .scaling = Scaling::train});
  const std::vector<double> survival = {0.75, 0.25};  // not the network's own
  trainer.set_survival(survival);
  const std::vector<int> labels(data.train.labels.begin(), data.train.labels.end());
  for (std::size_t step = 0; step < 3; ++step)
    trainer.step(NHWC<std::uint8_t>{std::span(data.train.pixels).subspan(step * 8 * 64, 8 * 64)},
                 std::span(labels).subspan(step * 8, 8));
  return trainer;
}

}  // namespace

TEST_CASE("a saved network comes back with its weights, its survival table and its scaling") {
  const ScratchFolder folder;
  const DataSet data = synthetic(Net::input, 3, 24, 9, 1);
  auto trainer = some_trainer(data);
  const auto path = folder / "model.safetensors";
  save(path, trainer, {{"classes", "cat, dog, hen"}});
  const auto model = load<Net, Reference>(path);
  CHECK(model.survival == std::vector<double>{0.75, 0.25});
  CHECK(model.scaling == Scaling::train);
  CHECK(model.metadata.at("classes") == "cat, dog, hen");
  const NHWC<std::uint8_t> images{data.test.pixels};
  const auto expected =
      Inference<Net, Reference>(trainer.weights(), {trainer.survival(), Scaling::train}).predict(images);
  CHECK(model.inference().predict(images) == expected);
  CHECK(model.inference().predict_classes(images) == classes_of(expected, 3));
  const auto cpu = load<Net, Cpu<>>(path);
  const auto folded =
      std::make_shared<const FoldedWeights<Net, Cpu<>, float16>>(*cpu.weights, cpu.survival, cpu.scaling);
  const auto halves = Inference<Net, Cpu<>, float16>(folded).predict(images);
  CHECK(cpu.template inference<float16>().predict(images) == halves);
  CHECK(cpu.inference().predict(images) != halves);

  SafeTensors plain = read_safetensors(path);
  plain.metadata.clear();
  write_safetensors(path, plain);
  CHECK(load<Net, Reference>(path).survival == std::vector<double>{0.75, 0.5});  // the network's own
  for (const auto& [key, text] : std::map<std::string, std::string>{
           {"survival", "[0.5]"}, {"survival", "[0.5, 2]"}, {"survival", "half"}, {"scaling", "both"}}) {
    plain.metadata = {{key, text}};
    write_safetensors(path, plain);
    CHECK_THROWS_WITH_AS((load<Net, Reference>(path)),
                         doctest::Contains(("metadata's " + key + " is").c_str()), Error);
  }
}

TEST_CASE("a trainer that was moved from is not saved") {
  const ScratchFolder folder;
  auto trainer = some_trainer(synthetic(Net::input, 3, 24, 9, 1));
  const auto moved = std::move(trainer);
  CHECK_THROWS_WITH_AS(save(folder / "model.safetensors", trainer),
                       doctest::Contains("this trainer was moved from; save the one that it was moved to"),
                       Error);
  CHECK(folder.entries() == 0);
}

TEST_CASE("a class is that of the first largest logit, and of what is not finite none") {
  CHECK(classes_of(std::vector<float>{1, 3, 3, 0, -1, -2}, 3) == std::vector<int>{1, 0});
  CHECK_THROWS_WITH_AS(classes_of(std::vector<float>{1, 3, 3, 0, std::nanf(""), -2}, 3),
                       doctest::Contains("image 1 has"), Error);
}

TEST_CASE("the score over batches is that over all images at once") {
  const DataSet data = synthetic(Net::input, 3, 24, 9, 1);
  auto trainer = some_trainer(data);
  const std::vector<int> labels(data.test.labels.begin(), data.test.labels.end());
  const Score whole = trainer.evaluate(NHWC<std::uint8_t>{data.test.pixels}, labels);
  Loader loader(data.test, Normalization::none(), {.batch = 4, .shuffle = false, .augment = false});
  const Score parts = evaluate(trainer, loader);
  CHECK(parts.images == 9);
  CHECK(parts.errors == whole.errors);
  CHECK(parts.loss == doctest::Approx(whole.loss).epsilon(1e-6));
  CHECK(parts.branches_run == whole.branches_run);
}

}  // namespace sdepth::test::model_test
