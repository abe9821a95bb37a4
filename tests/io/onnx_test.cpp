// Written ONNX models, read back and computed in double by their operators' definitions, give the logits of
// Inference. With a folder in SDEPTH_ONNX_OUT they are left there, for tests/io/check_onnx.py to show them to
// ONNX Runtime.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/hardswish.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/activations/silu.hpp>
#include <sdepth/io/npy.hpp>
#include <sdepth/io/onnx.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/models/preactivation_resnet.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/run/inference.hpp>

#include "../activations/mish.hpp"
#include "onnx_evaluator.hpp"
#include "scratch_folder.hpp"
#include "some_weights.hpp"

namespace sdepth::test::onnx_test {

namespace {

template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.4>>;

// The paper's blocks, with extents that strides do not divide.
using Paper = Network<Input<3, 7, 9>, Conv<4>, BN, ReLU, Repeat<2, Drop<BasicBlock<4>>>,
                      Drop<BasicBlock<6, 2>>, Repeat<2, Drop<BasicBlock<6>>>, Drop<BasicBlock<8, 2>>,
                      Drop<BasicBlock<8>>, GlobalAvgPool, Linear<5>>;
// Every activation, one of them nobody's but the test's; the other shortcuts; a norm that nothing stands
// before; a dropout.
template <class Act, int C, int Stride = 1>
using Pre =
    Drop<PreActivationWith<ProjectionShortcut, BN, Act, Conv<C, 3, Stride>, BN, Act, Dropout<0.3>, Conv<C>>>;
using Activations = Network<Input<2, 8, 6>, Conv<4, 5, 1, Bias::learned>, Pre<GELU, 4>, Pre<SiLU, 6, 2>,
                            Pre<Hardswish, 6>, Pre<LeakyReLU<>, 6>, Pre<of_a_user::Mish, 6>, BN, ReLU,
                            Drop<ResidualWith<SubsampleShortcut, Conv<8, 3, 2>, BN, ReLU, Conv<8>, BN>>,
                            Drop<Residual<Conv<8>, BN, SiLU>>, Drop<Residual<MaxPool<3, 1, 1>>>,
                            Drop<Residual<Conv<8>, LeakyReLU<std::ratio<1, 5>>>>, AvgPool<3, 1, 1>,
                            MaxPool<2>, Conv<4, 1>, GlobalAvgPool>;
// Linear layers where others expect pixels, and the other way round.
using Flat = Network<Input<5, 6, 5>, Conv<4, 3, 2, Bias::none, 0>, ReLU, Linear<9, Bias::none>, BN, ReLU,
                     Drop<Residual<Linear<9>, BN>>, Conv<7>, BN, ReLU, Residual<Conv<7>>, Linear<6>,
                     LeakyReLU<>, Residual<Linear<6>>, Linear<4>>;

/// Pictures as the model takes them, NCHW, from [N, H, W, C].
[[nodiscard]] std::vector<float> channels_first(const std::vector<float>& images, Shape shape) {
  std::vector<float> result(images.size());
  const auto channels = static_cast<std::size_t>(shape.channels), pixels = shape.pixels();
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::size_t n = i / shape.size(), p = i / channels % pixels, c = i % channels;
    result[(n * channels + c) * pixels + p] = images[i];
  }
  return result;
}

/// Compares, and keeps the model and its numbers where they are asked for.
template <class Net>
void check(const std::string& name, Scaling scaling = Scaling::test, const DepthPlan& plan = {}) {
  constexpr int count = 3;
  const std::vector<float> images = some_images<Net>(count);
  const auto weights = some_weights<Net>();
  Inference<Net, ReferenceDouble> inference(std::shared_ptr<const Weights<Net, ReferenceDouble>>(weights),
                                            {.scaling = scaling, .batch = 4, .plan = plan});
  const std::vector<float> expected = inference.predict(NHWC<float>{images}),
                           input = channels_first(images, Net::input);
  const std::vector<std::int64_t> shape{count, Net::input.channels, Net::input.height, Net::input.width};
  ScratchFolder folder;
  const char* out = std::getenv("SDEPTH_ONNX_OUT");
  const std::filesystem::path place = out ? out : folder.path();
  for (const bool keep_norms : {false, true}) {
    CAPTURE(name);
    CAPTURE(keep_norms);
    const std::filesystem::path file = place / (name + (keep_norms ? "_norms.onnx" : ".onnx"));
    write_onnx(file, trained_network(*weights, {}, scaling, plan), {.keep_norms = keep_norms});
    sdepth_onnx::ModelProto model;
    REQUIRE(model.ParseFromString(bytes_of(file)));
    const onnx_evaluator::Value logits = onnx_evaluator::run(model, {shape, {input.begin(), input.end()}});
    REQUIRE(logits.shape == std::vector<std::int64_t>{count, static_cast<std::int64_t>(Net::output.size())});
    double largest = 0;
    for (std::size_t i = 0; i < expected.size(); ++i)
      largest = std::max(largest, std::abs(logits.numbers[i] - static_cast<double>(expected[i])));
    CHECK(largest < 2e-6 * static_cast<double>(*std::ranges::max_element(
                               expected, {}, [](float x) { return std::abs(x); })) +
                        1e-6);
    if (out) {
      write_npy(place / (name + (keep_norms ? "_norms" : "") + "_images.npy"), input, shape);
      write_npy(place / (name + (keep_norms ? "_norms" : "") + "_logits.npy"), expected,
                {count, static_cast<std::int64_t>(Net::output.size())});
    }
  }
}

[[nodiscard]] int nodes_of(const sdepth_onnx::ModelProto& model, const std::string& operation) {
  return static_cast<int>(std::ranges::count_if(
      model.graph().node(), [&](const auto& node) { return node.op_type() == operation; }));
}

}  // namespace

