// The ImageNet ResNets: their published sizes, torchvision's names, shapes and numbers.
#include <doctest/doctest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/survival_over_time.hpp>

#include "../train/pytorch_checks.hpp"
#include "networks.hpp"

namespace sdepth::test::imagenet_resnet_test {

using namespace pytorch;

namespace {

/// Lines "layers name extents" of torchvision's resnet of so many layers.
std::vector<std::string> torchvision_tensors(int layers) {
  std::ifstream file(std::string(SDEPTH_TESTS_DIR) + "/oracle/torchvision_resnets.txt");
  const std::string begin = std::to_string(layers) + " ";
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(begin)) lines.push_back(line);
  return lines;
}

template <class Net>
std::vector<std::string> our_tensors(int layers) {
  std::vector<std::string> lines;
  for (const ParameterInfo& tensor : Net::parameters(16)) {
    std::ostringstream line;
    line << layers << " " << tensor.name;
    for (const auto extent : tensor.shape) line << " " << extent;
    lines.push_back(line.str());
  }
  return lines;
}

}  // namespace

TEST_CASE("ResNet-18, 50 and 152 have torchvision's tensors, by name and shape") {
  // torchvision's order differs nowhere but in blocks with a projection, of which ours stands last as well.
  CHECK(our_tensors<ResNet18>(18) == torchvision_tensors(18));
  CHECK(our_tensors<ResNet50>(50) == torchvision_tensors(50));
  CHECK(our_tensors<ResNet152>(152) == torchvision_tensors(152));
  CHECK(torchvision_tensors(152).size() == 777);
}

TEST_CASE("the ImageNet ResNets have their published numbers") {
  CHECK(ResNet18::parameter_count == 11'689'512);  // torchvision's documentation
  CHECK(ResNet34::parameter_count == 21'797'672);
  CHECK(ResNet50::parameter_count == 25'557'032);
  CHECK(ResNet101::parameter_count == 44'549'160);
  CHECK(ResNet152::parameter_count == 60'192'808);
  CHECK(ResNet18::operations_per_image == doctest::Approx(2 * 1.814e9).epsilon(1e-3));
  CHECK(ResNet50::operations_per_image == doctest::Approx(2 * 4.089e9).epsilon(1e-3));
  CHECK(ResNet152::operations_per_image == doctest::Approx(2 * 11.514e9).epsilon(1e-3));
  using Paper = ImageNetResNet<152>;
  CHECK(Paper::residual_blocks == 50);
  CHECK(Paper::survival[49] == 0.5);
  CHECK(Paper::survival[0] == doctest::Approx(0.99));
  CHECK(ResNet152::expected_depth == 50);
  CHECK(ImageNetResNet<50, Input<3, 97, 65>, 37>::output == Shape{37, 1, 1});
  // A type made of a network by inheritance is one everywhere; this looks at its words.
  CHECK(survival_at<Paper>(1.0) == std::vector<double>(Paper::survival.begin(), Paper::survival.end()));
}

// On one backend each: what a backend makes of every layer and shape, other tests ask.
TEST_CASE("a narrow ResNet of basic blocks has torchvision's numbers, with blocks open and skipped") {
  const Oracle oracle("imagenet_basic");
  for (const char* prefix : {"open.", "skip."}) check_training_step<NarrowBasic, Cpu<>>(oracle, prefix);
  check_test_logits<NarrowBasic, Cpu<>>(oracle);
}

TEST_CASE("a narrow ResNet of bottlenecks, too") {
  const Oracle oracle("imagenet_bottleneck");
  check_training_step<NarrowBottleneck, ReferenceDouble>(oracle, "skip.");
  check_test_logits<NarrowBottleneck, ReferenceDouble>(oracle);
}

}  // namespace sdepth::test::imagenet_resnet_test
