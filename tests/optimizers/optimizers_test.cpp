// Optimizers against PyTorch's numbers, on every backend of the host.
#include "optimizer_checks.hpp"

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>

namespace sdepth::test::optimizers_test {

TEST_CASE("optimizers, accumulation, clipping, groups and averages: PyTorch's numbers on the CPU") {
  optimizer_checks::check_all<sdepth::Cpu<>>();
}
TEST_CASE("… on the reference") { optimizer_checks::check_all<sdepth::Reference>(); }
TEST_CASE("… in double") { optimizer_checks::check_all_updates<sdepth::ReferenceDouble>(); }

TEST_CASE("options that nothing can be trained with are refused by name") {
  using namespace sdepth;
  CHECK_THROWS_WITH_AS(check_options<AdamW>({.beta1 = 1}), doctest::Contains("options: beta1 is 1"), Error);
  CHECK_THROWS_WITH_AS(check_options<AdamW>({.epsilon = 0}), doctest::Contains("options: epsilon is 0"),
                       Error);
  // 0 as a float
  CHECK_THROWS_WITH_AS(check_options<AdamW>({.epsilon = 1e-60}),
                       doctest::Contains("options: epsilon is 1e-60"), Error);
  CHECK_THROWS_WITH_AS(check_options<AdamW>({.weight_decay = -1}),
                       doctest::Contains("options: weight_decay is -1"), Error);
  CHECK_THROWS_WITH_AS(check_options<Lion>({.beta2 = 1.5}), doctest::Contains("options: beta2 is 1.5"),
                       Error);
}

}  // namespace sdepth::test::optimizers_test
