// The backends keep the contract, and the contract sees what is missing.
#include <doctest/doctest.h>

#include <sdepth/kernels/backend.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>

namespace sdepth::test::backend_test {
namespace {

struct WithoutPools : Reference {
  static void pool_forward() {}
};
struct WithoutStrides : Reference {
  template <ConvShape S, class A>
    requires(S.stride > 1)
  static void conv_forward(Context&, int, const Source<float>&, const float*, const float*, float*,
                           Statistics<float>) {}
};
struct WithoutInference : Reference {
  using ForInference = void;
};

TEST_CASE("the host's backends are backends, those that lack a function are not") {
  CHECK(CheckedBackend<Reference>::said);
  CHECK(CheckedBackend<ReferenceDouble>::said);
  CHECK(CheckedBackend<Cpu<>>::said);
  CHECK((InferenceBackend<Reference> && InferenceBackend<ReferenceDouble> && InferenceBackend<Cpu<>>));
  CHECK_FALSE(TrainingBackend<WithoutPools>);
  CHECK_FALSE(TrainingBackend<WithoutStrides>);
  CHECK((TrainingBackend<WithoutInference> && !InferenceBackend<WithoutInference>));
}

}  // namespace
}  // namespace sdepth::test::backend_test
