#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include <sdepth/core/shape.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/network/parameters.hpp>

#include "scratch_folder.hpp"

namespace sdepth::test::weights_test {

namespace {

/// A 3×3 convolution from 2 to 3 channels, its BN, and a linear layer over 3 channels of 1×2, all padded to 4
/// channels.
struct SmallNetwork {
  std::vector<ParameterInfo> infos = {
      {"conv1.weight", ParameterKind::conv_weight, {3, 2, 3, 3}, 0, -1, {}, 4, 72},
      {"bn1.weight", ParameterKind::bn_weight, {3}, 72, -1, {}, 4, 4},
      {"bn1.bias", ParameterKind::bn_bias, {3}, 76, -1, {}, 4, 4},
      {"bn1.running_mean", ParameterKind::running_mean, {3}, 0, -1, {}, 4, 4},
      {"bn1.running_var", ParameterKind::running_var, {3}, 4, -1, {}, 4, 4},
      {"fc.weight", ParameterKind::linear_weight, {2, 6}, 80, -1, {3, 1, 2}, 4, 24},
      {"fc.bias", ParameterKind::bias, {2}, 104, -1, {}, 4, 4},
  };
  std::vector<float> parameters = std::vector<float>(108);
  std::vector<float> running = std::vector<float>(8);

