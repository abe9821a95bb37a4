// finish and finish_backward on the device against the reference: everything that can be pending, aliases,
// odd shapes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/hardswish.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/activations/silu.hpp>

#include "../activations/mish.hpp"
#include "../kernels/stage_cases.hpp"
#include "points.hpp"

namespace sdepth::test::finish_test {
namespace {

constexpr Shape odd{21, 7, 5};

TEST_CASE("cuda: finish writes values and their statistics, whatever is pending") {
  for (const Pending& pending : all_pending())
    check_close(run_finish<CudaPoints, odd>(1, pending), run_finish<Reference, odd>(1, pending), 5e-6);
}

TEST_CASE("cuda: finish needs no statistics, and works on several blocks and ranges of channels") {
  const Pending all{
      .norm = true, .shortcut = true, .shortcut_norm = true, .activated = true, .finished = true};
  check_close(run_finish<CudaPoints, odd>(2, all, {.statistics = false}),
              run_finish<Reference, odd>(2, all, {.statistics = false}), 5e-6);
  // 350 pixels, 168 a block
  check_close(run_finish<CudaPoints, odd>(10, all), run_finish<Reference, odd>(10, all), 5e-6);
  constexpr Shape wide{131, 4, 5};  // 72 and 64 channels of 136, 14 rows of pixels
  static_assert(cuda::PixelBlock<136>::tiles == 2 && cuda::PixelBlock<136>::pitch == 72 &&
                cuda::PixelBlock<136>::rows == 14);
  check_close(run_finish<CudaPoints, wide>(3, all), run_finish<Reference, wide>(3, all), 5e-6);
  constexpr Shape one{1, 1, 1};
  check_close(run_finish<CudaPoints, one>(1, all), run_finish<Reference, one>(1, all), 5e-6);
  CHECK(run_finish<CudaPoints, odd>(10, all) == run_finish<CudaPoints, odd>(10, all));
}

TEST_CASE("cuda: variances keep their digits where the mean is large against the deviation") {
  constexpr Shape image{3, 8, 8};
  constexpr int batch = 9;  // 3 blocks
  std::vector<float> x = random_numbers(batch * image.size(), 1);
  for (float& number : x) number += 1000.0F;  // E[x²] − E[x]² in float would leave no correct digit
  Packed<CudaPoints> packed(x, image.channels), mean(1, image.channels), variance(1, image.channels);
  cuda::Context context;
  CudaPoints::finish<image>(context, batch, {.x = packed.data()}, {mean.data(), variance.data()});
  Packed<Reference> expected_mean(1, image.channels), expected(1, image.channels);
  Reference::Context reference_context(1);
  Reference::finish<image>(reference_context, batch, {.x = x.data()},
                           {expected_mean.data(), expected.data()});
  CHECK(relative_error(variance.dense(), expected.dense()) < 2e-4);
  CHECK(relative_error(mean.dense(), expected_mean.dense()) < 1e-7);
}

TEST_CASE("cuda: tensors of any size are dealt out to at most 1,024 blocks, small ones to many") {
  using Block = cuda::PixelBlock<64>;
  static_assert(Block::pixels(128 * 8 * 8) == 64);  // 128 blocks
  constexpr std::size_t large = std::size_t{256} * 112 * 112;
  static_assert((large + Block::pixels(large) - 1) / Block::pixels(large) <= 1024);
  // What a block does when it has more than its threads take at a time, to the last pixel.
  for (const std::size_t pixels : {std::size_t{97}, std::size_t{129}, std::size_t{300}}) {
    const std::vector<float> numbers = random_numbers(pixels * 64, 1);
    std::vector<float> finished(numbers.size()), mean(64), variance(64), expected_mean(64), expected(64),
        d(numbers.size()), dz(64), expected_dz(64);
    cuda::Context context;
    Source<float> source{.x = numbers.data(), .activated = true, .finished = finished.data()};
    cuda::FinishOperands<float> forward{cuda::Reading(source),
                                        {},
                                        cuda::StatisticsResult({mean.data(), variance.data()}),
                                        pixels,
                                        150,
                                        cuda::channel_parts(context, 2, 64)};
    const cuda::Grid grid{
        .x = pixels > 150 ? 2U : 1U, .threads = Block::threads, .shared_bytes = Block::sums_bytes};
    forward.parts = cuda::channel_parts(context, static_cast<int>(grid.x), 64);
    context.launch({}, cuda::finish_kernel<64, ReLU, float>, grid, forward);
    context.synchronize();
    source.finished = nullptr;
    cuda::FinishBackwardOperands<float> backward{
        cuda::GradientReading<float>({.dy = numbers.data()}),
        {},
        cuda::Masking<float>(source, nullptr, {.dz = dz.data()}, context.failed()),
        d.data(),
        {},
        pixels,
        150,
        forward.parts};
    context.launch({}, cuda::finish_backward_kernel<64, ReLU, float>, grid, backward);
    context.synchronize();
    reference::statistics<float>(
        pixels, 64,
        [&](std::size_t i, std::size_t c) { return std::max(0.0, static_cast<double>(numbers[i * 64 + c])); },
        Statistics<float>{expected_mean.data(), expected.data()});
    for (std::size_t c = 0; c < 64; ++c)
      expected_dz[c] =
          static_cast<float>(static_cast<double>(pixels) * static_cast<double>(expected_mean[c]));
    std::vector<float> rectified = numbers;
    for (float& number : rectified) number = std::max(number, 0.0F);
    check_close({{"mean", mean}, {"variance", variance}, {"finished", finished}, {"d", d}, {"dz", dz}},
                {{"mean", expected_mean},
                 {"variance", expected},
                 {"finished", rectified},
                 {"d", rectified},
                 {"dz", expected_dz}},
                5e-6);
  }
}

template <Shape S>
void check_finish_backward(int batch, const Pending& pending, const Finish& wanted) {
  check_close(run_finish_backward<CudaPoints, S>(batch, pending, wanted),
              run_finish_backward<Reference, S>(batch, pending, wanted), 1e-5);
}

TEST_CASE("cuda: finish_backward masks and sums, whatever is pending") {
  for (const Pending& pending : all_pending()) check_finish_backward<odd>(1, pending, {});
}

TEST_CASE("cuda: finish_backward takes every kind of gradient, in place too, with and without sums") {
  const Pending pending{.norm = true, .shortcut = true, .shortcut_norm = true, .activated = true};
  for (const bool norm : {false, true})
    for (const int alias : {0, 1, 2})
      for (const bool add : {false, true})
        if (alias < 2 || add)
          check_finish_backward<odd>(1, pending, {.alias = alias, .norm = norm, .add = add});
  check_finish_backward<odd>(2, pending, {.statistics = false});
  check_finish_backward<Shape{131, 4, 5}>(3, pending, {.alias = 2});
  check_finish_backward<Shape{1, 1, 1}>(1, pending, {});
  check_finish_backward<odd>(10, pending, {.alias = 1});
  CHECK(run_finish_backward<CudaPoints, odd>(10, pending, {}) ==
        run_finish_backward<CudaPoints, odd>(10, pending, {}));
}

template <class A>
void check_activation() {
  for (const Pending& pending : few_activated) {
    check_close(run_finish<CudaPoints, odd, A>(1, pending), run_finish<Reference, odd, A>(1, pending), 5e-6);
    check_close(run_finish_backward<CudaPoints, odd, A>(1, pending, {}),
                run_finish_backward<Reference, odd, A>(1, pending, {}), 1e-5);
  }
}
TEST_CASE(
    "cuda: finish and finish_backward with activations that need their output or their input, and with a user's own") {
  check_activation<LeakyReLU<>>();
  check_activation<GELU>();
  check_activation<SiLU>();
  check_activation<Hardswish>();
  check_activation<of_a_user::Mish>();
}

TEST_CASE(
    "cuda: a value that is NaN stays NaN, makes its channel's statistics NaN, and lets its gradient pass") {
  constexpr Shape image{10, 3, 4};
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(),
                  infinity = std::numeric_limits<float>::infinity();
  for (const auto& [where, what] :
       {std::pair{0, nan}, std::pair{57, nan}, std::pair{119, nan}, std::pair{31, infinity}}) {
    const auto at = static_cast<std::size_t>(where), channels = std::size_t{10};
    std::vector<float> x = random_numbers(image.size(), 1), dy = random_numbers(image.size(), 2);
    x[at] = what;
    Packed<CudaPoints> in(x, image.channels), value(image.pixels(), image.channels), mean(1, image.channels),
        variance(1, image.channels), gradient(dy, image.channels), out(image.pixels(), image.channels);
    cuda::Context context;
    CudaPoints::finish<image>(context, 1, {.x = in.data(), .activated = true, .finished = value.data()},
                              {mean.data(), variance.data()});
    for (std::size_t i = 0; i < x.size(); ++i)
      CHECK((i == at && std::isnan(what) ? std::isnan(value.dense()[i])
                                         : value.dense()[i] == std::max(x[i], 0.0F)));
    for (std::size_t c = 0; c < channels; ++c) {
      CHECK(std::isfinite(mean.dense()[c]) == (c != at % channels));
      CHECK(std::isnan(variance.dense()[c]) == (c == at % channels));
    }
    // With the values that were stored, and with those that are computed again.
    for (float* const finished : {value.data(), static_cast<float*>(nullptr)}) {
      CudaPoints::finish_backward<image>(context, 1, {.dy = gradient.data()},
                                         {.x = in.data(), .activated = true, .finished = finished}, nullptr,
                                         out.data(), {});
      for (std::size_t i = 0; i < x.size(); ++i) CHECK(out.dense()[i] == (x[i] <= 0.0F ? 0.0F : dy[i]));
    }
  }
}

}  // namespace
}  // namespace sdepth::test::finish_test