TEST_CASE("networks of every word have the same logits as ONNX models, norms folded and kept") {
  check<Paper>("paper");
  check<Paper>("paper_scaled_in_training", Scaling::train);
  check<Activations>("activations");
  check<Flat>("flat");
}

TEST_CASE("a network of reduced depth is that much smaller, down to its shortcuts") {
  const std::vector<int> order = drop_order_by_survival<Paper>();
  for (const int blocks : {5, 0})
    check<Paper>("paper_of_" + std::to_string(blocks), Scaling::test, keep_blocks<Paper>(order, blocks));
  check<Activations>("activations_of_0", Scaling::test,
                     drop_first<Activations>(drop_order_by_survival<Activations>(), 9));
  const auto weights = some_weights<Paper>();
  const auto model = onnx_model(trained_network(*weights, {}, Scaling::test, keep_blocks<Paper>(order, 5)));
  CHECK(nodes_of(model, "Conv") == 1 + 2 * 5);
  CHECK(nodes_of(model, "AveragePool") == 2);
  CHECK(model.metadata_props(0).value() == "5 of 7");
}

TEST_CASE(
    "the batch is free, names are as asked, tensors have PyTorch's names, and folding leaves convolutions alone") {
  const auto weights = some_weights<Paper>();
  const auto model = onnx_model(trained_network(*weights),
                                {.input = "x", .output = "y", .metadata = {{"classes", "[\"a\"]"}}});
  CHECK(model.graph().input(0).name() == "x");
  CHECK(model.graph().output(0).name() == "y");
  CHECK(model.graph().input(0).type().tensor_type().shape().dim(0).dim_param() == "batch");
  CHECK(model.graph().output(0).type().tensor_type().shape().dim(0).dim_param() == "batch");
  CHECK(model.metadata_props(0).key() == "classes");
  CHECK(nodes_of(model, "BatchNormalization") == 0);
  CHECK(nodes_of(model, "Mul") == 0);
  std::set<std::string> names;
  for (const auto& tensor : model.graph().initializer()) names.insert(tensor.name());
  for (const char* name : {"conv1.weight", "conv1.bias", "blocks.6.conv2.weight", "fc.bias"})
    CHECK(names.contains(name));
  const auto kept = onnx_model(trained_network(*weights), {.keep_norms = true});
  CHECK(nodes_of(kept, "BatchNormalization") == 15);
  CHECK(nodes_of(kept, "Mul") == 7);
}

