// A checkpoint as its users rely on it: going on gives the bytes of a run never stopped, and whatever does
// not fit is a sentence and no change.
#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <sdepth/io/checkpoint.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/optimizers/adamw.hpp>
#include <sdepth/optimizers/lion.hpp>

#include "scratch_folder.hpp"

namespace sdepth::test::checkpoint_test {

namespace {

using Net = CifarResNet<14, Input<3, 8, 8>, 4>;
using Small = Trainer<Net, Cpu<>>;
constexpr int batch = 6;

TrainingOptions options() {
  TrainingOptions o;
  o.batch = batch;
  o.threads = 1;
  o.seed = std::numeric_limits<std::uint64_t>::max() - 5;  // a seed that a double or a float would round
  o.sgd.learning_rate = 0.05;
  return o;
}

/// One step on pictures of its own.
double step(Small& trainer) {
  std::vector<float> images(batch * Net::input.size());
  std::vector<int> labels(batch);
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(
        uniform(random_words(9, Purpose::synthetic, trainer.steps(), static_cast<std::uint32_t>(i))[0]) -
        0.5);
  for (std::size_t n = 0; n < labels.size(); ++n) labels[n] = static_cast<int>((n + trainer.steps()) % 4);
  return trainer.step(NHWC<float>{images}, labels).loss;
}

template <class Numbers>
std::string bytes(const Numbers& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}
std::string state(Small& trainer) {
  return bytes(trainer.weights()->parameters()) + bytes(trainer.weights()->running()) +
         bytes(trainer.optimizer_state("momentum")) + std::to_string(trainer.steps());
}

}  // namespace

TEST_CASE("a trainer restored from a checkpoint goes on to the bytes of one never stopped") {
  ScratchFolder folder;
  Small whole(options()), first(options()), second(options());
  for (int i = 0; i < 5; ++i) step(whole);
  for (int i = 0; i < 2; ++i) step(first);
  save_checkpoint(folder / "checkpoint", first, 7, "what the program said");

  const Checkpoint checkpoint = read_checkpoint(folder / "checkpoint");
  CHECK(checkpoint.step == 2);
  CHECK(checkpoint.epoch == 7);
  CHECK(checkpoint.program == "what the program said");
  step(second);  // whatever it did before is gone
  restore(checkpoint, second);
  CHECK(state(second) == state(first));
  for (int i = 0; i < 3; ++i) step(second);
  CHECK(state(second) == state(whole));

  SUBCASE("and writes the same file") {
    save_checkpoint(folder / "a", whole, 1);
    save_checkpoint(folder / "b", second, 1);
    CHECK(bytes_of(folder / "a") == bytes_of(folder / "b"));
  }
}

TEST_CASE("the learning rate in force is restored, and threads may differ") {
  ScratchFolder folder;
  Small first(options());
  first.set_learning_rate(0.0625);
  save_checkpoint(folder / "checkpoint", first, 0);
  TrainingOptions more = options();
  more.threads = 3;
  Small second(more);
  restore(read_checkpoint(folder / "checkpoint"), second);
  CHECK(second.options().sgd.learning_rate == 0.0625);
}

TEST_CASE("a trainer that was moved from is neither saved nor restored") {
  ScratchFolder folder;
  Small trainer(options());
  save_checkpoint(folder / "checkpoint", trainer, 0);
  const Small moved(std::move(trainer));
  CHECK_THROWS_WITH_AS(save_checkpoint(folder / "other", trainer, 0),
                       doctest::Contains("this trainer was moved from"), Error);
  CHECK_THROWS_WITH_AS(restore(read_checkpoint(folder / "checkpoint"), trainer),
                       doctest::Contains("this trainer was moved from"), Error);
}

TEST_CASE("a checkpoint of other options is refused by name, and the trainer stays as it was") {
  ScratchFolder folder;
  Small saved(options());
  step(saved);
  save_checkpoint(folder / "checkpoint", saved, 0);
  const Checkpoint checkpoint = read_checkpoint(folder / "checkpoint");

  const auto refusal = [&](auto change) {
    TrainingOptions other = options();
    change(other);
    Small trainer(other);
    const std::string before = state(trainer);
    const std::string sentence = sentence_of([&] { restore(checkpoint, trainer); });
    CHECK(state(trainer) == before);
    return sentence;
  };
  CHECK(contains(refusal([](auto& o) { o.batch = 7; }), "was saved with batch 6, the trainer has 7"));
  CHECK(contains(refusal([](auto& o) { --o.seed; }),
                 "seed 18446744073709551610, the trainer has 18446744073709551609"));
  CHECK(contains(refusal([](auto& o) { o.sgd.momentum = 0.8; }), "momentum 0.9"));
  CHECK(contains(refusal([](auto& o) { o.sgd.weight_decay = 0; }), "weight_decay 0.0001"));
  CHECK(contains(refusal([](auto& o) { o.sgd.nesterov = false; }), "nesterov true"));
  CHECK(contains(refusal([](auto& o) { o.skip_update = SkipUpdate::frozen; }), "skip_update \"as-code\""));
  CHECK(contains(refusal([](auto& o) { o.scaling = Scaling::train; }), "scaling \"test\""));

  Small trainer(options());
  trainer.set_survival(std::vector<double>(6, 0.5));
  CHECK(contains(sentence_of([&] { restore(checkpoint, trainer); }), "another survival table"));
}

TEST_CASE("a checkpoint says that activations are rounded stochastically, and other rounding is refused") {
  using Rounded = Trainer<Network<Input<3, 4, 4>, Conv<4>, GlobalAvgPool, Linear<4>>, CpuBfloat16>;
  const TrainingOptions nearest = {.batch = 2, .threads = 1};
  TrainingOptions stochastic = nearest;
  stochastic.rounding = Rounding::stochastic;
  ScratchFolder folder;
  for (const bool rounded : {false, true}) {
    Rounded saved(rounded ? stochastic : nearest), other(rounded ? nearest : stochastic);
    save_checkpoint(folder / "checkpoint", saved, 0);
    const Checkpoint checkpoint = read_checkpoint(folder / "checkpoint");
    CHECK(checkpoint.training.contains("rounding") == rounded);
    CHECK(contains(sentence_of([&] { restore(checkpoint, other); }),
                   rounded ? "was saved with rounding \"stochastic\", the trainer has \"nearest\""
                           : "was saved with rounding \"nearest\", the trainer has \"stochastic\""));
    Rounded same(rounded ? stochastic : nearest);
    CHECK(sentence_of([&] { restore(checkpoint, same); }).empty());
  }
}

TEST_CASE("a checkpoint of another network, or without all of its momentum, changes nothing") {
  ScratchFolder folder;
  Small saved(options());
  save_checkpoint(folder / "checkpoint", saved, 0);
  Checkpoint checkpoint = read_checkpoint(folder / "checkpoint");

  Trainer<CifarResNet<14, Input<3, 8, 8>, 5>, Cpu<>> wider(options());
  CHECK(contains(sentence_of([&] { restore(checkpoint, wider); }),
                 "fc.weight has the shape [4, 64], the network's is [5, 64]"));

  Small trainer(options());
  step(trainer);
  const std::string before = state(trainer);
  checkpoint.state.tensors.pop_back();
  CHECK(contains(sentence_of([&] { restore(checkpoint, trainer); }), "lacks momentum."));
  CHECK(state(trainer) == before);
}

TEST_CASE("training options that no trainer has are refused by name, and the trainer stays as it was") {
  ScratchFolder folder;
  Small saved(options());
  save_checkpoint(folder / "checkpoint", saved, 0);
  const Checkpoint good = read_checkpoint(folder / "checkpoint");
  Small trainer(options());
  step(trainer);
  const std::string before = state(trainer);
  const auto refusal = [&](const char* key, const nlohmann::json& value) {
    Checkpoint changed = good;
    changed.training[key] = value;
    const std::string sentence = sentence_of([&] { restore(changed, trainer); });
    CHECK(state(trainer) == before);
    return sentence;
  };
  CHECK(contains(refusal("learning_rate", "0.1"),
                 "checkpoint is damaged: its learning_rate is of JSON's type string, expected number"));
  CHECK(contains(refusal("learning_rate", nullptr), "its learning_rate is of JSON's type null"));
  CHECK(contains(refusal("learning_rate", -0.1), "its learning_rate is -0.1, expected a number from 0 up"));
  CHECK(contains(refusal("batch", "6"), "its batch is of JSON's type string, expected number"));
  CHECK(contains(refusal("batch", -6), "batch -6"));
  CHECK(contains(refusal("nesterov", 1), "its nesterov is of JSON's type number, expected boolean"));
  CHECK(contains(refusal("scaling", "tset"), "scaling \"tset\""));
  CHECK(contains(refusal("survival", 0.5), "its survival is of JSON's type number, expected array"));
  for (const nlohmann::json& wrong :
       {nlohmann::json(1.5), nlohmann::json(-0.1), nlohmann::json("0.5"), nlohmann::json(nullptr)})
    CHECK(contains(refusal("survival", std::vector<nlohmann::json>(6, wrong)),
                   "its survival is not a list of numbers from 0 to 1"));
  CHECK(contains(refusal("survival", std::vector<double>(5, 0.5)), "another survival table"));
  CHECK(contains(sentence_of([&] { save_checkpoint(folder / "checkpoint", trainer, -1); }), "-1 epochs"));
}

TEST_CASE("files that are no checkpoint are refused with a sentence") {
  ScratchFolder folder;
  const auto sentence = [&](const SafeTensors& file) {
    write_safetensors(folder / "file", file);
    return sentence_of([&] { static_cast<void>(read_checkpoint(folder / "file")); });
  };
  CHECK(contains(sentence({}), "is not a checkpoint"));
  CHECK(contains(sentence({{{"format", "pt"}}, {}}), "is not a checkpoint"));
  std::map<std::string, std::string> metadata = {{"format", std::string(checkpoint_format)},
                                                 {"step", "3"},
                                                 {"epoch", "1"},
                                                 {"training", "{}"},
                                                 {"program", ""}};
  CHECK(sentence({metadata, {}}).empty());
  for (const char* bad : {"", "-1", "3.5", "99999999999999999999", "three"}) {
    auto changed = metadata;
    changed["step"] = bad;
    CHECK(contains(sentence({changed, {}}), "its step is"));
    changed = metadata;
    changed["epoch"] = bad;
    CHECK(contains(sentence({changed, {}}), "its epoch is"));
  }
  for (const std::string& bad : {std::string("[1, 2"), std::string("[]"), std::string(""),
                                 std::string("{\"batch\": 1e999}"), std::string("{}\0{}", 5)}) {
    metadata["training"] = bad;
    CHECK(contains(sentence({metadata, {}}), "not a JSON object"));
  }

  Small trainer(options());
  metadata["training"] = "{}";
  CHECK(sentence({metadata, {}}).empty());
  CHECK(
      contains(sentence_of([&] { restore(read_checkpoint(folder / "file"), trainer); }), "does not say its"));
}

TEST_CASE("cut off anywhere, a checkpoint is refused") {
  ScratchFolder folder;
  Small trainer(options());
  save_checkpoint(folder / "checkpoint", trainer, 0);
  const std::string whole = bytes_of(folder / "checkpoint");
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{8}, std::size_t{500},
                                 whole.size() / 2, whole.size() - 1}) {
    put(folder / "cut", whole.substr(0, size));
    CHECK_THROWS_AS(read_checkpoint(folder / "cut"), Error);
  }
}

