// Survival probabilities against the paper's formula and numbers, and gates against their probabilities.
#include <doctest/doctest.h>

#include <cmath>
#include <set>
#include <vector>

#include <sdepth/schedule/gates.hpp>
#include <sdepth/schedule/scaling.hpp>
#include <sdepth/schedule/schedules.hpp>

namespace sdepth::test::gates_test {

TEST_CASE("linear decay has the paper's numbers for 54 blocks at 0.5") {
  double sum = 0;
  for (int l = 1; l <= 54; ++l) sum += LinearDecay<0.5>::survival(l, 54);
  CHECK(LinearDecay<0.5>::survival(1, 54) == doctest::Approx(0.990741).epsilon(1e-6));
  CHECK(LinearDecay<0.5>::survival(54, 54) == 0.5);
  CHECK(sum == doctest::Approx(40.25).epsilon(1e-12));
  double sum_02 = 0;
  for (int l = 1; l <= 54; ++l) sum_02 += LinearDecay<0.2>::survival(l, 54);
  CHECK(sum_02 == doctest::Approx(32.0).epsilon(1e-12));
  CHECK(Uniform<0.3>::survival(7, 54) == 0.3);
}

TEST_CASE("gates open with their survival probability, within 4 standard errors over 100,000 steps") {
  const std::vector<double> survival = {0.990741, 0.75, 0.5, 0.2, 0.01};
  std::vector<std::uint8_t> gates(survival.size());
  std::vector<int> open(survival.size());
  constexpr int steps = 100'000;
  for (int step = 0; step < steps; ++step) {
    draw_gates(1234, static_cast<std::uint64_t>(step), survival, gates);
    for (std::size_t block = 0; block < survival.size(); ++block) open[block] += gates[block];
  }
  for (std::size_t block = 0; block < survival.size(); ++block) {
    const double p = survival[block], error = std::sqrt(p * (1 - p) / steps);
    CHECK(std::abs(static_cast<double>(open[block]) / steps - p) < 4 * error);
  }
}

TEST_CASE("neighbouring blocks, steps and seeds are uncorrelated") {
  int n = 50'000;  // not constexpr: the compiler would draw all gates itself, for 12 seconds
  const auto correlation = [&n](auto&& first, auto&& second) {
    double sum = 0;
    for (int i = 0; i < n; ++i) sum += (first(i) ? 1 : -1) * (second(i) ? 1 : -1);
    return std::abs(sum) / n * std::sqrt(static_cast<double>(n));  // in standard errors
  };
  const auto gate = [](std::uint64_t seed, int step, int block) {
    return gate_open(seed, static_cast<std::uint64_t>(step), block, 0.5);
  };
  CHECK(correlation([&](int i) { return gate(1, i, 0); }, [&](int i) { return gate(1, i, 1); }) < 4);
  CHECK(correlation([&](int i) { return gate(1, i, 0); }, [&](int i) { return gate(1, i + 1, 0); }) < 4);
  CHECK(correlation([&](int i) { return gate(1, i, 0); }, [&](int i) { return gate(2, i, 0); }) < 4);
}

TEST_CASE("probability 1 is always open and 0 never, and a gate depends on seed, step and block alone") {
  for (std::uint64_t step = 0; step < 2000; ++step) {
    CHECK(gate_open(5, step, 3, 1.0));
    CHECK_FALSE(gate_open(5, step, 3, 0.0));
    CHECK(gate_open(5, step, 3, 0.5) == gate_open(5, step, 3, 0.5));
  }
}

TEST_CASE("a survival table of the wrong length or outside [0, 1] is refused") {
  CHECK_THROWS_WITH_AS(check_survival(std::vector<double>{0.5}, 2),
                       doctest::Contains("expected 2 probabilities"), Error);
  CHECK_THROWS_WITH_AS(check_survival(std::vector<double>{0.5, 1.5}, 2),
                       doctest::Contains("block 1 has probability 1.5"), Error);
  CHECK_THROWS_AS(check_survival(std::vector<double>{0.5, std::nan("")}, 2), Error);
}

TEST_CASE("scaling at test multiplies by p, scaling in training by 1/p") {
  CHECK(branch_scale(Scaling::test, true, 0.25) == 1.0);
  CHECK(branch_scale(Scaling::test, false, 0.25) == 0.25);
  CHECK(branch_scale(Scaling::train, true, 0.25) == 4.0);
  CHECK(branch_scale(Scaling::train, false, 0.25) == 1.0);
}

TEST_CASE("exact draws are scaled so that the mean factor over the images of any batch is the one at test") {
  CHECK(exact_branch_scale(Scaling::train, 0.5, 5, 3) == doctest::Approx(5.0 / 3));
  CHECK(exact_branch_scale(Scaling::test, 0.5, 5, 3) == doctest::Approx(2.5 / 3));
  CHECK(exact_branch_scale(Scaling::train, 0.5, 128, 64) == 2.0);
  CHECK(exact_branch_scale(Scaling::test, 0.5, 128, 64) == 1.0);
  for (const Scaling scaling : {Scaling::test, Scaling::train})
    for (const double p : {0.01, 0.5, 0.7, 0.95, 1.0})
      for (const int batch : {1, 2, 3, 5, 16, 128}) {
        const auto images = static_cast<std::size_t>(batch);
        const std::size_t survivors = survivor_count(p, images);
        const double share = static_cast<double>(survivors) / static_cast<double>(images);
        CHECK(share * exact_branch_scale(scaling, p, images, survivors) ==
              doctest::Approx(branch_scale(scaling, false, p)).epsilon(1e-12));
      }
  CHECK(exact_branch_scale(Scaling::test, 0.5, 5, 0) == 1.0);  // nobody: the branch does not run
  CHECK(exact_branch_scale(Scaling::train, 0.0, 5, 2) == 1.0);
}

TEST_CASE(
    "gates of images are open with their probability, and independent of each other, of blocks and of steps") {
  constexpr std::size_t images = 128;
  constexpr int steps = 2000;
  std::vector<std::uint8_t> gates(images), neighbour(images);
  double open = 0, with_next_image = 0, with_next_block = 0, with_next_step = 0;
  for (int step = 0; step < steps; ++step) {
    const auto now = static_cast<std::uint64_t>(step);
    draw_image_gates(5, now, 7, 0.7, gates);
    for (std::size_t n = 0; n < images; ++n)
      open += gates[n], with_next_image += gates[n] * gates[(n + 1) % images];
    draw_image_gates(5, now, 8, 0.7, neighbour);
    for (std::size_t n = 0; n < images; ++n) with_next_block += gates[n] * neighbour[n];
    draw_image_gates(5, now + 1, 7, 0.7, neighbour);
    for (std::size_t n = 0; n < images; ++n) with_next_step += gates[n] * neighbour[n];
  }
  constexpr double count = images * steps;
  const double error = 4 * std::sqrt(0.49 * 0.51 / count);
  CHECK(std::abs(open / count - 0.7) < 4 * std::sqrt(0.21 / count));
  for (const double both : {with_next_image, with_next_block, with_next_step})
    CHECK(std::abs(both / count - 0.49) < 2 * error);
}

TEST_CASE("no two images of a step have the same number, whatever blocks they are in") {
  std::set<double> numbers;
  for (int block = 0; block < 60; ++block)
    for_each_image_number(5, 3, block, 300, [&](std::size_t, double number) { numbers.insert(number); });
  CHECK(numbers.size() >= 60 * 300 - 2);  // of 32 bits: 18,000 of them, 0.04 pairs are to be expected
}

TEST_CASE("exact draws have their number of survivors, and every image the same chance") {
  CHECK(survivor_count(0.5, 7) == 4);
  CHECK(survivor_count(0.01, 7) == 1);
  CHECK(survivor_count(0, 7) == 0);
  CHECK(survivor_count(1, 7) == 7);
  constexpr std::size_t images = 10;
  constexpr int steps = 20'000;
  std::vector<std::uint8_t> gates(images);
  std::vector<int> open(images);
  int first_two = 0;
  for (int step = 0; step < steps; ++step) {
    draw_exact_image_gates(9, static_cast<std::uint64_t>(step), 2, 0.3, gates);
    int sum = 0;
    for (std::size_t n = 0; n < images; ++n) sum += gates[n], open[n] += gates[n];
    REQUIRE(sum == 3);
    first_two += gates[0] * gates[1];
  }
  for (const int count : open) CHECK(std::abs(count / double{steps} - 0.3) < 4 * std::sqrt(0.21 / steps));
  CHECK(std::abs(first_two / double{steps} - 3.0 * 2 / 90) < 4 * std::sqrt(0.0667 * 0.9333 / steps));
}

}  // namespace sdepth::test::gates_test
