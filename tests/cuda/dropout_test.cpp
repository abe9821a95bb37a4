// Dropout on the device: the same numbers become zero.
#include <sdepth/cuda.hpp>

#include "../train/dropout_checks.hpp"

namespace sdepth::test::dropout_test {

TEST_CASE("a step with dropouts on the device is the reference's") {
  dropout::check_like_reference<sdepth::Cuda<>>();
}

}  // namespace sdepth::test::dropout_test
