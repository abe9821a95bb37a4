// A gate for each image, against a reference that computes every branch for every image and multiplies by the
// gates.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

#include "backends.hpp"
#include "differences.hpp"

namespace sdepth::test::per_sample_test {

namespace {

template <int C, int Stride = 1>
using Block = Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>;
template <class B, Gating G = Gating::per_sample>
using Drop = StochasticDepth<B, Uniform<0.6>, G>;
template <class B>
using DropImages = Drop<B>;
template <class B>
using DropExactly = Drop<B, Gating::per_sample_exact>;

/// The paper's network, small: identities in a row, a change of shape, an identity behind it.
template <int C, Gating G>
using Small = Network<Input<3, 8, 8>, Conv<C>, BN, ReLU, Repeat<3, Drop<Block<C>, G>>,
                      Drop<Block<2 * C, 2>, G>, Drop<Block<2 * C>, G>, GlobalAvgPool, Linear<4>>;

struct Data {
  std::vector<float> images;
  std::vector<int> labels;
};
Data some_data(int count, std::size_t size = 192) {
  Data data{std::vector<float>(static_cast<std::size_t>(count) * size),
            std::vector<int>(static_cast<std::size_t>(count))};
  for (std::size_t i = 0; i < data.images.size(); ++i)
    data.images[i] = static_cast<float>(uniform(random_words(7, Purpose::synthetic, i, 0)[0])) - 0.5f;
  for (std::size_t n = 0; n < data.labels.size(); ++n) data.labels[n] = static_cast<int>(n % 4);
  return data;
}
std::vector<std::uint8_t> some_gates(std::size_t count, std::uint64_t seed) {
  std::vector<std::uint8_t> gates(count);
  for (std::size_t i = 0; i < count; ++i)
    gates[i] = uniform(random_words(seed, Purpose::synthetic, i, 1)[0]) < 0.6;
  return gates;
}

/// Activations [N][H·W][C], in double.
struct Tensor {
  std::size_t extent = 0, channels = 0;
  std::vector<std::vector<double>> images;
};

/// Small<C, …> as its definition reads, with plain loops: every branch is computed for every image,
/// normalised by its survivors' statistics and multiplied by the image's gate.
template <Gating G>
class Masked {
 public:
  Masked(const Weights<Small<4, G>, ReferenceDouble>& weights, const std::vector<std::uint8_t>& gates,
         double branch_scale)
      : weights_(weights), gates_(gates), branch_scale_(branch_scale) {}

  double loss(const Data& data) {
    Tensor x{8, 3, {}};
    const std::size_t images = data.labels.size();
    for (std::size_t n = 0; n < images; ++n)
      x.images.emplace_back(data.images.begin() + static_cast<std::ptrdiff_t>(n * 192),
                            data.images.begin() + static_cast<std::ptrdiff_t>((n + 1) * 192));
    x = relu(norm(convolve(x, "conv1", 4, 1), "bn1", std::vector<std::uint8_t>(images, 1)));
    const std::size_t channels[] = {4, 4, 4, 8, 8};
    for (std::size_t l = 0; l < 5; ++l) x = block(x, l, channels[l], l == 3 ? 2 : 1);
    double sum = 0;
    for (std::size_t n = 0; n < images; ++n) {
      double logits[4], total = 0;
      for (std::size_t f = 0; f < 4; ++f) {
        logits[f] = numbers("fc.bias")[f];
        for (std::size_t c = 0; c < 8; ++c) {
          double mean = 0;
          for (std::size_t p = 0; p < 16; ++p) mean += x.images[n][p * 8 + c] / 16;
          logits[f] += mean * numbers("fc.weight")[c * 4 + f];
        }
        total += std::exp(logits[f]);
      }
      sum += std::log(total) - logits[static_cast<std::size_t>(data.labels[n])];
    }
    return sum / static_cast<double>(images);
  }

