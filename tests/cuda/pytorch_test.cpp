// Training steps on the device against PyTorch's numbers: the bodies that all backends share.
#include <sdepth/cuda.hpp>

#include "../models/networks.hpp"
#include "../train/pytorch_checks.hpp"

namespace sdepth::test::pytorch_test {

using namespace pytorch;

TEST_CASE(
    "a net with every kind of layer, on the device: PyTorch's loss, gradients, statistics and logits, with some blocks skipped") {
  const Oracle oracle("zoo");
  for (const char* prefix : {"open.", "skip_a.", "skip_b."}) check_training_step<Zoo, Cuda<>>(oracle, prefix);
  check_test_logits<Zoo, Cuda<>>(oracle);
}

TEST_CASE("a net with every activation, on the device") {
  const Oracle oracle("activation_zoo");
  for (const char* prefix : {"open.", "skip_a.", "skip_b."})
    check_training_step<ActivationZoo, Cuda<>>(oracle, prefix);
  check_test_logits<ActivationZoo, Cuda<>>(oracle);
}

TEST_CASE("strides that leave a remainder, with every kind of shortcut, on the device") {
  const Oracle oracle("odd_extents");
  for (const char* prefix : {"open.", "skip."}) check_training_step<OddExtents, Cuda<>>(oracle, prefix);
  check_test_logits<OddExtents, Cuda<>>(oracle);
}

}  // namespace sdepth::test::pytorch_test
