#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <vector>

#include <sdepth/data/random_stream.hpp>

namespace sdepth::test::random_stream_test {

TEST_CASE("a stream's words are Philox's, block after block") {
  RandomStream stream(42, Purpose::shuffle, 7);
  for (std::uint32_t block = 0; block < 3; ++block)
    for (const std::uint32_t word : random_words(42, Purpose::shuffle, 7, block))
      CHECK(stream.word() == word);
}

TEST_CASE("numbers below n are in range and equally likely") {
  for (const std::uint32_t n : {1U, 2U, 3U, 9U, 1000U}) {
    RandomStream stream(1, Purpose::synthetic, n);
    std::vector<int> counts(n);
    constexpr int draws = 100000;
    for (int i = 0; i < draws; ++i) {
      const std::uint32_t drawn = stream.below(n);
      REQUIRE(drawn < n);
      ++counts[drawn];
    }
    const double expected = static_cast<double>(draws) / n;
    double chi_squared = 0;
    for (const int count : counts) chi_squared += (count - expected) * (count - expected) / expected;
    // n − 1 degrees of freedom: mean n − 1, standard deviation sqrt(2 (n − 1)).
    CHECK(chi_squared <= n - 1 + 4 * std::sqrt(2.0 * (n - 1)) + 1e-9);
  }
}

TEST_CASE(
    "a number below n is unbiased where n does not divide 2^32: three quarters of it cannot be told from one word") {
  // With n = 3 · 2^30 a plain multiplication gives every third number twice as often as the others.
  RandomStream stream(5, Purpose::shuffle, 0);
  std::array<int, 3> remainders{};
  constexpr int draws = 60000;
  for (int i = 0; i < draws; ++i) ++remainders[stream.below(3U << 30) % 3];
  for (const int count : remainders) CHECK(std::abs(count - draws / 3) < 4 * std::sqrt(draws * 2.0 / 9.0));
}

}  // namespace sdepth::test::random_stream_test
