// Activations stored in bfloat16: how numbers are rounded, and that every kernel computes what the reference
// does with the same rounding.
#include <bit>
#include <cstdint>

#include <sdepth/activations/gelu.hpp>

#include "linear_cases.hpp"
#include "pool_cases.hpp"
#include "stage_cases.hpp"

namespace sdepth::test::bfloat16_test {
namespace {

using Arch = xsimd::default_arch;
using B = CpuBfloat16;
using Expected = BasicReference<float, bfloat16>;

/// Sums taken in another order differ in the last bit of a float, and so, once in a thousand numbers, in the
/// last bit of a bfloat16, which is 2⁻⁸ of it. Cutting off instead of rounding would give 2e-3, forgetting to
/// round before a sum 1e-3.
constexpr double tolerance = 6e-4;

/// What a vector makes of every number of its lanes.
[[nodiscard]] std::uint16_t narrowed(std::uint32_t word) {
  float in[cpu::lanes<Arch>];
  bfloat16 out[cpu::lanes<Arch>];
  std::fill_n(in, cpu::lanes<Arch>, std::bit_cast<float>(word));
  cpu::store<Arch>(out, cpu::load<Arch>(in));
  for (const bfloat16 lane : out) CHECK(lane.bits == out[0].bits);
  return out[0].bits;
}

TEST_CASE("numbers are rounded to the nearest, ties to even, by vectors as by one number") {
  // By the definition: of the two neighbours the nearer one, of two as near the one whose last bit is 0.
  // Exact in double.
  for (std::uint32_t upper = 0; upper < 0x10000; upper += upper < 0x7f00 || upper > 0x8000 ? 97 : 1)
    for (const std::uint32_t lower : {0x0000U, 0x0001U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      const std::uint32_t word = upper << 16 | lower;
      const auto x = std::bit_cast<float>(word);
      const bfloat16 rounded(x);
      REQUIRE(narrowed(word) == rounded.bits);
      if (std::isnan(x)) {
        REQUIRE(std::isnan(static_cast<float>(rounded)));
      } else if (std::abs(x) < std::numeric_limits<float>::min()) {
        REQUIRE(rounded.bits == (upper & 0x8000));
      } else {
        const std::uint32_t up = lower > 0x8000 || (lower == 0x8000 && upper % 2 == 1) ? upper + 1 : upper;
        REQUIRE(rounded.bits == up);
      }
    }
}

constexpr ConvShape direct{{10, 6, 5}, 18, 3, 1, 1, true};
constexpr ConvShape winograd{{16, 8, 8}, 20, 3, 1, 1};
static_assert(cpu::winograd_pays(winograd));
constexpr ConvShape strided{{10, 8, 6}, 20, 3, 2, 1};
constexpr ConvShape stem{{3, 6, 5}, 18, 3, 1, 1, false, true};
constexpr Shape image{21, 7, 5};

template <ConvShape S>
void check_convolution_of_all(const std::vector<Pending>& all) {
  CAPTURE(S.stride);
  CAPTURE(S.in.channels);
  for (const Pending& pending : all) {
    check_close(run_conv_forward<B, S>(3, 2, pending), run_conv_forward<Expected, S>(3, 1, pending),
                tolerance);
    const Backward backward{.add = true};
    check_close(run_conv_backward<B, S>(3, 2, pending, backward),
                run_conv_backward<Expected, S>(3, 1, pending, backward), tolerance);
    CHECK(run_conv_forward<B, S>(10, 1, pending) == run_conv_forward<B, S>(10, 3, pending));
    CHECK(run_conv_backward<B, S>(10, 1, pending, backward) ==
          run_conv_backward<B, S>(10, 3, pending, backward));
  }
}
TEST_CASE(
    "convolutions agree with the reference, whatever is pending, and with themselves on any number of threads") {
  check_convolution_of_all<direct>(all_pending());
  check_convolution_of_all<winograd>({few_activated[0], few_activated[3]});
  check_convolution_of_all<strided>({few_activated[1]});
  check_convolution_of_all<stem>({{}});
}

TEST_CASE("an activation whose derivative needs its input agrees with the reference") {
  for (const Pending& pending : few_activated) {
    check_close(run_conv_backward<B, direct, GELU>(3, 2, pending, {.add = true}),
                run_conv_backward<Expected, direct, GELU>(3, 1, pending, {.add = true}), tolerance);
    check_close(run_finish_backward<B, image, GELU>(3, pending, {}),
                run_finish_backward<Expected, image, GELU>(3, pending, {}), tolerance);
  }
}

TEST_CASE("values that are written down, and the way back through them, agree with the reference") {
  for (const Pending& pending : all_pending()) {
    check_close(run_finish<B, image>(3, pending, {}, 2), run_finish<Expected, image>(3, pending), tolerance);
    for (const int alias : {0, 1, 2}) {
      const Finish wanted{.alias = alias, .norm = alias != 1, .add = alias != 1};
      check_close(run_finish_backward<B, image>(3, pending, wanted, 2),
                  run_finish_backward<Expected, image>(3, pending, wanted), tolerance);
    }
  }
}

template <PoolShape S>
void check_pool() {
  const std::vector<float> numbers = random_numbers(3 * S.in.size(), 1);
  check_close(run_pool<B, S>(3, numbers), run_pool<Expected, S>(3, numbers), tolerance);
}
TEST_CASE("pools, shortcuts and linear layers agree with the reference") {
  // windows overlap: sums of gradients are rounded once
  check_pool<PoolShape{{21, 8, 8}, PoolKind::maximum, 3, 3, 2, 1}>();
  check_pool<PoolShape{{21, 8, 8}, PoolKind::average, 8, 8, 1, 0}>();
  constexpr ShortcutShape shortcut{{10, 8, 8}, 20, 2};
  check_close(run_shortcut<B, shortcut>(3), run_shortcut<Expected, shortcut>(3), tolerance);
  constexpr LinearShape linear{{21, 1, 1}, 10};
  check_close(run_linear<B, linear>(37, 2), run_linear<Expected, linear>(37, 1), tolerance);
  CHECK(run_linear<B, linear>(37, 1) == run_linear<B, linear>(37, 2));
}

}  // namespace
}  // namespace sdepth::test::bfloat16_test
