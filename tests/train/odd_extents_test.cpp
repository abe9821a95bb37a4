// PyTorch's rule for strides that leave a remainder: numbers of training and inference.
#include <doctest/doctest.h>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>

#include "../train/pytorch_checks.hpp"
#include "../models/networks.hpp"

namespace sdepth::test::odd_extents_test {

using namespace pytorch;

TEST_CASE_TEMPLATE("strides that leave a remainder give PyTorch's numbers, with every kind of shortcut",
                   Backend, ReferenceDouble, Cpu<>) {
  const Oracle oracle("odd_extents");
  for (const char* prefix : {"open.", "skip."}) check_training_step<OddExtents, Backend>(oracle, prefix);
  check_test_logits<OddExtents, Backend>(oracle);
}

}  // namespace sdepth::test::odd_extents_test