 private:
  const double* numbers(const std::string& name) const {
    return weights_.parameters().data() + weights_.find(name).offset;
  }

  Tensor convolve(const Tensor& x, const std::string& name, std::size_t out, std::size_t stride) const {
    const double* w = numbers(name + ".weight");
    Tensor y{x.extent / stride, out, {}};
    for (const auto& image : x.images) {
      std::vector<double> result(y.extent * y.extent * out);
      for (std::size_t h = 0; h < y.extent; ++h)
        for (std::size_t v = 0; v < y.extent; ++v)
          for (std::size_t tap = 0; tap < 9; ++tap) {
            // one further than in the image
            const std::size_t row = h * stride + tap / 3, column = v * stride + tap % 3;
            if (row < 1 || column < 1 || row > x.extent || column > x.extent) continue;
            for (std::size_t i = 0; i < x.channels; ++i)
              for (std::size_t o = 0; o < out; ++o)
                result[(h * y.extent + v) * out + o] +=
                    image[((row - 1) * x.extent + column - 1) * x.channels + i] *
                    w[(tap * x.channels + i) * out + o];
          }
      y.images.push_back(result);
    }
    return y;
  }
  Tensor norm(Tensor x, const std::string& name, const std::vector<std::uint8_t>& counts) const {
    for (std::size_t c = 0; c < x.channels; ++c) {
      double count = 0, mean = 0, variance = 0;
      const auto each = [&](const auto& body) {
        for (std::size_t n = 0; n < x.images.size(); ++n)
          for (std::size_t i = c; counts[n] && i < x.images[n].size(); i += x.channels) body(x.images[n][i]);
      };
      each([&](double v) { mean += v, ++count; });
      mean /= count;
      each([&](double v) { variance += (v - mean) * (v - mean) / count; });
      for (auto& image : x.images)
        for (std::size_t i = c; i < image.size(); i += x.channels)
          image[i] = (image[i] - mean) / std::sqrt(variance + 1e-5) * numbers(name + ".weight")[c] +
                     numbers(name + ".bias")[c];
    }
    return x;
  }
  static Tensor relu(Tensor x) {
    for (auto& image : x.images)
      for (double& v : image) v = std::max(v, 0.0);
    return x;
  }
  Tensor block(const Tensor& x, std::size_t l, std::size_t channels, std::size_t stride) const {
    const std::size_t images = x.images.size();
    const std::vector<std::uint8_t> open(gates_.begin() + static_cast<std::ptrdiff_t>(l * images),
                                         gates_.begin() + static_cast<std::ptrdiff_t>((l + 1) * images));
    const std::string name = "blocks." + std::to_string(l) + ".";
    Tensor sum{x.extent / stride, channels, std::vector<std::vector<double>>(images)};
    for (std::size_t n = 0; n < images; ++n) {
      sum.images[n].resize(sum.extent * sum.extent * channels);
      for (std::size_t i = 0; i < x.images[n].size(); ++i) {
        const std::size_t p = i / x.channels, h = p / x.extent / stride, w = p % x.extent / stride;
        sum.images[n][(h * sum.extent + w) * channels + i % x.channels] +=
            x.images[n][i] / static_cast<double>(stride * stride);
      }
    }
    if (std::count(open.begin(), open.end(), 1) > 0) {
      const Tensor branch =
          norm(convolve(relu(norm(convolve(x, name + "conv1", channels, stride), name + "bn1", open)),
                        name + "conv2", channels, 1),
               name + "bn2", open);
      for (std::size_t n = 0; n < images; ++n)
        for (std::size_t i = 0; i < sum.images[n].size(); ++i)
          sum.images[n][i] += open[n] * branch_scale_ * branch.images[n][i];
    }
    return relu(sum);
  }

