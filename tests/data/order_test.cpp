#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include <sdepth/data/order.hpp>

namespace sdepth::test::order_test {

namespace {

std::vector<int> order(int count, std::uint64_t seed, int epoch) {
  std::vector<int> records;
  shuffled_order(records, count, seed, epoch);
  return records;
}

}  // namespace

TEST_CASE("every record comes once, in an order of seed and epoch only") {
  const auto first = order(1000, 3, 1);
  auto sorted = first;
  std::sort(sorted.begin(), sorted.end());
  for (int i = 0; i < 1000; ++i) CHECK(sorted[static_cast<std::size_t>(i)] == i);
  CHECK(first != sorted);
  CHECK(first == order(1000, 3, 1));
  CHECK(first != order(1000, 3, 2));
  CHECK(first != order(1000, 4, 1));
  CHECK(order(0, 3, 1).empty());
  CHECK(order(1, 3, 1) == std::vector<int>{0});
}

TEST_CASE("each of the 24 orders of four records is equally likely") {
  std::map<std::vector<int>, int> counts;
  constexpr int epochs = 24000;
  for (int epoch = 0; epoch < epochs; ++epoch) ++counts[order(4, 9, epoch)];
  CHECK(counts.size() == 24);
  for (const auto& [records, count] : counts) CHECK(std::abs(count - 1000) < 4 * std::sqrt(1000.0));
}

TEST_CASE("an order of fewer records than none is refused") {
  CHECK_THROWS_WITH_AS((void)order(-1, 9, 0), doctest::Contains("-1 records"), Error);
}

}  // namespace sdepth::test::order_test
