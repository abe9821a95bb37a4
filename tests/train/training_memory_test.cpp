// The memory that a run is said to take is what its steps take.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/training_memory.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::test::training_memory_test {

namespace {

using Net = CifarResNet<14, Input<3, 16, 16>>;
constexpr int batch = 20, lanes = Cpu<>::lanes;
constexpr std::size_t blocks = Net::residual_blocks;

}  // namespace

TEST_CASE("the bytes of a step with given gates are those that the walk keeps, or a little more") {
  const ActivationTable table = activation_table<Net>(lanes);
  TrainingOptions options;
  options.batch = batch;
  options.threads = 1;
  Trainer<Net, Cpu<>> trainer(options);
  const std::vector<float> images(batch * 768, 0.5f);
  const std::vector<int> labels(batch, 3);
  for (unsigned pattern = 0; pattern < 64; pattern += 7) {  // block 2 and block 4 change the shape
    std::vector<std::uint8_t> gates;
    for (std::size_t block = 0; block < blocks; ++block) gates.push_back((pattern >> block) & 1);
    static_cast<void>(trainer.step(NHWC<float>{images}, labels, gates));
    const std::vector<double> survival(gates.begin(), gates.end());
    const ActivationBytes bytes = activation_bytes(table, survival, batch);
    CAPTURE(pattern);
    CHECK(bytes.likely == bytes.mean);  // nothing is left to chance
    CHECK(bytes.mean >= static_cast<double>(trainer.walk().activation_bytes()));
    CHECK(bytes.mean <= 1.3 * static_cast<double>(trainer.walk().activation_bytes()));
    CHECK(bytes.mean <= bytes.all_open);
  }
  const std::vector<std::uint8_t> open(blocks, 1);
  static_cast<void>(trainer.step(NHWC<float>{images}, labels, open));
  CHECK(activation_bytes(table, std::vector<double>(blocks, 1.0), batch).mean <=
        1.1 * static_cast<double>(trainer.walk().activation_bytes()));
}

TEST_CASE("mean and spread over the gates are those of draws") {
  using Deep = CifarResNet<1202>;
  const ActivationTable table = activation_table<Deep>(lanes);
  const ActivationBytes bytes = activation_bytes(table, Deep::survival, 128);
  constexpr std::uint64_t draws = 1000;
  double sum = 0, squares = 0, most = 0;
  std::vector<std::uint8_t> gates(Deep::residual_blocks);
  for (std::uint64_t step = 0; step < draws; ++step) {
    draw_gates(1, step, Deep::survival, gates);
    double kept = static_cast<double>(table.always);
    for (std::size_t block = 0; block < gates.size(); ++block)
      kept += gates[block] * static_cast<double>(table.when_open[block]);
    kept *= 128 * sizeof(float);
    sum += kept;
    squares += (kept - bytes.mean) * (kept - bytes.mean);
    most = std::max(most, kept);
  }
  CHECK(sum / draws == doctest::Approx(bytes.mean).epsilon(0.01));
  CHECK(std::sqrt(squares / draws) == doctest::Approx((bytes.likely - bytes.mean) / 6).epsilon(0.1));
  CHECK(most < bytes.likely);
  CHECK(bytes.likely < bytes.all_open);
}

TEST_CASE("a survival table of another network is a sentence") {
  const ActivationTable table = activation_table<CifarResNet<20>>(16);
  CHECK_THROWS_WITH_AS((void)activation_bytes(table, std::vector<double>(8, 0.5), 128),
                       "survival table: expected 9 probabilities, one for each residual block, found 8",
                       Error);
}

TEST_CASE("1202 layers, batch 128: 9 GB are enough with stochastic depth") {
  using Deepest = CifarResNet<1202>;
  const ActivationTable table = activation_table<Deepest>(16);
  const ActivationBytes bytes = activation_bytes(table, Deepest::survival, 128);
  // An open block keeps three tensors, 16 channels of 32 x 32, half of that in the second group and a quarter
  // in the third, 200 blocks each.
  CHECK(bytes.all_open == doctest::Approx(200 * 3 * 16 * 1024 * 1.75 * 128 * 4).epsilon(0.01));
  CHECK(bytes.likely < 9e9);
  CHECK(bytes.mean < 0.9 * bytes.all_open);
}

}  // namespace sdepth::test::training_memory_test