  const Weights<Small<4, G>, ReferenceDouble>& weights_;
  const std::vector<std::uint8_t>& gates_;
  double branch_scale_;
};

// Every place where a table of images meets a stage that does not expect it.
using BetweenWholeBatches =
    // a pool last
    Network<Input<3, 8, 8>, Conv<4>, BN, ReLU, Drop<Block<4>>, Drop<Residual<Conv<4>, AvgPool<3, 1, 1>>>,
            Drop<Block<4>, Gating::per_batch>, Drop<Block<4>>, Residual<BN, Conv<4>>, Drop<Block<4>>, Conv<4>,
            BN, ReLU, Drop<ResidualWith<ProjectionShortcut, Conv<6, 3, 2>, BN>>,
            Drop<ResidualWith<ProjectionShortcut, BN, Conv<8, 3, 2>>>, Drop<PreActivation<BN, ReLU, Conv<8>>>,
            ReLU, Drop<Residual<Conv<8>, BN>>, Linear<3>>;

}  // namespace

#if !defined(ONLY_OF_THIS_LEVEL)
TEST_CASE("the loss is that of computing every branch for every image and multiplying by the gates") {
  const Data data = some_data(5);
  for (const Scaling scaling : {Scaling::test, Scaling::train})
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      TrainingOptions options;
      options.batch = 5;
      options.scaling = scaling;
      options.sgd.learning_rate = 0;
      options.gamma = GammaInit::uniform;
      Trainer<Small<4, Gating::per_sample>, ReferenceDouble> trainer(options);
      std::vector<std::uint8_t> gates = some_gates(25, seed);
      // nobody survives the change of shape
      if (seed == 4) std::fill_n(gates.begin() + 15, 5, std::uint8_t{0});
      if (seed == 5) std::fill_n(gates.begin(), 15, std::uint8_t{1});  // all survive until then
      Masked masked(*trainer.weights(), gates, scaling == Scaling::train ? 1 / 0.6 : 1.0);
      const double expected = masked.loss(data);
      CHECK(trainer.step(NHWC<float>{data.images}, data.labels, gates).loss ==
            doctest::Approx(expected).epsilon(1e-12));
    }
}

TEST_CASE(
    "where the number of survivors is exact, a surviving branch is multiplied by the factor at test times N / survivors, in a last batch too") {
  for (const Scaling scaling : {Scaling::test, Scaling::train}) {
    TrainingOptions options;
    options.batch = 5;
    options.scaling = scaling;
    options.sgd.learning_rate = 0;
    options.gamma = GammaInit::uniform;
    Trainer<Small<4, Gating::per_sample_exact>, ReferenceDouble> trainer(options);
    const auto check = [&](int images, double survivors, double loss) {
      const std::vector<std::uint8_t> gates(trainer.gates().begin(), trainer.gates().end());
      Masked masked(*trainer.weights(), gates, (scaling == Scaling::train ? 1.0 : 0.6) * images / survivors);
      CHECK(loss == doctest::Approx(masked.loss(some_data(images))).epsilon(1e-12));
    };
    // 0.6 of them, rounded
    for (const auto& [images, survivors] : {std::pair{5, 3}, {4, 2}, {3, 2}, {2, 1}, {1, 1}}) {
      const Data data = some_data(images);
      const Score score = trainer.step(NHWC<float>{data.images}, data.labels);
      REQUIRE(score.branches_run == 5 * survivors);
      check(images, survivors, score.loss);
    }
    const Data data = some_data(5);
    const std::vector<std::uint8_t> given{1, 0, 0, 1, 1};  // for the batch
    std::vector<std::uint8_t> gates;
    for (const std::uint8_t gate : given) gates.insert(gates.end(), 5, gate);
    check(5, 5, trainer.step(NHWC<float>{data.images}, data.labels, given).loss);
    CHECK(std::ranges::equal(trainer.gates(), gates));
  }
}

