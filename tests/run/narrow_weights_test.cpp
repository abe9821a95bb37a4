// Networks whose folded weights lie in memory in 16 bits: the same on every backend that rounds the same
// numbers, close to floats, refused where they do not fit.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <sdepth/net.hpp>
#include <sdepth/run/inference.hpp>

#include "backends.hpp"
#include "distance.hpp"

namespace sdepth::test::narrow_weights_test {

namespace {

/// Every kind of operation: a stem, blocks in place and with a projection, Winograd and direct kernels, a
/// norm alone, linear layers of several pixels and of one.
template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.5>>;
using Net =
    Network<Input<3, 16, 12>, Conv<16>, BN, ReLU, Repeat<2, Drop<Residual<Conv<16>, BN, ReLU, Conv<16>, BN>>>,
            Drop<PreActivationWith<ProjectionShortcut, BN, ReLU, Conv<24, 3, 2>, BN, ReLU, Conv<24>>>, BN,
            ReLU, Linear<9>, BN, ReLU, Linear<5>>;

[[nodiscard]] double random_number(std::uint64_t i, std::uint32_t j) {
  return 2 * uniform(random_words(9, Purpose::synthetic, i, j)[0]) - 1;
}
[[nodiscard]] std::vector<float> some_images(int count) {
  std::vector<float> images(static_cast<std::size_t>(count) * Net::input.size());
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(random_number(i, 1));
  return images;
}
/// The same numbers on every backend, those of one tensor `factor` times as large.
template <class Backend>
[[nodiscard]] std::shared_ptr<Weights<Net, Backend>> some_weights(const std::string& scaled = "",
                                                                  double factor = 1) {
  auto weights = std::make_shared<Weights<Net, Backend>>();
  initialise(*weights, 3, GammaInit::uniform);
  for (const ParameterInfo& tensor : weights->tensors())
    for (std::size_t i = 0; tensor.name == scaled && i < tensor.size; ++i)
      weights->parameters()[tensor.offset + i] *= static_cast<typename Backend::Scalar>(factor);
  return weights;
}
template <class Backend, class Weight>
[[nodiscard]] std::vector<float> logits_of(int batch, int threads) {
  return Inference<Net, Backend, Weight>(some_weights<Backend>(), {.batch = batch, .threads = threads})
      .predict(NHWC<float>{some_images(5)});
}

}  // namespace

TEST_CASE_TEMPLATE("direct kernels give the logits of the reference, which rounds the same folded weights",
                   Weight, float16, bfloat16) {
  const std::vector<float> expected = logits_of<Reference, Weight>(5, 1);
  CHECK(distance(logits_of<Cpu<xsimd::default_arch, cpu::Direct>, Weight>(5, 1), expected) < 2e-6);
  CHECK(distance(expected, logits_of<Reference, float>(5, 1)) > 2e-5);  // it rounds at all
}
TEST_CASE_TEMPLATE(
    "Winograd's are near those of floats, and the same bits in any batch on any number of threads", Weight,
    float16, bfloat16) {
  const std::vector<float> one = logits_of<Cpu<>, Weight>(1, 1);
  const double error = distance(one, logits_of<Cpu<>, float>(5, 1));
  MESSAGE("relative error of the logits ", error);
  CHECK(error < (std::is_same_v<Weight, float16> ? 2e-4 : 1.8e-3));
  CHECK(logits_of<Cpu<>, Weight>(4, 1) == one);
  CHECK(logits_of<Cpu<>, Weight>(5, 3) == one);
}
TEST_CASE("weights in 16 bits take half the memory, be they shared or not") {
  const auto weights = some_weights<Cpu<>>();
  const auto narrow = std::make_shared<const FoldedWeights<Net, Cpu<>, float16>>(*weights);
  const FoldedWeights<Net, Cpu<>> wide(*weights);
  CHECK(static_cast<double>(narrow->size()) < 0.52 * static_cast<double>(wide.size()));
  CHECK(Inference<Net, Cpu<>, float16>(narrow, 3).predict(NHWC<float>{some_images(5)}) ==
        logits_of<Cpu<>, float16>(5, 1));
}
TEST_CASE("weights beyond float16 are refused in a sentence, and are none beyond bfloat16") {
  for (const char* tensor : {"conv1.weight", "fc2.weight"}) {
    CAPTURE(tensor);
    const auto weights = some_weights<Cpu<>>(tensor, 1e6);
    CHECK_THROWS_WITH_AS((FoldedWeights<Net, Cpu<>, float16>(*weights)),
                         doctest::Contains("float16 holds them up to 43000; store weights as"), Error);
    const std::vector<float> images = some_images(2);
    const auto narrow = Inference<Net, Cpu<>, bfloat16>(weights).predict(NHWC<float>{images});
    CHECK(distance(narrow, Inference<Net, Cpu<>>(weights).predict(NHWC<float>{images})) < 5e-2);
  }
}

}  // namespace sdepth::test::narrow_weights_test