TEST_CASE("weights that diverged, and a full disk, leave the checkpoint before them as it was") {
  ScratchFolder folder;
  Small trainer(options());
  save_checkpoint(folder / "checkpoint", trainer, 0);
  const std::string good = bytes_of(folder / "checkpoint");
  step(trainer);
  {
    FileSizeLimit limit(10000);
    CHECK_THROWS_AS(save_checkpoint(folder / "checkpoint", trainer, 1), Error);
  }
  trainer.optimizer_state("momentum")[0] = std::numeric_limits<float>::quiet_NaN();
  CHECK(contains(sentence_of([&] { save_checkpoint(folder / "checkpoint", trainer, 1); }),
                 "momentum.conv1.weight holds a number that is not finite"));
  CHECK(bytes_of(folder / "checkpoint") == good);
  CHECK(folder.entries() == 1);
}

namespace {

using Tiny =
    Network<Input<3, 4, 4>, Conv<4>, BN, ReLU,
            Repeat<3, StochasticDepth<Residual<Conv<4>, BN>, Uniform<0.5>>>, GlobalAvgPool, Linear<3>>;
template <class Optimizer>
using TinyTrainer = Trainer<Tiny, Cpu<>, CrossEntropy, Optimizer>;

template <class Optimizer>
[[nodiscard]] TinyTrainer<Optimizer> tiny(double learning_rate = 0.01, double label_smoothing = 0.1) {
  typename TinyTrainer<Optimizer>::Options o;
  o.batch = batch;
  o.threads = 1;
  o.seed = 3;
  o.skip_update = SkipUpdate::frozen;
  o.loss.label_smoothing = label_smoothing;
  optimizer_options(o).learning_rate = learning_rate;
  TinyTrainer<Optimizer> trainer(o);
  trainer.set_parameter_groups(
      {{.contains = is_norm_or_bias, .change = [](auto& changed) { changed.weight_decay = 0; }}});
  return trainer;
}
template <class Optimizer>
void step(TinyTrainer<Optimizer>& trainer) {
  std::vector<float> images(batch * Tiny::input.size());
  std::vector<int> labels(batch);
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(
        uniform(random_words(9, Purpose::synthetic, trainer.steps(), static_cast<std::uint32_t>(i))[0]) -
        0.5);
  for (std::size_t n = 0; n < labels.size(); ++n) labels[n] = static_cast<int>((n + trainer.steps()) % 3);
  trainer.step(NHWC<float>{images}, labels);
}

/// Stopped after three steps and gone on with, by a trainer that has done something else before.
template <class Optimizer>
void check_resumes() {
  CAPTURE(Optimizer::name);
  ScratchFolder folder;
  auto whole = tiny<Optimizer>(), first = tiny<Optimizer>(), second = tiny<Optimizer>();
  for (int i = 0; i < 7; ++i) step<Optimizer>(whole);
  for (int i = 0; i < 3; ++i) step<Optimizer>(first);
  save_checkpoint(folder / "checkpoint", first, 1);
  for (int i = 0; i < 5; ++i) step<Optimizer>(second);
  restore(read_checkpoint(folder / "checkpoint"), second);
  for (int i = 0; i < 4; ++i) step<Optimizer>(second);
  save_checkpoint(folder / "a", whole, 2);
  save_checkpoint(folder / "b", second, 2);
  CHECK(bytes_of(folder / "a") == bytes_of(folder / "b"));
  CHECK(whole.update().groups().tensor_counts() == second.update().groups().tensor_counts());
  const SafeTensors file = read_safetensors(folder / "a");
  for (const std::string_view name : Optimizer::state)
    CHECK(file.find(std::string(name) + ".conv1.weight") != nullptr);
}

}  // namespace