  /// Sets every number, not the padding, to one of its own.
  void fill() {
    float next = 1.0F;
    for (const ParameterInfo& info : infos)
      for_each_number(info, [&](std::size_t, std::size_t j) {
        (info.trainable() ? parameters : running)[info.offset + j] = next++;
      });
  }
  [[nodiscard]] SafeTensors saved() const {
    SafeTensors file;
    append_weights(file, infos, parameters.data(), running.data());
    return file;
  }
  /// The sentence that taking `file` fails with, after a look that nothing was written.
  [[nodiscard]] std::string refusal(const SafeTensors& file) {
    const std::vector<float> parameters_before = parameters, running_before = running;
    const std::string sentence = sentence_of(
        [&] { take_weights(file, infos, parameters.data(), running.data(), "", "m.safetensors"); });
    CHECK(parameters == parameters_before);
    CHECK(running == running_before);
    return sentence;
  }
};

}  // namespace

TEST_CASE("weights come back into their places through a file, with PyTorch's names and shapes between") {
  const ScratchFolder folder;
  SmallNetwork network, other;
  network.fill();
  write_safetensors(folder / "a", network.saved());
  const SafeTensors file = read_safetensors(folder / "a");
  REQUIRE(file.tensors.size() == 7);
  CHECK(file.find("conv1.weight")->shape == std::vector<std::int64_t>{3, 2, 3, 3});
  CHECK(file.find("bn1.running_var")->values == std::vector<float>{64, 65, 66});
  take_weights(file, other.infos, other.parameters.data(), other.running.data());
  CHECK(other.parameters == network.parameters);
  CHECK(other.running == network.running);
}

TEST_CASE("momentum lives beside the weights under a prefix, without running statistics") {
  SmallNetwork network, other;
  network.fill();
  SafeTensors file;
  append_weights(file, network.infos, network.parameters.data(), network.running.data(), "model.");
  append_weights<float>(file, network.infos, network.parameters.data(), nullptr, "momentum.");
  CHECK(file.tensors.size() == 7 + 5);
  CHECK(file.find("momentum.fc.bias") != nullptr);
  take_weights<float>(file, other.infos, other.parameters.data(), nullptr, "momentum.");
  CHECK(other.parameters == network.parameters);
  CHECK(std::count(other.running.begin(), other.running.end(), 0.0F) == 8);
  take_weights(file, other.infos, other.parameters.data(), other.running.data(), "model.");
  CHECK(other.running == network.running);
  CHECK(contains(
      other.refusal(file),
      "does not fit the network, it lacks conv1.weight, bn1.weight and 5 more and has \"model.conv1.weight\""));
}

TEST_CASE("double weights are stored as float") {
  SmallNetwork network;
  const std::vector<double> parameters(108, 0.1), running(8, 0.2);
  SafeTensors file;
  append_weights(file, network.infos, parameters.data(), running.data());
  CHECK(file.find("fc.bias")->values == std::vector<float>{0.1F, 0.1F});
  std::vector<double> parameters_back(108), running_back(8);
  take_weights(file, network.infos, parameters_back.data(), running_back.data());
  CHECK(parameters_back[104] == static_cast<double>(0.1F));
}

TEST_CASE(
    "missing, extra, mis-shaped, integer and infinite tensors are refused by name, and the network keeps its weights") {
  SmallNetwork network;
  network.fill();
  const SafeTensors good = network.saved();
  CHECK(network.refusal(good).empty());

  SafeTensors file = good;
  file.tensors.erase(file.tensors.begin());
  CHECK(
      contains(network.refusal(file), "m.safetensors: lacks conv1.weight of the network; choose the model"));
  file.tensors.erase(file.tensors.begin());
  CHECK(contains(network.refusal(file), "lacks conv1.weight and bn1.weight of the network"));

  file = good;
  file.tensors.push_back({"bn2.weight", {3}, {1, 2, 3}});
  CHECK(contains(network.refusal(file), "m.safetensors: has \"bn2.weight\", which the network lacks"));
  file.tensors[0].name = "conv.weight";
  CHECK(
      contains(network.refusal(file),
               "it lacks conv1.weight and has \"conv.weight\" and \"bn2.weight\", which the network lacks"));

  file = good;
  file.tensors[5].shape = {6, 2};
  CHECK(contains(network.refusal(file), "fc.weight has the shape [6, 2], the network's is [2, 6]"));

  file = good;
  file.tensors[6].dtype = "I64";
  file.tensors[6].values.clear();
  CHECK(contains(network.refusal(file), "fc.bias holds numbers of type I64, expected F32"));

  file = good;
  file.tensors[6].values[1] = std::numeric_limits<float>::infinity();
  CHECK(contains(network.refusal(file), "fc.bias holds a number that is not finite"));

  file = good;
  file.tensors[4].values[2] = -1e-30F;
  CHECK(contains(network.refusal(file),
                 "m.safetensors: bn1.running_var holds a negative number, which no variance is"));
  file.tensors[4].values[2] = 0.0F;
  file.tensors[3].values[2] = -1.0F;  // a mean may be negative
  CHECK(sentence_of([&] {
          take_weights(file, network.infos, network.parameters.data(), network.running.data());
        }).empty());
}

TEST_CASE("PyTorch's counter of batches is ignored") {
  SmallNetwork network;
  network.fill();
  SafeTensors file = network.saved();
  file.tensors.push_back({"bn1.num_batches_tracked", {}, {}, "I64"});
  CHECK(network.refusal(file).empty());
}

TEST_CASE("a network that has diverged is not saved") {
  SmallNetwork network;
  network.fill();
  network.running[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK(contains(sentence_of([&] { (void)network.saved(); }),
                 "the training has diverged: bn1.running_var holds a number that is not finite"));
  network.fill();
  network.parameters[3] = std::numeric_limits<float>::quiet_NaN();  // padding, which is not saved
  CHECK(sentence_of([&] { (void)network.saved(); }).empty());
}

namespace {

/// Two layers of blocks, the second of which begins with a projection; without norms, which are named alike.
struct BlocksOfTwoLayers {
  std::vector<ParameterInfo> infos;
  std::vector<float> parameters = std::vector<float>(13);
  explicit BlocksOfTwoLayers(const std::vector<std::string>& names) {
    for (std::size_t i = 0; i < names.size(); ++i)
      infos.push_back({names[i], ParameterKind::bias, {1}, i, -1, {}, 1, 1});
  }
  std::string take(const SafeTensors& file) {
    return sentence_of(
        [&] { take_weights<float>(file, infos, parameters.data(), nullptr, "", "m.safetensors"); });
  }
};
const std::vector<std::string> own_names{"conv1.weight",
                                         "blocks.0.conv1.weight",
                                         "blocks.1.conv1.weight",
                                         "blocks.2.conv1.weight",
                                         "blocks.2.shortcut.conv.weight",
                                         "blocks.2.shortcut.bn.bias",
                                         "blocks.10.conv1.weight",
                                         "fc.bias"};

SafeTensors named(const std::vector<std::string>& names) {
  SafeTensors file;
  for (std::size_t i = 0; i < names.size(); ++i)
    file.tensors.push_back({names[i], {1}, {static_cast<float>(1 + i)}});
  return file;
}

}  // namespace

TEST_CASE("names of public ResNets are those of the same places in the network") {
  std::vector<std::string> counted = own_names;
  counted[6] = "blocks.3.conv1.weight";
  const std::vector<std::string> layers{"conv1.weight",
                                        "layer1.0.conv1.weight",
                                        "layer1.1.conv1.weight",
                                        "layer2.0.conv1.weight",
                                        "layer2.0.downsample.0.weight",
                                        "layer2.0.downsample.1.bias",
                                        "layer2.1.conv1.weight",
                                        "fc.bias"};
  std::vector<std::string> wrapped, cifar = layers;
  for (const std::string& name : layers) wrapped.push_back("module._orig_mod." + name);
  cifar[4] = "layer2.0.shortcut.0.weight", cifar[5] = "layer2.0.shortcut.1.bias", cifar[7] = "linear.bias";
  for (const auto& theirs : {layers, wrapped, cifar, counted})
    for (const auto& ours : {counted, layers}) {
      BlocksOfTwoLayers network(ours);
      SafeTensors file = named(theirs);
      file.tensors.push_back(
          {theirs[0].substr(0, theirs[0].find("conv1")) + "bn1.num_batches_tracked", {}, {}, "I64"});
      std::ranges::reverse(file.tensors);  // places are told by names, not by the order
      CHECK(network.take(file) == "");
      for (std::size_t i = 0; i < 8; ++i) CHECK(network.parameters[i] == static_cast<float>(1 + i));
    }
  // Ten blocks and more are counted as numbers, not as texts.
  std::vector<std::string> many, of_layer;
  for (int i = 0; i < 12; ++i) {
    many.push_back("blocks." + std::to_string(i) + ".conv1.weight");
    of_layer.push_back("layer1." + std::to_string(i) + ".conv1.weight");
  }
  BlocksOfTwoLayers network(many);
  CHECK(network.take(named(of_layer)) == "");
  for (std::size_t i = 0; i < 12; ++i) CHECK(network.parameters[i] == static_cast<float>(1 + i));
}

TEST_CASE("what does not fit by any naming is a sentence with the names that both have") {
  BlocksOfTwoLayers network({"conv1.weight", "blocks.0.conv1.weight", "fc.bias"});
  const auto sentence = [&](const std::vector<std::string>& names) { return network.take(named(names)); };
  CHECK(contains(sentence({"conv1.weight", "layer1.0.conv1.weight", "layer1.1.conv1.weight", "fc.bias"}),
                 "has \"layer1.1.conv1.weight\", which the network lacks"));
  CHECK(contains(sentence({"conv1.weight", "layer1.0.conv1.weight"}), "lacks fc.bias of the network"));
  CHECK(contains(sentence({"conv1.weight", "layer1.0.conv1.weight", "fc.bias", "linear.bias"}),
                 "are both names of one tensor"));
  CHECK(contains(
      sentence({"conv1.weight", "layer1.0.conv1.weight", "layer1.0.downsample.0.weight", "fc.bias"}),
      "its shortcuts are convolutions (\"layer1.0.downsample.0.weight\"), and this network's have no weights"));
  CHECK(contains(sentence({"module.conv1.weight", "layer1.0.conv1.weight", "fc.bias"}),
                 "has \"module.conv1.weight\""));
}

}  // namespace sdepth::test::weights_test
