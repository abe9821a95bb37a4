// Gates for each image on the device: the reference's losses and numbers, whatever survives, and nothing left
// behind.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <sdepth/cuda.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/layers/blocks.hpp>

namespace sdepth::test::per_sample_test {
namespace {

template <class Block, Gating G>
using Drop = StochasticDepth<Block, Uniform<0.6>, G>;
template <int C, int Stride = 1>
using Basic = Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>;
/// Identities in a row, a change of shape, a branch that begins with a norm and ends in none, and an identity
/// behind it.
template <Gating G>
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Repeat<3, Drop<Basic<8>, G>>, Drop<Basic<16, 2>, G>,
                    Drop<Residual<BN, ReLU, Conv<16>>, G>, Drop<Basic<16>, G>, GlobalAvgPool, Linear<4>>;
/// Projections: behind an identity and in front of one, one behind the other, of a branch that ends in no norm,
/// and where no activation follows the sum.
template <Gating G>
using Projecting = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Drop<Basic<8>, G>,
                           Drop<ResidualWith<ProjectionShortcut, Conv<16, 3, 2>, BN, ReLU, Conv<16>, BN>, G>,
                           Drop<ResidualWith<ProjectionShortcut, Conv<12>>, G>, Drop<Basic<12>, G>,
                           Drop<PreActivationWith<ProjectionShortcut, BN, ReLU, Conv<16>>, G>, BN, ReLU,
                           GlobalAvgPool, Linear<4>>;
/// Norms right behind blocks that end in no activation: of numbers that a block has changed in their place.
template <Gating G>
using BeforeNorms = Network<Input<3, 8, 8>, Conv<8>, Repeat<2, Drop<PreActivation<BN, ReLU, Conv<8>>, G>>, BN,
                            Drop<PreActivation<Conv<16, 3, 2>, BN>, G>, BN, ReLU, GlobalAvgPool, Linear<4>>;

struct Data {
  explicit Data(std::size_t count) : images(count * 192), labels(count) {
    for (std::size_t i = 0; i < images.size(); ++i)
      images[i] = static_cast<float>(uniform(random_words(7, Purpose::synthetic, i, 0)[0])) - 0.5F;
    for (std::size_t n = 0; n < count; ++n) labels[n] = static_cast<int>(n % 4);
  }
  std::vector<float> images;
  std::vector<int> labels;
};
/// Of `count` images; some blocks have all of them, or none.
[[nodiscard]] std::vector<std::uint8_t> some_gates(std::size_t blocks, std::size_t count,
                                                   std::uint64_t seed) {
  std::vector<std::uint8_t> gates(blocks * count);
  for (std::size_t i = 0; i < gates.size(); ++i)
    gates[i] = uniform(random_words(seed, Purpose::synthetic, i, 1)[0]) < 0.6;
  const auto row = [&](std::size_t block) {
    return gates.begin() + static_cast<std::ptrdiff_t>(block * count);
  };
  std::fill_n(row(seed % blocks), count, std::uint8_t{1});
  std::fill_n(row((seed + 2) % blocks), count, std::uint8_t{0});
  return gates;
}

TrainingOptions options(int batch) {
  TrainingOptions all;
  all.batch = batch;
  all.threads = 1;
  all.seed = 3;
  return all;
}

template <class Net, class Backend>
struct Run {
  std::vector<double> losses;
  std::vector<std::int64_t> branches;
  std::vector<float> logits;
  Run() {
    constexpr int batch = 7;
    Trainer<Net, Backend> trainer(options(batch));
    const Data data(batch);
    for (std::uint64_t step = 0; step < 8; ++step) {
      const bool given = step < 6;
      const Score score = given ? trainer.step(NHWC<float>{data.images}, data.labels,
                                               some_gates(Net::residual_blocks, batch, step))
                                : trainer.step(NHWC<float>{data.images}, data.labels);
      losses.push_back(score.loss);
      branches.push_back(score.branches_run);
      CHECK(trainer.walk().slots_all_free());
    }
    logits = trainer.predict(NHWC<float>{data.images});
  }
};

template <class Net, class Device, class Host>
void check_run(double tolerance) {
  const Run<Net, Device> device;
  const Run<Net, Host> host;
  CHECK(device.branches == host.branches);
  for (std::size_t step = 0; step < host.losses.size(); ++step)
    CHECK(device.losses[step] == doctest::Approx(host.losses[step]).epsilon(tolerance));
  for (std::size_t i = 0; i < host.logits.size(); ++i)
    CHECK(device.logits[i] == doctest::Approx(host.logits[i]).epsilon(100 * tolerance).scale(1));
  CHECK(Run<Net, Device>().losses == device.losses);
}

TEST_CASE("images with gates of their own: the reference's losses on the device, whatever survives") {
  check_run<Net<Gating::per_sample>, Cuda<>, Reference>(3e-5);
}
TEST_CASE("images with gates of their own, exactly so many of them, and in bfloat16") {
  check_run<Net<Gating::per_sample_exact>, Cuda<>, Reference>(3e-5);
  check_run<Net<Gating::per_sample>, Cuda<Precision::float32, bfloat16>, BasicReference<float, bfloat16>>(
      2e-2);
}

TEST_CASE("images with gates of their own in blocks with a projection, which is of all images") {
  check_run<Projecting<Gating::per_sample>, Cuda<>, Reference>(3e-5);
  check_run<Projecting<Gating::per_sample_exact>, Cuda<Precision::float32, bfloat16>,
            BasicReference<float, bfloat16>>(2e-2);
}

TEST_CASE("images with gates of their own in blocks with a norm behind them") {
  check_run<BeforeNorms<Gating::per_sample>, Cuda<>, Reference>(3e-5);
}

TEST_CASE("a batch with more images than a kernel knows gates of is refused in a sentence") {
  CHECK_THROWS_WITH_AS(static_cast<void>(cuda::Survivors::of(nullptr, 4097)),
                       doctest::Contains("expected at most 4096 images"), Error);
  const std::vector<std::uint8_t> gates{1, 0, 1, 1};
  const cuda::Survivors some = cuda::Survivors::of(gates.data(), 4);
  CHECK(some.words[0] == 0b1101);
  CHECK(some.before(3) == 2);
  CHECK(cuda::Survivors::of(nullptr, 70).before(65) == 65);
}

}  // namespace
}  // namespace sdepth::test::per_sample_test
