// Activations stored in bfloat16 on the device: every kernel computes what the reference does with the same
// rounding. bfloat16_training_test.cpp has whole trainings.
#include <bit>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/cuda.hpp>

#include "../kernels/linear_cases.hpp"
#include "../kernels/pool_cases.hpp"
#include "../kernels/stage_cases.hpp"

namespace sdepth::test::bfloat16_test {
namespace {

using Exact = Cuda<Precision::float32, bfloat16>;
using Rounded = Cuda<Precision::tf32, bfloat16>;
using Expected = BasicReference<float, bfloat16>;

/// Sums taken in another order differ in the last bit of a float, and so, once in a thousand numbers, in the
/// last bit of a bfloat16, which is 2⁻⁸ of it. Cutting off instead of rounding would give 2e-3, forgetting to
/// round before a sum 1e-3.
template <class B>
constexpr double tolerance = std::is_same_v<B, Exact> ? 6e-4 : 3e-3;

constexpr ConvShape plain_shape{{10, 6, 5}, 18, 3, 1, 1, true};
// two tiles of channels: both read numbers that one of them writes down
constexpr ConvShape deep{{33, 5, 6}, 41, 3, 1, 1};
constexpr ConvShape strided{{10, 8, 6}, 20, 3, 2, 1};
constexpr ConvShape narrow{{16, 6, 6}, 24, 1, 2, 0};
constexpr ConvShape stem{{3, 6, 5}, 18, 3, 1, 1, false, true};
constexpr Shape image{21, 7, 5};

template <class B, ConvShape S, class A = ReLU>
void check_convolution(int batch, const Pending& pending, const Backward& backward = {.add = true}) {
  CAPTURE(S.stride);
  CAPTURE(S.in.channels);
  CAPTURE(pending.norm);
  CAPTURE(pending.shortcut);
  CAPTURE(pending.finished);
  check_close(run_conv_forward<B, S, A>(batch, 1, pending),
              run_conv_forward<Expected, S, A>(batch, 1, pending), tolerance<B>);
  check_close(run_conv_backward<B, S, A>(batch, 1, pending, backward),
              run_conv_backward<Expected, S, A>(batch, 1, pending, backward), tolerance<B>);
}

TEST_CASE(
    "bf16 on the device: convolutions and their gradients agree with the reference, whatever is pending") {
  const Pending all{
      .norm = true, .shortcut = true, .shortcut_norm = true, .activated = true, .finished = true};
#if !defined(__SANITIZE_THREAD__)
  for (const Pending& pending : all_pending()) check_convolution<Exact, plain_shape>(2, pending);
  check_convolution<Exact, narrow>(2, {.norm = true, .activated = true});
  check_convolution<Exact, plain_shape, GELU>(2, all);
  check_convolution<Rounded, strided>(1, all);
  check_convolution<Rounded, stem>(1, {});
#endif
  check_convolution<Exact, deep>(1, all);
  check_convolution<Exact, strided>(2, {.norm = true, .activated = true}, {.norm = true, .add = true});
  check_convolution<Exact, stem>(2, {});
  check_convolution<Rounded, plain_shape>(1, all);
}

TEST_CASE(
    "bf16 on the device: values that are written down, and the way back through them, agree with the reference") {
  for (const Pending& pending : all_pending()) {
    check_close(run_finish<Exact, image>(3, pending), run_finish<Expected, image>(3, pending),
                tolerance<Exact>);
    for (const int alias : {0, 1, 2}) {
      const Finish wanted{.alias = alias, .norm = alias != 1, .add = alias != 1};
      check_close(run_finish_backward<Exact, image>(3, pending, wanted),
                  run_finish_backward<Expected, image>(3, pending, wanted), tolerance<Exact>);
    }
  }
}

template <PoolShape S>
void check_pool() {
  const std::vector<float> numbers = random_numbers(3 * S.in.size(), 1);
  check_close(run_pool<Exact, S>(3, numbers), run_pool<Expected, S>(3, numbers), tolerance<Exact>);
}
TEST_CASE("bf16 on the device: pools, shortcuts and linear layers agree with the reference") {
  // windows overlap: sums of gradients are rounded once
  check_pool<PoolShape{{21, 8, 8}, PoolKind::maximum, 3, 3, 2, 1}>();
  check_pool<PoolShape{{21, 8, 8}, PoolKind::average, 8, 8, 1, 0}>();
  constexpr ShortcutShape shortcut{{10, 8, 8}, 20, 2};
  check_close(run_shortcut<Exact, shortcut>(3), run_shortcut<Expected, shortcut>(3), tolerance<Exact>);
  constexpr LinearShape linear{{21, 2, 1}, 37};
  check_close(run_linear<Exact, linear>(37, 1), run_linear<Expected, linear>(37, 1), tolerance<Exact>);
}

TEST_CASE(
    "bf16 on the device: numbers are rounded as bfloat16 is, every one of them, and come back as they are") {
  std::vector<float> words;
  for (std::uint32_t upper = 0; upper < 0x10000; upper += 37)
    for (const std::uint32_t lower : {0x0000U, 0x7fffU, 0x8000U, 0x8001U})
      words.push_back(std::bit_cast<float>(upper << 16 | lower));
  words.resize(words.size() / 4 * 4);
  std::vector<bfloat16> there(words.size());
  std::vector<float> back(words.size());
  cuda::Context context;
  Exact::store_numbers(context, 1, {4, 1, static_cast<int>(words.size() / 4)}, words.data(), there.data());
  Exact::load_numbers(context, words.size(), there.data(), back.data());
  context.synchronize();
  for (std::size_t i = 0; i < words.size(); ++i) {
    REQUIRE(there[i].bits == bfloat16(words[i]).bits);
    REQUIRE(std::bit_cast<std::uint32_t>(back[i]) == static_cast<std::uint32_t>(there[i].bits) << 16);
  }
}

}  // namespace
}  // namespace sdepth::test::bfloat16_test
