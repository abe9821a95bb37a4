// How far the kernels are from the reference, which accumulates in double, on the convolutions of a CIFAR
// ResNet at a training step's batch.
#include "stage_cases.hpp"

namespace sdepth::test::accuracy_test {
namespace {

constexpr int batch = 128;

/// Relative L2 errors of one shape on every backend of a list. The bounds are about twice what was measured
/// (forward and input gradient up to 9e-7, weight gradient 1e-6), a fraction of what the project allows
/// itself, 5e-6 and 2e-5: the customary interpolation points exceed them.
template <ConvShape S, class... B>
void check_accuracy(std::tuple<B...>) {
  CAPTURE(S.in.channels);
  const Backward plain{.norm = false, .sums = false};
  const Results forward = run_conv_forward<Reference, S>(batch, 1, {}),
                backward = run_conv_backward<Reference, S>(batch, 1, {}, plain);
  const auto check = [&]<class Backend>(std::type_identity<Backend>) {
    CAPTURE(Backend::lanes);
    const double out =
        relative_error(run_conv_forward<Backend, S>(batch, 2, {}).at("out"), forward.at("out"));
    const Results gradients = run_conv_backward<Backend, S>(batch, 2, {}, plain);
    const double input = relative_error(gradients.at("out"), backward.at("out"));
    const double weight = relative_error(gradients.at("weight gradient"), backward.at("weight gradient"));
    MESSAGE(S.in.channels, " channels, ", Backend::lanes, " lanes: forward ", out, ", input gradient ", input,
            ", weight gradient ", weight);
    CHECK(out < 1.5e-6);
    CHECK(input < 1.5e-6);
    CHECK(weight < 2e-6);
  };
  (check(std::type_identity<B>{}), ...);
}

TEST_CASE("relative errors of 16 channels at 32x32") {
  check_accuracy<ConvShape{{16, 32, 32}, 16, 3, 1, 1}>(Backends{});
}
TEST_CASE("relative errors of 32 channels at 16x16") {
  check_accuracy<ConvShape{{32, 16, 16}, 32, 3, 1, 1}>(Backends{});
}
TEST_CASE("relative errors of 64 channels at 8x8") {
  check_accuracy<ConvShape{{64, 8, 8}, 64, 3, 1, 1}>(Backends{});
}

}  // namespace
}  // namespace sdepth::test::accuracy_test