TEST_CASE(
    "whatever the optimizer keeps is stored by its names, and going on gives the bytes of a run never stopped") {
  check_resumes<SGD>();
  check_resumes<AdamW>();
  check_resumes<Lion>();
}

TEST_CASE(
    "a checkpoint of another optimizer, loss or grouping of parameters is refused by name, and one without counts is damaged") {
  ScratchFolder folder;
  auto saved = tiny<AdamW>();
  step<AdamW>(saved);
  save_checkpoint(folder / "checkpoint", saved, 0);
  const Checkpoint checkpoint = read_checkpoint(folder / "checkpoint");
  const auto refusal = [&](auto trainer) { return sentence_of([&] { restore(checkpoint, trainer); }); };
  CHECK(contains(refusal(tiny<SGD>()),
                 "was saved with optimizer \"AdamW\", the trainer has \"SGD\"; use the options of that run"));
  CHECK(contains(refusal(tiny<AdamW>(0.01, 0.2)),
                 "was saved with loss {\"label_smoothing\":0.1,\"name\":\"CrossEntropy\"}"));
  CHECK(refusal(tiny<AdamW>(0.5)).empty());  // the learning rate is restored
  auto without_groups = tiny<AdamW>();
  without_groups.set_parameter_groups({});
  CHECK(contains(sentence_of([&] { restore(checkpoint, without_groups); }), "was saved with groups [{"));

  auto trainer = tiny<AdamW>();
  step<AdamW>(trainer);
  const std::string before =
      bytes(trainer.weights()->parameters()) + bytes(trainer.optimizer_state("exp_avg"));
  Checkpoint damaged = checkpoint;
  damaged.counts.erase("fc.bias");
  CHECK(contains(sentence_of([&] { restore(damaged, trainer); }),
                 "it does not say how many updates fc.bias has had"));
  damaged = checkpoint;
  std::erase_if(damaged.state.tensors,
                [](const Tensor& tensor) { return tensor.name == "exp_avg_sq.fc.bias"; });
  CHECK(contains(sentence_of([&] { restore(damaged, trainer); }), "lacks exp_avg_sq.fc.bias of the network"));
  damaged = checkpoint;
  damaged.training["learning_rate"] = 1e300;
  CHECK(contains(sentence_of([&] { restore(damaged, trainer); }), "learning_rate is 1e+300"));
  CHECK(bytes(trainer.weights()->parameters()) + bytes(trainer.optimizer_state("exp_avg")) == before);
}

