// Pools and parameter-free shortcuts on every backend against the reference.
#include "pool_cases.hpp"

namespace sdepth::test::pool_test {
namespace {

template <class B, PoolShape S>
void check_pool(int batch) {
  std::vector<float> numbers = random_numbers(static_cast<std::size_t>(batch) * S.in.size(), 1);
  check_close(run_pool<B, S>(batch, numbers), run_pool<Reference, S>(batch, numbers), 1e-6);
  // Small whole numbers: many windows have several maxima, of which the first gets the gradient; all are
  // negative in some windows.
  for (float& number : numbers) number = std::round(number) - 1.0F;
  check_close(run_pool<B, S>(batch, numbers), run_pool<Reference, S>(batch, numbers), 1e-6);
}

TEST_CASE_TEMPLATE_DEFINE("pools agree with the reference, maxima with ties too", B, pools) {
  check_pool<B, PoolShape{{64, 8, 8}, PoolKind::average, 8, 8, 1, 0}>(3);
  check_pool<B, PoolShape{{5, 7, 9}, PoolKind::average, 2, 2, 2, 0}>(10);
  check_pool<B, PoolShape{{18, 7, 6}, PoolKind::average, 3, 3, 2, 1}>(2);
  check_pool<B, PoolShape{{18, 7, 6}, PoolKind::maximum, 3, 3, 2, 1}>(2);
  check_pool<B, PoolShape{{5, 8, 8}, PoolKind::maximum, 2, 2, 2, 0}>(10);
  check_pool<B, PoolShape{{3, 5, 4}, PoolKind::maximum, 5, 4, 1, 0}>(10);  // some maxima are in the last row
  check_pool<B, PoolShape{{3, 5, 4}, PoolKind::average, 5, 4, 1, 0}>(1);
  check_pool<B, PoolShape{{18, 7, 8}, PoolKind::average, 2, 2, 2, 0, true}>(3);
}
TEST_CASE_TEMPLATE_APPLY(pools, Backends);

TEST_CASE_TEMPLATE_DEFINE("shortcuts pool, add zero channels, and agree with the reference", B, shortcuts) {
  check_close(run_shortcut<B, ShortcutShape{{16, 32, 32}, 32, 2, 2}>(2),
              run_shortcut<Reference, ShortcutShape{{16, 32, 32}, 32, 2, 2}>(2), 1e-6);
  check_close(run_shortcut<B, ShortcutShape{{5, 8, 6}, 11, 2, 1}>(10),
              run_shortcut<Reference, ShortcutShape{{5, 8, 6}, 11, 2, 1}>(10), 1e-6);
  check_close(run_shortcut<B, ShortcutShape{{20, 4, 4}, 20, 1, 1}>(1),
              run_shortcut<Reference, ShortcutShape{{20, 4, 4}, 20, 1, 1}>(1), 1e-6);
  // The stride divides neither extent, or one.
  check_close(run_shortcut<B, ShortcutShape{{5, 7, 9}, 11, 2, 2}>(3),
              run_shortcut<Reference, ShortcutShape{{5, 7, 9}, 11, 2, 2}>(3), 1e-6);
  check_close(run_shortcut<B, ShortcutShape{{5, 7, 9}, 11, 2, 1}>(3),
              run_shortcut<Reference, ShortcutShape{{5, 7, 9}, 11, 2, 1}>(3), 1e-6);
  check_close(run_shortcut<B, ShortcutShape{{5, 7, 9}, 11, 3, 3}>(3),
              run_shortcut<Reference, ShortcutShape{{5, 7, 9}, 11, 3, 3}>(3), 1e-6);
}
TEST_CASE_TEMPLATE_APPLY(shortcuts, Backends);

}  // namespace
}  // namespace sdepth::test::pool_test
