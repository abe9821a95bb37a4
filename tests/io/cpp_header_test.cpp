// The text of exported headers; that it compiles and predicts is tests/exported's business.
#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/io/cpp_header.hpp>
#include <sdepth/models/cifar_resnet.hpp>

#include "../activations/mish.hpp"
#include "scratch_folder.hpp"
#include "some_weights.hpp"

namespace sdepth::test::cpp_header_test {

namespace {

struct OfThisFile : ActivationWord {
  static constexpr bool derivative_from_output = true;
  template <class V>
  static constexpr V forward(V x) {
    return x;
  }
  template <class V>
  static constexpr V derivative(V) {
    return math::constant<V>(1.0);
  }
};
template <class Act>
using Net = Network<Input<1, 6, 6>, Conv<2>, Act,
                    Repeat<3, StochasticDepth<PreActivation<Conv<2>, BN>, LinearDecay<0.5>>>,
                    StochasticDepth<PreActivationWith<SubsampleShortcut, Conv<4, 3, 2>>, LinearDecay<0.5>>,
                    AvgPool<2>, Linear<2>>;

/// Without line breaks and indents.
std::string in_one_line(const std::string& text) {
  std::string line;
  for (const char c : text)
    if (c != '\n' && !(c == ' ' && line.ends_with(' ')))
      line += c;
    else if (!line.ends_with(' '))
      line += ' ';
  return line;
}

}  // namespace

TEST_CASE("a header says the network in words, and less of it at reduced depth") {
  using N = Net<of_a_user::Mish>;
  const auto weights = some_weights<N>();
  const std::string whole =
      in_one_line(cpp_header(trained_network(*weights), {.name = "net", .comment = ""}));
  CHECK(contains(whole, "namespace net {"));
  CHECK(contains(
      whole,
      "Network< Input<1, 6, 6>, Conv<2, 3, 1, Bias::none, 1>, of_a_user::Mish, "
      "Repeat<3, BasicResidual<PoolShortcut, NoActivation, Conv<2, 3, 1, Bias::none, 1>, BN>>, "
      "BasicResidual<SubsampleShortcut, NoActivation, Conv<4, 3, 2, Bias::none, 1>>, AvgPool<2, 2, 0>, Linear<2, Bias::learned>>;"));
  CHECK(contains(whole, "std::array<double, 4> scales{ 0.875, 0.75, 0.625, 0.5}"));
  CHECK(contains(whole, "std::array<float, 232> numbers{"));
  const std::string shorter = in_one_line(cpp_header(
      trained_network(*weights, {}, Scaling::test, {{1, 0, 1, 0}}), {.name = "net", .comment = ""}));
  CHECK(contains(shorter, "Repeat<2, BasicResidual"));
  CHECK(contains(
      shorter,
      "StochasticDepth<BasicResidual<SubsampleShortcut, NoActivation, Conv<4, 3, 2, Bias::none, 1>>, FixedGates<0>>"));
  CHECK(contains(shorter, "std::array<double, 3> scales{ 0.875, 0.625, 0.5}"));
  CHECK(contains(shorter, "std::array<float, 116> numbers{"));  // less by a branch of 36 + 8 and one of 72
}

TEST_CASE("numbers are literals that the compiler reads as exactly these") {
  CHECK(float_literal(0.1F) == "0.1F");
  CHECK(float_literal(-3.0F) == "-3.0F");
  CHECK(float_literal(1e-30F) == "1e-30F");
  CHECK(float_literal(-0.0F) == "-0.0F");
  CHECK(float_literal(std::numeric_limits<float>::denorm_min()) == "1e-45F");
}

TEST_CASE("names that C++ does not take are refused") {
  const TrainedNetwork trained = trained_network(*some_weights<Net<ReLU>>());
  for (const char* name : {"", "1st", "short", "sdepth", "a-b", "a b", "über"}) {
    CAPTURE(name);
    CHECK(
        contains(sentence_of([&] { static_cast<void>(cpp_header(trained, {.name = name, .comment = ""})); }),
                 "expected a name of C++"));
  }
  for (const char* name : {"_1st", "shorter", "or_not"}) CHECK(is_cpp_name(name));
  const TrainedNetwork local = trained_network(*some_weights<Net<OfThisFile>>());
  CHECK(contains(sentence_of([&] { static_cast<void>(cpp_header(local, {.name = "net", .comment = ""})); }),
                 "has no name outside of its file"));
}

}  // namespace sdepth::test::cpp_header_test
