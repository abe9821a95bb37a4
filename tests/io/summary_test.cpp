// A network's summary: its rows add up to what the network says of itself, and have the tensors' names.
#include <doctest/doctest.h>

#include <string>

#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/io/summary.hpp>
#include <sdepth/models/imagenet_resnet.hpp>

namespace sdepth::test::summary_test {

namespace {

/// Every kind of row.
using Zoo = Network<Input<3, 30, 30>, Conv<8, 5, 2, Bias::learned, 1>, LeakyReLU<>, MaxPool<3, 2, 1>, BN,
                    ReLU, Dropout<0.25>, Repeat<3, StochasticDepth<Residual<Conv<8>, BN>, LinearDecay<0.4>>>,
                    ResidualWith<SubsampleShortcut, Conv<16, 3, 2>>, Residual<Conv<24, 3, 2>>,
                    PreActivation<BN, ReLU, Conv<24>>, Linear<5>>;

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

template <class Net>
void check_sums() {
  std::size_t parameters = 0, inside = 0;
  double multiply_adds = 0;
  for (const SummaryRow& row : summary_rows<Net>()) {
    (row.inside ? inside : parameters) += row.parameters;
    if (!row.inside) multiply_adds += row.multiply_adds;
  }
  CHECK(parameters == Net::parameter_count);
  CHECK(inside > 0);
  CHECK(2 * multiply_adds == doctest::Approx(Net::operations_per_image));
}

}  // namespace

TEST_CASE("the rows add up to the network's parameters and multiply-adds") {
  check_sums<Zoo>();
  check_sums<ImageNetResNet<50>>();
}

TEST_CASE("the summary of a network with every kind of row") {
  const auto rows = summary_rows<Zoo>();
  CHECK(rows[1].layer == "Conv 5x5, stride 2, padding 1 - " + type_name<LeakyReLU<>>());
  CHECK(rows[1].tensors == "conv1");
  CHECK(rows[1].output == Shape{8, 14, 14});
  CHECK(rows[1].parameters == 8 * (3 * 25 + 1));
  CHECK(rows[2].layer == "MaxPool 3x3, stride 2");
  CHECK(rows[3].layer == "BN - ReLU");
  CHECK(rows[4].layer == "Dropout 0.25");
  CHECK(rows[5].layer == "3 blocks");
  CHECK(rows[5].tensors == "blocks.0 ... blocks.2");
  CHECK(rows[5].parameters == 3 * (8 * 8 * 9 + 16));
  CHECK(rows[5].survival == "0.8 ... 0.4");
  CHECK(rows[6].inside);
  CHECK(rows[6].tensors == "conv1, bn1");
  CHECK(rows[7].layer == "+ input - ReLU");
  CHECK(rows[8].survival.empty());
  CHECK(rows[10].layer == "+ pixels 2 apart of the input, zero channels - ReLU");
  CHECK(rows[13].layer == "+ AvgPool 2x2, stride 2 of the input, zero channels - ReLU");
  CHECK(rows[17].layer == "+ input");
  CHECK(type_name<LeakyReLU<>>().starts_with("LeakyReLU"));
}

TEST_CASE("the text is a table of aligned columns with the names that files have, and totals") {
  const std::string text = summary<ImageNetResNet<50>>();
  CHECK(has(text, "layer1.1 ... layer1.2"));
  CHECK(has(
      text,
      "+ Conv 1x1, stride 2 - BN of the input    downsample.0, downsample.1  512 x 28 x 28      132,096    102,760,448\n"));
  CHECK(has(text, "\nparameters     25,557,032 (102.2 MB as float32)\n"));
  CHECK(has(text,
            "\nmultiply-adds  4089.2 M an image, 3120.6 M in a training step on average over the gates\n"));
  CHECK(has(text, "\nblocks         16, of which 11.75 run in a training step on average\n"));
  CHECK(!has(summary<Network<Input<3, 4, 4>, Conv<4>, GlobalAvgPool>>(), "on average"));
}

}  // namespace sdepth::test::summary_test
