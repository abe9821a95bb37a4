// A public CIFAR ResNet: by its names, out of half precision, with the shortcuts of option A, it has
// PyTorch's logits.
#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <sdepth/io/option_a.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/state_dict.hpp>
#include <sdepth/io/trained_network.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/run/inference.hpp>

#include "../run/distance.hpp"
#include "scratch_folder.hpp"
#include "some_weights.hpp"

namespace sdepth::test::option_a_test {

namespace {

template <class Shortcut, int C, int Stride = 1>
using Block = StochasticDepth<BasicBlock<C, Stride, Shortcut>, Uniform<1.0>>;
template <class Shortcut>
using Net =
    Network<Input<3, 12, 12>, Conv<4>, BN, ReLU, Repeat<2, Block<Shortcut, 4>>, Block<Shortcut, 8, 2>,
            Block<Shortcut, 8>, Block<Shortcut, 16, 2>, Block<Shortcut, 16>, GlobalAvgPool, Linear<10>>;

SafeTensors oracle(const std::string& name) {
  return read_safetensors(std::string(SDEPTH_TESTS_DIR) + "/oracle/" + name + ".safetensors");
}

/// The logits of a network that was exported, as a network of type N reads it.
template <class N>
std::vector<float> logits_of(const TrainedNetwork& trained, const std::vector<float>& images) {
  auto weights = std::make_shared<Weights<N, ReferenceDouble>>();
  take_weights(state_dict(trained), weights->tensors(), weights->parameters().data(),
               weights->running().data());
  return Inference<N, ReferenceDouble>(std::shared_ptr<const Weights<N, ReferenceDouble>>(weights))
      .predict(NHWC<float>{images});
}

}  // namespace

TEST_CASE("a public CIFAR ResNet has PyTorch's logits where its shortcuts are understood, and only there") {
  const SafeTensors expected = oracle("public_resnet_logits");
  const std::vector<float>&images = expected.find("images")->values,
        &logits = expected.find("logits")->values;
  const SafeTensors file = oracle("public_resnet");
  REQUIRE(file.tensors.front().name.starts_with("module."));
  const auto read = [&](ShortcutKind kind) {
    TrainedNetwork trained = trained_network<Net<PoolShortcut>>(file, "public_resnet");
    set_shortcuts(trained, kind);
    return trained;
  };
  CHECK(distance(logits_of<Net<SubsampleShortcut>>(read(ShortcutKind::subsample_centred), images), logits) <
        1e-6);
  CHECK(distance(logits_of<Net<SubsampleShortcut>>(read(ShortcutKind::subsample), images), logits) > 1e-3);
  CHECK(distance(logits_of<Net<PoolShortcut>>(read(ShortcutKind::pool), images), logits) > 1e-3);
  const TrainedNetwork same = read(ShortcutKind::subsample),
                       raw = trained_network<Net<SubsampleShortcut>>(file, "public_resnet");
  CHECK(same.numbers == raw.numbers);  // nothing is reordered where nothing need be
}

TEST_CASE("where channels cannot stand in another order is a sentence") {
  using Odd = Network<Input<3, 6, 6>, Conv<4>, ReLU, StochasticDepth<Residual<Conv<7, 3, 2>>, Uniform<1.0>>,
                      GlobalAvgPool, Linear<2>>;
  TrainedNetwork odd = trained_network(*some_weights<Odd>());
  CHECK(
      contains(sentence_of([&] { set_shortcuts(odd, ShortcutKind::subsample_centred); }), "3 new channels"));
  using NoWeights =
      Network<Input<3, 6, 6>, Conv<4>, ReLU, StochasticDepth<Residual<Conv<6, 3, 2>>, Uniform<1.0>>,
              StochasticDepth<Residual<MaxPool<3, 1, 1>>, Uniform<1.0>>, GlobalAvgPool, Linear<2>>;
  TrainedNetwork pools = trained_network(*some_weights<NoWeights>());
  // pools leave channels where they are
  CHECK(sentence_of([&] { set_shortcuts(pools, ShortcutKind::subsample_centred); }).empty());
}

}  // namespace sdepth::test::option_a_test
