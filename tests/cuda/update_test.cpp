// The optimizer on the device: the same bits as plain loops, whatever the segments, the gates and the rule.
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include <sdepth/kernels/cuda/update.hpp>
#include <sdepth/optimizers/sgd.hpp>

namespace sdepth::test::update_test {
namespace {

struct Parameters {
  std::vector<float> weights, gradients, velocity;
};

[[nodiscard]] Parameters random_parameters(std::size_t count) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  Parameters p;
  for (auto* numbers : {&p.weights, &p.gradients, &p.velocity})
    for (std::size_t i = 0; i < count; ++i) numbers->push_back(normal(random));
  return p;
}

/// SGD's formula, number by number.
[[nodiscard]] Parameters by_loops(Parameters p, const std::vector<std::size_t>& starts,
                                  const std::vector<int>& blocks, const std::vector<std::uint8_t>& gates,
                                  const SGD::Options& step, bool frozen) {
  const auto decay = static_cast<float>(step.weight_decay), momentum = static_cast<float>(step.momentum),
             rate = static_cast<float>(step.learning_rate);
  for (std::size_t segment = 0; segment < blocks.size(); ++segment) {
    const bool open = blocks[segment] < 0 || gates[static_cast<std::size_t>(blocks[segment])] != 0;
    if (!open && frozen) continue;
    for (std::size_t i = starts[segment]; i < starts[segment + 1]; ++i) {
      const float g = std::fma(decay, p.weights[i], open ? p.gradients[i] : 0.0F);
      p.velocity[i] = std::fma(momentum, p.velocity[i], g);
      p.weights[i] =
          std::fma(-rate, step.nesterov ? std::fma(momentum, p.velocity[i], g) : p.velocity[i], p.weights[i]);
    }
  }
  return p;
}

[[nodiscard]] Parameters on_device(Parameters p, const std::vector<std::size_t>& starts,
                                   const std::vector<int>& blocks, const std::vector<std::uint8_t>& gates,
                                   const SGD::Options& step, bool frozen, bool failed = false) {
  cuda::Context context(1);
  if (failed)
    REQUIRE(cudaMemsetAsync(context.failed(), 1, sizeof(unsigned), context.stream()) == cudaSuccess);
  cuda::update<SGD>(
      context, {starts.data(), blocks.data(), gates.data(), static_cast<int>(blocks.size()), starts.back()},
      cuda::UpdateArrays<1>{p.weights.data(), p.gradients.data(), {p.velocity.data()}}, SGD::factors(step),
      nullptr, frozen);
  context.synchronize();
  return p;
}

void check_sgd(const std::vector<std::size_t>& starts, const std::vector<int>& blocks,
               const std::vector<std::uint8_t>& gates) {
  const Parameters before = random_parameters(starts.back());
  for (const bool nesterov : {false, true})
    for (const bool frozen : {false, true}) {
      CAPTURE(nesterov);
      CAPTURE(frozen);
      const SGD::Options step{0.05, 0.9, 1e-2, nesterov};
      const Parameters after = on_device(before, starts, blocks, gates, step, frozen);
      const Parameters expected = by_loops(before, starts, blocks, gates, step, frozen);
      CHECK(after.weights == expected.weights);
      CHECK(after.velocity == expected.velocity);
    }
}

TEST_CASE("cuda: SGD has the bits of plain loops") {
  check_sgd({0, 8}, {-1}, {1});
  check_sgd({0, 16, 40, 2048, 3000, 5080}, {-1, 0, 1, -1, 2}, {0, 1, 0});
  check_sgd({0, 16, 40, 2048, 3000, 5080}, {-1, 0, 1, -1, 2}, {1, 0, 1});
  // A block of threads meets many segments, and segments go on over many blocks.
  std::vector<std::size_t> starts{0};
  std::vector<int> blocks;
  std::vector<std::uint8_t> gates;
  for (int i = 0; i < 300; ++i) {
    starts.push_back(starts.back() + (i % 100 == 50 ? 9000 : 8 * static_cast<std::size_t>(1 + i % 3)));
    blocks.push_back(i % 4 == 0 ? -1 : static_cast<int>(gates.size()));
    if (i % 4 != 0) gates.push_back(i % 5 < 2);
  }
  check_sgd(starts, blocks, gates);
}

TEST_CASE("cuda: SGD goes over more numbers than its blocks take at once") {
  const std::size_t count = cuda::update_launch::most_blocks * cuda::update_launch::threads * 4 + 8;
  const std::vector<std::size_t> starts{0, count / 16 * 8, count};
  const Parameters before = random_parameters(count);
  const SGD::Options step;
  const Parameters after = on_device(before, starts, {0, -1}, {0}, step, true),
                   expected = by_loops(before, starts, {0, -1}, {0}, step, true);
  CHECK(after.weights == expected.weights);
  CHECK(after.velocity == expected.velocity);
}

TEST_CASE("cuda: after a loss that was not finite SGD writes nothing") {
  const Parameters before = random_parameters(64);
  const Parameters after = on_device(before, {0, 64}, {-1}, {1}, {}, false, true);
  CHECK(after.weights == before.weights);
  CHECK(after.velocity == before.velocity);
}

}  // namespace
}  // namespace sdepth::test::update_test
