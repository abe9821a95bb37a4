// The pre-activation ResNets: their sizes, names and PyTorch's numbers.
#include <doctest/doctest.h>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>

#include "../train/pytorch_checks.hpp"
#include "networks.hpp"

namespace sdepth::test::preactivation_resnet_test {

using namespace pytorch;

TEST_CASE("pre-activation ResNets have the sizes of the others, but for their norms") {
  CHECK(PreActivationCifarResNet<110>::residual_blocks == 54);
  // Per group: norms of the first block have the channels of its input. The stem's norm becomes the last one,
  // of 64 channels.
  CHECK(CifarResNet<110>::parameter_count - PreActivationCifarResNet<110>::parameter_count ==
        2 * (16 + 32 + 16 - 64));
  CHECK(PreActivationImageNetResNet<50>::residual_blocks == 16);
  CHECK(PreActivationImageNetResNet<152>::survival[49] == 0.5);
  const auto tensors = PreActivationImageNetResNet<18>::parameters(16);
  CHECK(tensors[0].name == "conv1.weight");
  CHECK(tensors[5].name == "layer1.0.bn1.weight");
  CHECK(tensors[tensors.size() - 6].name == "bn2.weight");
}

TEST_CASE("a narrow pre-activation ResNet has the numbers of the same in PyTorch") {
  const Oracle oracle("imagenet_preactivation");
  check_training_step<NarrowPreActivation, ReferenceDouble>(oracle, "skip.");
  check_test_logits<NarrowPreActivation, ReferenceDouble>(oracle);
}

}  // namespace sdepth::test::preactivation_resnet_test