TEST_CASE(
    "gradients are the differences of these losses, in every kind of branch, and where a row of such blocks ends") {
  for (const Scaling scaling : {Scaling::test, Scaling::train})
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      check_gradients<Small<4, Gating::per_sample>>(scaling, some_gates(15, seed));
      check_gradients<OddBranches<DropImages>>(scaling, some_gates(24, seed + 10));
      check_gradients<Small<4, Gating::per_sample_exact>>(scaling, some_gates(15, seed));
      check_gradients<OddBranches<DropExactly>>(scaling, some_gates(24, seed + 10));
      std::vector<std::uint8_t> gates = some_gates(30, seed + 20);
      for (const std::size_t whole : {std::size_t{2}, std::size_t{4}})
        std::fill_n(gates.begin() + static_cast<std::ptrdiff_t>(whole * 3), 3,
                    std::uint8_t{whole == 4 || seed != 1});
      check_gradients<BetweenWholeBatches>(scaling, gates);
    }
  check_gradients<OddBranches<DropImages>>(Scaling::test, std::vector<std::uint8_t>(8, 1));
  check_gradients<OddBranches<DropImages>>(Scaling::test, std::vector<std::uint8_t>(8, 0));
}
#endif

TEST_CASE("Cpu computes what the reference computes, with the same bits for any number of threads") {
  using Net = Small<16, Gating::per_sample>;
  const Data data = some_data(24);
  const auto train = [&]<class Backend>(std::type_identity<Backend>, int threads,
                                        std::vector<double>& losses) {
    TrainingOptions options;
    options.batch = 24;
    options.threads = threads;
    options.sgd.learning_rate = 0.01;
    Trainer<Net, Backend> trainer(options);
    for (std::uint64_t step = 0; step < 4; ++step)
      losses.push_back(trainer.step(NHWC<float>{data.images}, data.labels, some_gates(5 * 24, step)).loss);
    CHECK(trainer.walk().slots_all_free());
    return trainer.predict(NHWC<float>{data.images});
  };
  std::vector<double> expected, found, again;
  const std::vector<float> logits = train(std::type_identity<ReferenceDouble>{}, 1, expected);
  const std::vector<float> one = train(std::type_identity<Cpu<>>{}, 1, found);
  CHECK(train(std::type_identity<Cpu<>>{}, 3, again) == one);
  CHECK(again == found);
  for (std::size_t step = 0; step < 4; ++step)
    CHECK(found[step] == doctest::Approx(expected[step]).epsilon(2e-5));
  for (std::size_t i = 0; i < logits.size(); ++i)
    CHECK(one[i] == doctest::Approx(logits[i]).epsilon(2e-3).scale(1));
}

TEST_CASE_TEMPLATE("where all images share their gates the bits are those of one gate for the batch", Backend,
                   AND_CPU(Reference)) {
  const Data data = some_data(6);
  const auto train = [&]<class Net>(std::type_identity<Net>) {
    TrainingOptions options;
    options.batch = 6;
    Trainer<Net, Backend> trainer(options);
    for (const std::vector<std::uint8_t>& gates :
         {std::vector<std::uint8_t>{1, 1, 1, 1, 1}, {1, 0, 1, 0, 1}, {0, 1, 1, 1, 0}})
      trainer.step(NHWC<float>{data.images}, data.labels, gates);
    return trainer.predict(NHWC<float>{data.images});
  };
  CHECK(train(std::type_identity<Small<8, Gating::per_sample>>{}) ==
        train(std::type_identity<Small<8, Gating::per_batch>>{}));
}

