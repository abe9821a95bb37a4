// Pools and parameter-free shortcuts on the device against the reference.
#include "../kernels/pool_cases.hpp"
#include "points.hpp"

namespace sdepth::test {
namespace {

template <PoolShape S>
void check_pool(int batch) {
  std::vector<float> numbers = random_numbers(static_cast<std::size_t>(batch) * S.in.size(), 1);
  check_close(run_pool<CudaPoints, S>(batch, numbers), run_pool<Reference, S>(batch, numbers), 1e-6);
  // Small whole numbers: many windows have several maxima, of which the first gets the gradient; all are negative in some windows.
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
  check_pool<PoolShape{{18, 7, 6}, PoolKind::maximum, 3, 3, 2, 1}>(2);
  check_pool<PoolShape{{7, 6, 5}, PoolKind::maximum, 3, 3, 1, 1}>(2);
  check_pool<PoolShape{{5, 8, 8}, PoolKind::maximum, 2, 2, 2, 0}>(3);
  check_pool<PoolShape{{3, 5, 4}, PoolKind::maximum, 5, 4, 1, 0}>(1);
  check_pool<PoolShape{{12, 9, 9}, PoolKind::maximum, 8, 8, 1, 4}>(1);
  check_pool<PoolShape{{3, 8, 8}, PoolKind::maximum, 2, 2, 3, 0}>(1);  // numbers that no window contains
}

template <ShortcutShape S>
void check_shortcut(int batch) {
  check_close(run_shortcut<CudaPoints, S>(batch), run_shortcut<Reference, S>(batch), 1e-6);
}

TEST_CASE("cuda: shortcuts pool, add zero channels, and agree with the reference") {
  check_shortcut<ShortcutShape{{16, 8, 8}, 32, 2, 2}>(2);
  check_shortcut<ShortcutShape{{5, 8, 6}, 11, 2, 1}>(3);  // dy's channels 5 to 7 must not reach dx's empty lanes
  check_shortcut<ShortcutShape{{20, 4, 4}, 20, 1, 1}>(1);
  check_shortcut<ShortcutShape{{3, 8, 8}, 9, 4, 4}>(2);
}

}  // namespace
}  // namespace sdepth::test
