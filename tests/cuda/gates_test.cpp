// Gates drawn on the device are those that the host draws.
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include <sdepth/kernels/cuda/gates.hpp>
#include <sdepth/schedule/gates.hpp>

namespace sdepth::test::gates_test {
namespace {

TEST_CASE("cuda: gates are those of the host for all seeds, steps and probabilities") {
  cuda::Context context(1);
  for (const std::size_t blocks : {1U, 54U, 127U, 128U, 129U, 600U}) {
    std::vector<double> survival(blocks);
    for (std::size_t l = 0; l < blocks; ++l)
      // linear decay to 0.5
      survival[l] = 1.0 - 0.5 * static_cast<double>(l + 1) / static_cast<double>(blocks);
    survival.front() = 1.0;
    survival.back() = 0.0;
    for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0xFEDCBA9876543210}})
      for (const std::uint64_t step :
           {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{78125}, std::uint64_t{5} << 32U}) {
        std::vector<std::uint8_t> drawn(blocks, 7), expected(blocks);
        cuda::draw_gates(context, seed, step, static_cast<int>(blocks), survival.data(), drawn.data());
        context.synchronize();
        draw_gates(seed, step, survival, expected);
        CAPTURE(seed);
        CAPTURE(step);
        CHECK(drawn == expected);
        CHECK(drawn.back() == 0);
      }
  }
}

TEST_CASE("cuda: a probability that equals the number of a gate leaves it closed, the next one opens it") {
  cuda::Context context(1);
  const double number = uniform(random_words(3, Purpose::gate, 9, 0)[0]);
  for (const double above : {0.0, 0x1p-40}) {
    const std::vector<double> survival{number + above};
    std::vector<std::uint8_t> gates{7};
    cuda::draw_gates(context, 3, 9, 1, survival.data(), gates.data());
    context.synchronize();
    CHECK(gates[0] == (above > 0 ? 1 : 0));
  }
}

TEST_CASE("cuda: a network without blocks has no gates to draw") {
  cuda::Context context(1);
  cuda::draw_gates(context, 1, 1, 0, nullptr, nullptr);
  context.synchronize();
}

}  // namespace
}  // namespace sdepth::test::gates_test
