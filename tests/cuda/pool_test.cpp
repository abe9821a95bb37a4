// Pools and parameter-free shortcuts on the device against the reference.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../kernels/pool_cases.hpp"
#include "points.hpp"

namespace sdepth::test::pool_test {
namespace {

template <PoolShape S>
void check_pool(int batch) {
  std::vector<float> numbers = random_numbers(static_cast<std::size_t>(batch) * S.in.size(), 1);
  check_close(run_pool<CudaPoints, S>(batch, numbers), run_pool<Reference, S>(batch, numbers), 1e-6);
  // Small whole numbers: many windows have several maxima, of which the first gets the gradient; all are
  // negative in some windows.
  for (float& number : numbers) number = std::round(number) - 1.0F;
  const Results results = run_pool<CudaPoints, S>(batch, numbers);
  check_close(results, run_pool<Reference, S>(batch, numbers), 1e-6);
  CHECK(results == run_pool<CudaPoints, S>(batch, numbers));
}

TEST_CASE("cuda: pools agree with the reference, maxima with ties too") {
  check_pool<PoolShape{{64, 8, 8}, PoolKind::average, 8, 8, 1, 0}>(2);
  check_pool<PoolShape{{20, 7, 7}, PoolKind::average, 7, 7, 1, 0}>(3);
  check_pool<PoolShape{{5, 7, 9}, PoolKind::average, 2, 2, 2, 0}>(3);
  check_pool<PoolShape{{18, 7, 6}, PoolKind::average, 3, 3, 2, 1}>(2);
  check_pool<PoolShape{{3, 9, 8}, PoolKind::average, 5, 5, 1, 2}>(2);
  check_pool<PoolShape{{18, 7, 8}, PoolKind::average, 2, 2, 2, 0, true}>(2);
  check_pool<PoolShape{{18, 7, 6}, PoolKind::maximum, 3, 3, 2, 1}>(2);
  check_pool<PoolShape{{7, 6, 5}, PoolKind::maximum, 3, 3, 1, 1}>(2);
  check_pool<PoolShape{{5, 8, 8}, PoolKind::maximum, 2, 2, 2, 0}>(3);
  check_pool<PoolShape{{3, 5, 4}, PoolKind::maximum, 5, 4, 1, 0}>(1);
  check_pool<PoolShape{{12, 9, 9}, PoolKind::maximum, 8, 8, 1, 4}>(1);
  check_pool<PoolShape{{3, 8, 8}, PoolKind::maximum, 2, 2, 3, 0}>(1);  // numbers that no window contains
}

/// PyTorch's rule: a NaN is larger than all that came before it, and nothing but another NaN is larger than
/// it.
template <PoolShape S>
[[nodiscard]] Results by_loops(int batch, const std::vector<float>& in) {
  const int channels = S.in.channels, height = S.in.height, width = S.in.width;
  const std::size_t count = static_cast<std::size_t>(batch) * S.out().size();
  const std::vector<float> dy = random_numbers(count, 2);  // as run_pool
  Results results{{"out", std::vector<float>(count)}, {"dx", std::vector<float>(in.size())}};
  std::size_t i = 0;
  for (int n = 0; n < batch; ++n)
    for (int h = 0; h < S.out().height; ++h)
      for (int w = 0; w < S.out().width; ++w)
        for (int c = 0; c < channels; ++c, ++i) {
          float best = -std::numeric_limits<float>::infinity();
          std::size_t from = in.size();
          for (int y = h * S.stride - S.padding; y < h * S.stride - S.padding + S.window_height; ++y)
            for (int x = w * S.stride - S.padding; x < w * S.stride - S.padding + S.window_width; ++x) {
              if (y < 0 || y >= height || x < 0 || x >= width) continue;
              const auto at = static_cast<std::size_t>(((n * height + y) * width + x) * channels + c);
              if (from == in.size() || in[at] > best || std::isnan(in[at])) best = in[at], from = at;
            }
          results["out"][i] = best;
          results["dx"][from] += dy[i];
        }
  return results;
}
/// Equal, NaNs in the same places too.
[[nodiscard]] bool same_numbers(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, [](float x, float y) {
    return (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= 1e-6F * (1.0F + std::abs(y)) || x == y;
  });
}
template <PoolShape S>
void check_pool_with_nan() {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(),
                  infinity = std::numeric_limits<float>::infinity();
  std::vector<float> numbers = random_numbers(2 * S.in.size(), 1);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = std::round(numbers[i]);
    if (i % 7 == 3) numbers[i] = nan;
    if (i % 11 == 0) numbers[i] = i % 2 == 0 ? infinity : -infinity;
  }
  const Results found = run_pool<CudaPoints, S>(2, numbers), expected = by_loops<S>(2, numbers);
  CHECK(same_numbers(found.at("out"), expected.at("out")));
  CHECK(same_numbers(found.at("dx"), expected.at("dx")));
}

TEST_CASE(
    "cuda: a maximum over a window with a NaN is NaN wherever it stands, and the last NaN gets the gradient") {
  check_pool_with_nan<PoolShape{{5, 8, 8}, PoolKind::maximum, 2, 2, 2, 0}>();
  check_pool_with_nan<PoolShape{{7, 6, 5}, PoolKind::maximum, 3, 3, 1, 1}>();
  check_pool_with_nan<PoolShape{{12, 9, 9}, PoolKind::maximum, 8, 8, 1, 4}>();  // threads share a window
  check_pool_with_nan<PoolShape{{3, 4, 4}, PoolKind::maximum, 4, 4, 1, 0}>();
  for (std::size_t at = 0; at < 4; ++at) {  // one NaN, at each place of one window
    std::vector<float> window(4, 1.0F);
    window[at] = std::numeric_limits<float>::quiet_NaN();
    constexpr PoolShape one{{1, 2, 2}, PoolKind::maximum, 2, 2, 2, 0};
    const Results found = run_pool<CudaPoints, one>(1, window);
    CHECK(std::isnan(found.at("out")[0]));
    for (std::size_t i = 0; i < 4; ++i) CHECK((found.at("dx")[i] != 0.0F) == (i == at));
  }
}

TEST_CASE("cuda: averages over a window with a NaN are NaN") {
  constexpr PoolShape shape{{3, 4, 4}, PoolKind::average, 2, 2, 2, 0};
  std::vector<float> numbers = random_numbers(shape.in.size(), 1);
  numbers[0] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> out = run_pool<CudaPoints, shape>(1, numbers).at("out");
  for (std::size_t i = 0; i < out.size(); ++i) CHECK(std::isnan(out[i]) == (i == 0));
}

TEST_CASE("cuda: a pool of more numbers than its kernels can count is refused before it is launched") {
  constexpr PoolShape shape{{64, 32, 32}, PoolKind::maximum, 2, 2, 2, 0};
  cuda::Context context;
  CHECK_THROWS_WITH_AS(
      (cuda::pool_backward<shape, float>(context, 1 << 18, nullptr, nullptr, nullptr)),
      doctest::Contains(
          "pool: expected at most 17179868156 numbers in a tensor, found 17179869184 (262144 images of 32 x 32, "),
      Error);
  CHECK_THROWS_WITH_AS((cuda::pool_forward<shape, float>(context, 1 << 20, nullptr, nullptr)),
                       doctest::Contains("use a smaller batch"), Error);
}

template <ShortcutShape S>
void check_shortcut(int batch) {
  check_close(run_shortcut<CudaPoints, S>(batch), run_shortcut<Reference, S>(batch), 1e-6);
}

TEST_CASE("cuda: shortcuts pool, add zero channels, and agree with the reference") {
  check_shortcut<ShortcutShape{{16, 8, 8}, 32, 2, 2}>(2);
  // dy's channels 5 to 7 must not reach dx's empty lanes
  check_shortcut<ShortcutShape{{5, 8, 6}, 11, 2, 1}>(3);
  check_shortcut<ShortcutShape{{20, 4, 4}, 20, 1, 1}>(1);
  check_shortcut<ShortcutShape{{5, 7, 9}, 11, 2, 2}>(2);  // the stride divides no extent
  check_shortcut<ShortcutShape{{5, 7, 9}, 11, 2, 1}>(2);
  check_shortcut<ShortcutShape{{5, 7, 9}, 11, 3, 3}>(2);
  check_shortcut<ShortcutShape{{3, 8, 8}, 9, 4, 4}>(2);
}

}  // namespace
}  // namespace sdepth::test::pool_test
