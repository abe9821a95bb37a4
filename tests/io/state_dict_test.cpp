// State dicts: public names, complete for a strict load, and without survival probabilities the same network.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/state_dict.hpp>
#include <sdepth/io/trained_network.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/models/imagenet_resnet.hpp>
#include <sdepth/run/inference.hpp>

#include "scratch_folder.hpp"
#include "some_weights.hpp"

namespace sdepth::test::state_dict_test {

namespace {

template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.4>>;
template <class Shortcut, int C, int Stride = 1>
using Block = Drop<BasicBlock<C, Stride, Shortcut>>;
template <class Shortcut>
using Net = Network<Input<3, 6, 6>, Conv<4>, BN, ReLU, Repeat<2, Block<Shortcut, 4>>, Block<Shortcut, 6, 2>,
                    Repeat<2, Block<Shortcut, 6>>, Drop<Residual<Conv<6, 3, 1, Bias::learned>, LeakyReLU<>>>,
                    GlobalAvgPool, Linear<3>>;

std::set<std::string> names_of(const SafeTensors& file) {
  std::set<std::string> names;
  for (const Tensor& tensor : file.tensors) names.insert(tensor.name);
  return names;
}

}  // namespace

TEST_CASE("a state dict has torchvision's names and counters, whichever names the network's tensors have") {
  // torchvision's lists have everything but the counters.
  std::ifstream list(std::string(SDEPTH_TESTS_DIR) + "/oracle/torchvision_resnets.txt");
  std::set<std::string> expected;
  for (std::string layers, name, line; list >> layers >> name && std::getline(list, line);) {
    if (layers != "18") continue;
    expected.insert(name);
    if (name.ends_with("running_var"))
      expected.insert(name.substr(0, name.rfind('.')) + ".num_batches_tracked");
  }
  REQUIRE(expected.size() == 122);  // as torch says of resnet18().state_dict()
  using Layers = ImageNetResNet<18, Input<3, 32, 32>, 1000>;
  using Blocks = typename ImageNetResNetOf<Input<3, 32, 32>, 1000, resnet_layers(18), 64, LinearDecay<0.5>,
                                           Gating::per_batch>::type;
  for (const bool own_names : {false, true}) {
    TrainedNetwork trained = own_names ? network_to_export<Blocks>({}, Scaling::train, {})
                                       : network_to_export<Layers>({}, Scaling::train, {});
    trained.numbers.resize(trained.network.tensors.size());
    CHECK(names_of(state_dict(trained)) == expected);
    CHECK(names_of(state_dict(trained, BlockNames::blocks))
              .contains("blocks.2.shortcut.bn.num_batches_tracked"));
  }
}

TEST_CASE(
    "survival probabilities folded into a state dict leave the logits, and it is read by its public names") {
  using N = Net<ProjectionShortcut>;
  const auto weights = some_weights<N>();
  const std::vector<float> images = some_images<N>(2), ones(N::residual_blocks, 1.0F);
  const auto logits = [&](const auto& of, const std::vector<double>& survival, const DepthPlan& plan = {}) {
    return Inference<N, ReferenceDouble>(std::shared_ptr<const Weights<N, ReferenceDouble>>(of),
                                         {survival, Scaling::test, 2, 1, plan})
        .predict(NHWC<float>{images});
  };
  ScratchFolder folder;
  for (const BlockNames names : {BlockNames::layers, BlockNames::blocks})
    for (const bool keep_survival : {false, true}) {
      CAPTURE(keep_survival);
      write_safetensors(folder / "dict", state_dict(trained_network(*weights), names, keep_survival));
      const SafeTensors file = read_safetensors(folder / "dict");
      CHECK(file.find("bn1.num_batches_tracked")->dtype == "I64");
      CHECK(file.find("bn1.num_batches_tracked")->shape.empty());
      CHECK((file.find("layer2.0.downsample.1.running_mean") != nullptr) == (names == BlockNames::layers));
      auto other = std::make_shared<Weights<N, ReferenceDouble>>();
      take_weights(file, other->tensors(), other->parameters().data(), other->running().data());
      const std::vector<double> survival(N::residual_blocks, 1.0);
      const auto expected = logits(weights, {}),
                 found = logits(other, keep_survival ? std::vector<double>{} : survival);
      for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(found[i] == doctest::Approx(static_cast<double>(expected[i])).epsilon(1e-5));
    }

  // Without two blocks, the others are counted anew, and a network of four blocks reads them.
  DepthPlan plan{{1, 0, 1, 1, 0, 1}};
  const SafeTensors shorter = state_dict(trained_network(*weights, {}, Scaling::test, plan));
  CHECK(shorter.find("layer1.1.conv1.weight") == nullptr);
  CHECK(shorter.find("layer2.2.conv1.bias") != nullptr);
  using Four = Network<Input<3, 6, 6>, Conv<4>, BN, ReLU, Block<ProjectionShortcut, 4>,
                       Block<ProjectionShortcut, 6, 2>, Block<ProjectionShortcut, 6>,
                       Drop<Residual<Conv<6, 3, 1, Bias::learned>, LeakyReLU<>>>, GlobalAvgPool, Linear<3>>;
  const TrainedNetwork four = trained_network<Four>(shorter, "the shorter one");
  CHECK(four.numbers.back() == trained_network(*weights).numbers.back());
  CHECK(contains(sentence_of([&] {
                   static_cast<void>(
                       state_dict(trained_network(*weights, {}, Scaling::test, {{1, 1, 0, 1, 1, 1}})));
                 }),
                 "block 2 is dropped but changes the shape"));
}

TEST_CASE("a branch that ends without weights cannot take its survival probability") {
  using N = Network<Input<3, 6, 6>, Conv<4>, ReLU, Drop<Residual<Conv<4>, MaxPool<3, 1, 1>>>, GlobalAvgPool,
                    Linear<3>>;
  const TrainedNetwork trained = trained_network(*some_weights<N>());
  CHECK(contains(sentence_of([&] { static_cast<void>(state_dict(trained)); }),
                 "the branch of block 0 ends with a layer without weights"));
  CHECK(state_dict(trained, BlockNames::layers, true).find("layer1.0.conv1.weight") != nullptr);
}

}  // namespace sdepth::test::state_dict_test