TEST_CASE("bytes enter through the normalisation, or its numbers are in the metadata") {
  using Net = Network<Input<2, 3, 4>, Conv<3>, GlobalAvgPool, Linear<2>>;
  const auto weights = some_weights<Net>();
  std::vector<float> picture{50};  // a scale, then a mean for each of [H, W, C]
  for (std::size_t i = 0; i < Net::input.size(); ++i) picture.push_back(static_cast<float>(100 + 3 * i));
  const std::vector<float> of_channels{120, 110, 60, 70}, plain{255};
  std::vector<float> bytes(Net::input.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<float>(i * 37 % 256);
  for (const std::vector<float>& values : {picture, of_channels, plain}) {
    CAPTURE(values.size());
    std::vector<float> images = bytes;
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (values.size() == 4)
        images[i] = (bytes[i] - values[i % 2]) / values[2 + i % 2];
      else
        images[i] = (bytes[i] - (values.size() > 1 ? values[1 + i] : 0)) / values[0];
    }
    Inference<Net, ReferenceDouble> inference{std::shared_ptr<const Weights<Net, ReferenceDouble>>(weights)};
    const std::vector<float> expected = inference.predict(NHWC<float>{images}),
                             input = channels_first(bytes, Net::input);
    const InputNormalization normalization = input_normalization(values, Net::input);
    const auto model =
        onnx_model(trained_network(*weights),
                   {.normalization = normalization, .with_normalization = true, .input = "pixels"});
    CHECK(model.graph().input(0).type().tensor_type().elem_type() == sdepth_onnx::TensorProto::UINT8);
    const auto logits = onnx_evaluator::run(model, {{1, 2, 3, 4}, {input.begin(), input.end()}});
    for (std::size_t c = 0; c < 2; ++c)
      CHECK(logits.numbers[c] == doctest::Approx(static_cast<double>(expected[c])).epsilon(1e-5));
    const auto without = onnx_model(trained_network(*weights), {.normalization = normalization});
    REQUIRE(without.metadata_props(0).key() == "normalization");
    const auto text = nlohmann::json::parse(without.metadata_props(0).value());
    CHECK(text["scale"].get<std::vector<float>>() == normalization.scale);
    CHECK(text["mean"].get<std::vector<float>>() == normalization.mean);
  }
}

TEST_CASE("what cannot be exported is a sentence") {
  auto weights = some_weights<Paper>();
  const auto sentence = [&](const OnnxOptions& options) {
    return sentence_of([&] { static_cast<void>(onnx_model(trained_network(*weights), options)); });
  };
  CHECK(contains(sentence({.with_normalization = true}), "it is not known"));
  CHECK(contains(sentence({.input = "logits"}), "two different names"));
  CHECK(contains(
      sentence_of([&] { static_cast<void>(input_normalization(std::vector<float>(5, 1.0F), Paper::input)); }),
      "5 values"));
  CHECK(contains(
      sentence_of([&] { static_cast<void>(input_normalization(std::vector<float>{0.0F}, Paper::input)); }),
      "above 0"));
  CHECK(contains(sentence_of([&] { static_cast<void>(trained_network(*weights, std::vector<double>{0.5})); }),
                 "expected 7 probabilities"));
  ScratchFolder folder;
  CHECK(contains(sentence_of([&] { write_onnx(folder / "nowhere" / "net.onnx", trained_network(*weights)); }),
                 "cannot be written"));
  CHECK(folder.entries() == 0);
  weights->parameters().data()[3] = std::numeric_limits<double>::quiet_NaN();
  CHECK(contains(sentence_of([&] { static_cast<void>(trained_network(*weights)); }),
                 "conv1.weight holds a number that is not finite"));
}

}  // namespace sdepth::test::onnx_test