TEST_CASE("the sums of images are added up for each channel of a wide norm") {
  constexpr std::size_t channels = 40;  // more than are added up at a time, and a remainder
  constexpr int images = 3;
  detail::NormState<float> norm;
  norm.channels = channels;
  std::vector<float> deviations(channels), dz(channels), dz_normalised(channels), sums;
  norm.inverse_deviation = deviations.data();
  norm.dz = dz.data();
  norm.dz_normalised = dz_normalised.data();
  for (std::size_t c = 0; c < channels; ++c) deviations[c] = static_cast<float>(c + 1);
  for (int n = 0; n < images; ++n)
    for (std::size_t i = 0; i < 2 * channels; ++i)
      sums.push_back(static_cast<float>(100 * n) + static_cast<float>(i));
  detail::add_image_sums(norm, sums.data(), images);
  for (std::size_t c = 0; c < channels; ++c) {
    CHECK(dz[c] == static_cast<float>(300 + 3 * c));
    CHECK(dz_normalised[c] == static_cast<float>((300 + 3 * (channels + c)) * (c + 1)));
  }
}

TEST_CASE("skipped images take no activation memory") {
  const Data data = some_data(6);
  TrainingOptions options;
  options.batch = 6;
  Trainer<Small<16, Gating::per_sample>, Cpu<>> trainer(options);
  const auto bytes_with = [&](int survivors) {
    std::vector<std::uint8_t> gates(30, 0);
    for (std::size_t block = 0; block < 3; ++block)
      std::fill_n(gates.begin() + static_cast<std::ptrdiff_t>(block * 6), survivors, std::uint8_t{1});
    trainer.step(NHWC<float>{data.images}, data.labels, gates);
    CHECK(trainer.walk().slots_all_free());
    return trainer.walk().activation_bytes();
  };
  const std::size_t image = static_cast<std::size_t>(Cpu<>::padded(16)) * 64 * sizeof(float);
  // in each of three blocks two raw outputs and a finished input
  CHECK(bytes_with(4) - bytes_with(2) == 2 * 9 * image);
}

TEST_CASE("the trainer draws for each image, or exactly so many") {
  const Data data = some_data(20);
  TrainingOptions options;
  options.batch = 20;
  options.seed = 3;
  options.sgd.learning_rate = 0.01;
  Trainer<Small<4, Gating::per_sample>, Cpu<>> bernoulli(options);
  Trainer<Small<4, Gating::per_sample_exact>, Cpu<>> exact(options);
  bool varies = false;
  for (int step = 0; step < 3; ++step) {
    const Score score = bernoulli.step(NHWC<float>{data.images}, data.labels);
    REQUIRE(bernoulli.gates().size() == 100);
    CHECK(score.branches_run == std::count(bernoulli.gates().begin(), bernoulli.gates().end(), 1));
    varies = varies || score.branches_run % 12 != 0;
    CHECK(exact.step(NHWC<float>{data.images}, data.labels).branches_run == 5 * 12);
    for (std::size_t block = 0; block < 5; ++block) {
      const auto gates = exact.gates().subspan(block * 20, 20);
      CHECK(std::count(gates.begin(), gates.end(), 1) == 12);
    }
  }
  CHECK(varies);
  // Beside such blocks another has one gate for the batch: the one that it would have alone.
  using Mixed = Network<Input<3, 8, 8>, Conv<4>, BN, ReLU, Drop<Block<4>>,
                        StochasticDepth<Block<4>, Uniform<0.6>>, GlobalAvgPool, Linear<4>>;
  Trainer<Mixed, Cpu<>> mixed(options);
  for (std::uint64_t step = 0; step < 6; ++step) {
    static_cast<void>(mixed.step(NHWC<float>{data.images}, data.labels));
    const auto gates = mixed.gates().last(20);
    CHECK(std::count(gates.begin(), gates.end(), 1) == (gate_open(3, step, 1, 0.6) ? 20 : 0));
  }
  const Data fewer = some_data(10);  // an epoch's last batch
  CHECK(exact.step(NHWC<float>{fewer.images}, fewer.labels).branches_run == 5 * 6);
  CHECK_THROWS_WITH(
      exact.step(NHWC<float>{fewer.images}, fewer.labels, std::vector<std::uint8_t>(7)),
      "gates: expected 5 of them, one for each residual block or one for each of its images, found 7");
}

}  // namespace sdepth::test::per_sample_test
