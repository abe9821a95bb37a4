// The numbers of training and inference against PyTorch's in float64: logits, loss, every gradient, running
// statistics, runs of SGD.
#include <doctest/doctest.h>

#include <string>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>

#include "pytorch_checks.hpp"

namespace sdepth::test::pytorch_test {

using namespace pytorch;

/// The convolution kernels that users may choose instead of the default.
using Direct = Cpu<xsimd::default_arch, cpu::Direct>;

TEST_CASE_TEMPLATE("ResNet-20: loss, gradients, running statistics and test logits are PyTorch's", Backend,
                   ReferenceDouble, Reference, Direct, Cpu<>) {
  const Oracle oracle("resnet20");
  check_training_step<CifarResNet<20>, Backend>(oracle, "");
  check_test_logits<CifarResNet<20>, Backend>(oracle);
}

TEST_CASE_TEMPLATE("a net with every kind of layer: the same, with all blocks open and with some skipped",
                   Backend, ReferenceDouble, Reference, Cpu<>) {
  const Oracle oracle("zoo");
  for (const char* prefix : {"open.", "skip_a.", "skip_b."})
    check_training_step<Zoo, Backend>(oracle, prefix);
  check_test_logits<Zoo, Backend>(oracle);
}

TEST_CASE_TEMPLATE("a net with every activation: the same, wherever one is pending", Backend, ReferenceDouble,
                   Reference, Cpu<>) {
  const Oracle oracle("activation_zoo");
  for (const char* prefix : {"open.", "skip_a.", "skip_b."})
    check_training_step<ActivationZoo, Backend>(oracle, prefix);
  check_test_logits<ActivationZoo, Backend>(oracle);
}

TEST_CASE_TEMPLATE("SGD with given gates follows PyTorch, for both skip-update policies and both scalings",
                   Backend, ReferenceDouble, Cpu<>) {
  for (const SkipUpdate skip_update : {SkipUpdate::as_code, SkipUpdate::frozen})
    for (const Scaling scaling : {Scaling::test, Scaling::train}) {
      CAPTURE(static_cast<int>(skip_update));
      CAPTURE(static_cast<int>(scaling));
      check_sgd<Backend>(skip_update, scaling);
    }
}

}  // namespace sdepth::test::pytorch_test
