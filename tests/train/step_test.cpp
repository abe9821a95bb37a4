// A step in its halves, other losses and optimizers, and the user's own, on the backends of the host.
#include <sdepth/kernels/cpu/cpu.hpp>

#include "step_checks.hpp"

namespace sdepth::test::step_test {

TEST_CASE("a step in halves, mini-batches, other losses and optimizers, the user's own: on the CPU") {
  step_checks::check_all<Cpu<>>();
}
TEST_CASE("… on the reference") { step_checks::check_all<Reference>(); }

}  // namespace sdepth::test::step_test