TEST_CASE("a checkpoint of before optimizers and losses could be chosen still resumes") {
  ScratchFolder folder;
  Small first(options()), second(options());
  step(first);
  save_checkpoint(folder / "checkpoint", first, 0);
  SafeTensors file = read_safetensors(folder / "checkpoint");
  nlohmann::json training = nlohmann::json::parse(file.metadata.at("training"));
  for (const char* key : {"optimizer", "loss", "groups", "state"}) CHECK(training.erase(key) == 1);
  file.metadata["training"] = training.dump();
  write_safetensors(folder / "old", file);
  restore(read_checkpoint(folder / "old"), second);
  CHECK(state(second) == state(first));
}

TEST_CASE(
    "an average of the weights is kept with them, and one without it or of another decay is refused and changes nothing") {
  ScratchFolder folder;
  using Average = WeightAverage<Net, Cpu<>>;
  Small whole(options()), second(options());
  Average of_whole(0.75), of_second(0.75), other(0.5);
  const auto steps = [&](Small& trainer, Average& average, int count) {
    for (int i = 0; i < count; ++i) {
      step(trainer);
      average.update(trainer);
    }
  };
  steps(whole, of_whole, 2);
  save_checkpoint(folder / "c", whole, 0, "", &of_whole);
  save_checkpoint(folder / "none", whole, 0);
  steps(whole, of_whole, 2);

  const std::string before = state(second);
  const Checkpoint saved = read_checkpoint(folder / "c");
  CHECK(contains(sentence_of([&] { restore(saved, second, &other); }),
                 "was saved with average 0.75, the trainer has 0.5"));
  CHECK(contains(sentence_of([&] { restore(read_checkpoint(folder / "none"), second, &of_second); }),
                 "has no average of the weights"));
  Checkpoint damaged = saved;
  damaged.average.tensors.pop_back();
  CHECK(contains(sentence_of([&] { restore(damaged, second, &of_second); }), "lacks average."));
  damaged.average_training.erase("updates");
  CHECK(contains(sentence_of([&] { restore(damaged, second, &of_second); }),
                 "how many updates the average has had"));
  CHECK(state(second) == before);
  CHECK(of_second.updates() == 0);

  restore(saved, second, &of_second);
  steps(second, of_second, 2);
  CHECK(state(second) == state(whole));
  CHECK(bytes(of_second.weights()->parameters()) == bytes(of_whole.weights()->parameters()));
  CHECK(bytes(of_second.weights()->running()) == bytes(of_whole.weights()->running()));
}

}  // namespace sdepth::test::checkpoint_test
