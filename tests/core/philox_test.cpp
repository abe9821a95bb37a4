// Random numbers: the published known answers, and the properties that gates and shuffles rely on.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <set>

#include <sdepth/core/philox.hpp>

namespace sdepth::test::philox_test {

namespace {

using Words = std::array<std::uint32_t, 4>;

// Source: Random123 1.14, tests/kat_vectors, the lines of `philox4x32 10`: counter, key, result.
TEST_CASE("philox4x32 gives the published answers") {
  constexpr std::uint32_t ones = 0xffffffff;
  static_assert(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox4x32({ones, ones, ones, ones}, {ones, ones}) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("every bit of seed, purpose and counters counts") {
  std::set<Words> seen{random_words(0, Purpose::gate, 0, 0)};
  for (int bit = 0; bit < 64; ++bit) {
    seen.insert(random_words(std::uint64_t{1} << bit, Purpose::gate, 0, 0));
    seen.insert(random_words(0, Purpose::gate, std::uint64_t{1} << bit, 0));
  }
  for (int bit = 0; bit < 32; ++bit) seen.insert(random_words(0, Purpose::gate, 0, std::uint32_t{1} << bit));
  for (const Purpose purpose : {Purpose::shuffle, Purpose::augment, Purpose::initialise, Purpose::synthetic})
    seen.insert(random_words(0, purpose, 0, 0));
  CHECK(seen.size() == 1 + 64 + 64 + 32 + 4);
}

TEST_CASE("uniform covers [0, 1) and never reaches 1") {
  CHECK(uniform(0) == 0.0);
  CHECK(uniform(0x80000000) == 0.5);
  CHECK(uniform(std::numeric_limits<std::uint32_t>::max()) < 1.0);
}

TEST_CASE("uniform and normal have the mean and variance of their distributions") {
  constexpr int count = 100000;
  double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0, normal_fourths = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Words words = random_words(7, Purpose::initialise, 1, i);
    const double u = uniform(words[0]);
    const double n = normal(words[1], words[2]);
    sum += u;
    squares += (u - 0.5) * (u - 0.5);
    normal_sum += n;
    normal_squares += n * n;
    normal_fourths += n * n * n * n;
  }
  // Four standard errors of each mean; the variances of the summands are 1/12, 1/180, 1, 2 and 96.
  const double root = std::sqrt(count);
  CHECK(std::abs(sum / count - 0.5) < 4 * std::sqrt(1.0 / 12) / root);
  CHECK(std::abs(squares / count - 1.0 / 12) < 4 * std::sqrt(1.0 / 180) / root);
  CHECK(std::abs(normal_sum / count) < 4 / root);
  CHECK(std::abs(normal_squares / count - 1) < 4 * std::sqrt(2.0) / root);
  CHECK(std::abs(normal_fourths / count - 3) < 4 * std::sqrt(96.0) / root);
}

TEST_CASE("normal takes the radius from the first word and the angle from the second") {
  const double radius = std::sqrt(2 * std::log(2.0));  // of the word 2^31, u = 1/2
  CHECK(normal(0x80000000, 0) == doctest::Approx(radius));
  CHECK(std::abs(normal(0x80000000, 0x40000000)) < 1e-12);
  CHECK(normal(0x80000000, 0x80000000) == doctest::Approx(-radius));
}

TEST_CASE("normal is finite for every first word, the smallest and the largest too") {
  CHECK(normal(0, 0) == 0.0);
  CHECK(std::isfinite(normal(std::numeric_limits<std::uint32_t>::max(), 0)));
}

}  // namespace

}  // namespace sdepth::test::philox_test
