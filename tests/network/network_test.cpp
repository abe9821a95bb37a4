// What a network's type knows: shapes, survival table, parameter and operation counts, names and storage.
#include <doctest/doctest.h>

#include <set>
#include <string>

#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

namespace sdepth::test::network_test {

TEST_CASE("the paper's ResNet-110 has its published numbers") {
  using Net = CifarResNet<110>;
  CHECK(Net::residual_blocks == 54);
  CHECK(Net::survival[0] == doctest::Approx(0.990741).epsilon(1e-6));
  CHECK(Net::survival[53] == 0.5);
  CHECK(Net::expected_depth == doctest::Approx(40.25).epsilon(1e-12));
  CHECK(Net::parameter_count == 1'727'962);  // He et al.: 1.7 M
  CHECK(Net::operations_per_image == doctest::Approx(2 * 252.9e6).epsilon(1e-3));
  CHECK(1 - Net::expected_operations_per_image / Net::operations_per_image ==
        doctest::Approx(0.254).epsilon(0.01));
  CHECK(CifarResNet<20>::parameter_count == 269'722);
  CHECK(CifarResNet<1202>::residual_blocks == 600);
  CHECK(CifarResNet<1202>::parameter_count == 19'421'274);
}

TEST_CASE("l counts StochasticDepth blocks alone, and a schedule of one's own takes five lines") {
  struct Steps {
    static constexpr double survival(int l, int L) { return l <= L / 2 ? 1.0 : 0.25; }
  };
  using Plain = Residual<Conv<8>, BN>;
  using Net = Network<Input<1, 8, 8>, Conv<8>, ReLU, Plain, StochasticDepth<Plain, Steps>, Repeat<2, Plain>,
                      Repeat<3, StochasticDepth<Plain, Steps>>>;
  CHECK(Net::residual_blocks == 7);
  CHECK(Net::stochastic_blocks == 4);
  CHECK(Net::survival == std::array{1.0, 1.0, 1.0, 1.0, 1.0, 0.25, 0.25});
  CHECK(Net::stochastic == std::array{false, true, false, false, true, true, true});
}

TEST_CASE("tensors have PyTorch's names and shapes, fill their storage without gaps, and know their block") {
  using Net = Network<Input<3, 16, 16>, Conv<8, 5, 1, Bias::learned>, BN, ReLU,
                      StochasticDepth<Residual<Conv<8>, BN, ReLU, Conv<8>, BN>, Uniform<0.5>>,
                      ResidualWith<ProjectionShortcut, Conv<12, 3, 2>, BN>, GlobalAvgPool, Linear<10>>;
  const auto tensors = Net::parameters(16);
  std::set<std::string> names;
  std::size_t trainable = 0, running = 0, real = 0;
  for (const ParameterInfo& tensor : tensors) {
    CAPTURE(tensor.name);
    CHECK(names.insert(tensor.name).second);
    std::size_t& next = tensor.trainable() ? trainable : running;
    CHECK(tensor.offset == next);
    next += tensor.size;
    std::size_t count = 1;
    for (const auto extent : tensor.shape) count *= static_cast<std::size_t>(extent);
    if (tensor.trainable()) real += count;
    const bool in_branch =
        tensor.name.rfind("blocks.", 0) == 0 && tensor.name.find("shortcut") == std::string::npos;
    CHECK(tensor.block == (in_branch ? tensor.name[7] - '0' : -1));
  }
  CHECK(trainable == Net::storage(16).trainable);
  CHECK(running == Net::storage(16).running);
  CHECK(real == Net::parameter_count);
  for (const char* name : {"conv1.weight", "conv1.bias", "bn1.running_var", "blocks.0.conv2.weight",
                           "blocks.0.bn2.bias", "blocks.1.conv1.weight", "blocks.1.shortcut.conv.weight",
                           "blocks.1.shortcut.bn.running_mean", "fc.weight", "fc.bias"})
    CHECK(names.count(name) == 1);
  CHECK(tensors.front().shape == std::vector<std::int64_t>{8, 3, 5, 5});
}

TEST_CASE("the memory plan of ResNet-110 keeps two raw tensors and one finished one per block") {
  using Net = CifarResNet<110>;
  constexpr detail::ActivationSizes sizes = Net::Stages::activations(16);
  // numbers of one tensor in the first group; half in the second, a quarter in the third
  const std::size_t group = 16 * 32 * 32;
  const std::size_t blocks = 18 * 3 * group + 18 * 3 * group / 2 + 18 * 3 * group / 4;
  CHECK(sizes.largest == group);
  CHECK(sizes.kept >= blocks);
  CHECK(sizes.kept <= blocks + 4 * group);
}

}  // namespace sdepth::test::network_test
