// Stochastic rounding of what kernels store in bfloat16: unbiased, the same random bits in every vector, and
// in every kernel the reference's numbers.
#include <bit>
#include <cstdint>

#include <sdepth/activations/gelu.hpp>

#include "linear_cases.hpp"
#include "pool_cases.hpp"
#include "rounding_checks.hpp"
#include "stage_cases.hpp"

namespace sdepth::test::rounding_test {
namespace {

using Arch = xsimd::default_arch;
using B = CpuBfloat16;
using Expected = BasicReference<float, bfloat16>;

TEST_CASE("of 65536 random numbers as many round up as the cut bits say, so the mean is the number") {
  for (const float x : {1.0F + 0x1p-10F, 1.0F, -3.14159265F, 1.7e-38F, 255.999F, -0.1F}) {
    CAPTURE(x);
    const auto word = std::bit_cast<std::uint32_t>(x);
    double sum = 0;
    std::uint32_t up = 0;
    for (std::uint32_t random = 0; random < 0x10000; ++random) {
      const bfloat16 rounded = bfloat16::stochastic(x, random);
      sum += static_cast<double>(static_cast<float>(rounded));
      up += rounded.bits - (word >> 16);
    }
    CHECK(up == (word & 0xffff));
    CHECK(sum == 65536 * static_cast<double>(x));
  }
}

TEST_CASE("what has no two neighbours is rounded as to nearest, and a finite number stays finite") {
  const float infinity = std::numeric_limits<float>::infinity(), largest = std::bit_cast<float>(0x7f7f0000U);
  for (const std::uint32_t random : {0x0000U, 0x8000U, 0xffffU}) {
    for (const float sign : {1.0F, -1.0F}) {
      CHECK(static_cast<float>(bfloat16::stochastic(sign * infinity, random)) == sign * infinity);
      CHECK(static_cast<float>(bfloat16::stochastic(sign * std::numeric_limits<float>::max(), random)) ==
            sign * largest);
      CHECK(bfloat16::stochastic(sign * 0.0F, random).bits == bfloat16(sign * 0.0F).bits);
      CHECK(bfloat16::stochastic(sign * 1e-39F, random).bits == bfloat16(sign * 0.0F).bits);
    }
    CHECK(std::isnan(
        static_cast<float>(bfloat16::stochastic(std::numeric_limits<float>::quiet_NaN(), random))));
    CHECK(std::isnan(static_cast<float>(bfloat16::stochastic(std::bit_cast<float>(0x7f800001U), random))));
    // what bfloat16 holds
    for (std::uint32_t upper = 0x0080; upper < 0x7f80; upper += 113)
      REQUIRE(bfloat16::stochastic(std::bit_cast<float>(upper << 16), random).bits == upper);
  }
}

TEST_CASE("vectors draw each number's bits and round by them as one number does") {
  constexpr int channels = 37, pitch = cpu::padded<Arch>(channels), pixels = 21;
  const RoundingNoise noise{0x123456789abcdef0, 1234567, 89, true};
  std::vector<float> numbers = random_numbers(static_cast<std::size_t>(pixels * pitch), 1);
  numbers[5] = std::numeric_limits<float>::infinity();
  numbers[6] = std::numeric_limits<float>::quiet_NaN();
  numbers[7] = std::bit_cast<float>(0x7f800001U);
  numbers[8] = std::numeric_limits<float>::max();
  numbers[9] = 1e-39F;
  numbers[10] = -0.0F;
  // an odd first pixel is the second one of its pair
  for (const std::uint32_t first : {0U, 1U, 2U, 1000003U}) {
    std::vector<float> rounded = numbers;
    const cpu::Rounder<bfloat16> rounder{noise, 0, first};
    rounder.rows<Arch>(pitch, 0, pixels, rounded.data());
    for (int p = 0; p < pixels; ++p)
      for (int c = 0; c < pitch; ++c) {
        const auto i = static_cast<std::size_t>(p * pitch + c);
        const std::uint32_t bits = noise.bits(channels, first + static_cast<std::uint32_t>(p), c);
        // the store after it rounds to nearest
        REQUIRE(bfloat16(rounded[i]).bits == bfloat16::stochastic(numbers[i], bits).bits);
      }
  }
}

TEST_CASE("the bits of neighbours, tensors and steps are independent") {
  // 40,000 numbers that lie a quarter above a bfloat16: so many of them round up, in every tensor others
  constexpr int channels = 20, pixels = 2000;
  const auto ups = [](const RoundingNoise& noise) {
    std::vector<bool> all;
    for (std::uint32_t p = 0; p < pixels; ++p)
      for (int c = 0; c < channels; ++c)
        all.push_back(bfloat16::stochastic(1.0F + 0x1p-9F, noise.bits(channels, p, c)).bits != 0x3f80);
    return all;
  };
  const RoundingNoise noise{1, 2, 4, true};
  const std::vector<bool> up = ups(noise);
  const auto count = [&](const std::vector<bool>& other, std::size_t shift) {
    double both = 0;
    for (std::size_t i = 0; i + shift < up.size(); ++i) both += up[i] && other[i + shift];
    return both / static_cast<double>(up.size() - shift);
  };
  constexpr double four_deviations = 4 * 0.433 / 200;
  CHECK(std::abs(count(up, 0) - 0.25) < four_deviations);
  const std::size_t row = channels;
  for (const std::size_t shift : {std::size_t{1}, std::size_t{4}, std::size_t{8}, row, 2 * row})
    CHECK(std::abs(count(up, shift) - 1.0 / 16) < four_deviations);
  for (const RoundingNoise& other : {RoundingNoise{2, 2, 4, true}, RoundingNoise{1, 3, 4, true},
                                     RoundingNoise{1, 2, 6, true}, noise.second()})
    CHECK(std::abs(count(ups(other), 0) - 1.0 / 16) < four_deviations);
}

TEST_CASE("kernels that round to nearest count no tensors differently, and each that rounds has its own") {
  RoundingOfStep step;
  CHECK(!step.next());
  step.stochastic(5, 6);
  step.begin(1);
  const RoundingNoise first = step.next(), second = step.next();
  CHECK((first && first.tensor != second.tensor && first.second().tensor != second.tensor));
  step.begin(2);
  CHECK(step.next().tensor > second.second().tensor);
  step.begin(1);
  CHECK(step.next().tensor == first.tensor);
  step.to_nearest();
  CHECK(!step.next());
}

constexpr ConvShape direct{{10, 6, 5}, 18, 3, 1, 1, true};
constexpr ConvShape winograd{{16, 9, 10}, 20, 3, 1, 1};
static_assert(cpu::winograd_pays(winograd));
constexpr ConvShape strided{{10, 8, 6}, 20, 3, 2, 1};
constexpr ConvShape stem{{3, 6, 5}, 18, 3, 1, 1, false, true};
constexpr Shape image{21, 7, 5};

template <ConvShape S, class A = ReLU>
void check_convolution_of_all(const std::vector<Pending>& all) {
  CAPTURE(S.stride);
  CAPTURE(S.in.channels);
  for (const Pending& pending : all) {
    const Backward backward{.add = true};
    const Results nearest = run_conv_forward<B, S, A>(3, 2, pending),
                  nearest_back = run_conv_backward<B, S, A>(3, 2, pending, backward);
    const Stochastically rounding;
    check_rounding(run_conv_forward<B, S, A>(3, 2, pending), run_conv_forward<Expected, S, A>(3, 1, pending),
                   nearest);
    check_rounding(run_conv_backward<B, S, A>(3, 2, pending, backward),
                   run_conv_backward<Expected, S, A>(3, 1, pending, backward), nearest_back);
    CHECK(run_conv_forward<B, S, A>(10, 1, pending) == run_conv_forward<B, S, A>(10, 3, pending));
    CHECK(run_conv_backward<B, S, A>(10, 1, pending, backward) ==
          run_conv_backward<B, S, A>(10, 3, pending, backward));
  }
}
TEST_CASE("convolutions round as the reference does, on any number of threads") {
  check_convolution_of_all<direct>({few_activated[0], few_activated[3]});
  check_convolution_of_all<winograd>({few_activated[0], few_activated[1]});
  check_convolution_of_all<strided>({few_activated[1]});
  check_convolution_of_all<stem>({{}});
  check_convolution_of_all<direct, GELU>({few_activated[3]});
}

TEST_CASE("values that are written down, and the way back through them, are rounded as by the reference") {
  for (const Pending& pending : few_activated) {
    const Finish wanted{.norm = true, .add = true};
    const Results nearest = run_finish<B, image>(3, pending, {}, 2),
                  nearest_back = run_finish_backward<B, image>(3, pending, wanted, 2);
    const Stochastically rounding;
    check_rounding(run_finish<B, image>(3, pending, {}, 2), run_finish<Expected, image>(3, pending), nearest);
    check_rounding(run_finish_backward<B, image>(3, pending, wanted, 2),
                   run_finish_backward<Expected, image>(3, pending, wanted), nearest_back);
  }
}

TEST_CASE("averages, shortcuts, linear layers and logits' gradients are rounded as by the reference") {
  constexpr PoolShape overlapping{{21, 7, 7}, PoolKind::average, 3, 3, 2, 1};
  constexpr PoolShape maximum{{21, 8, 8}, PoolKind::maximum, 3, 3, 2, 1};
  constexpr ShortcutShape shortcut{{10, 8, 8}, 20, 2};
  constexpr LinearShape linear{{21, 2, 1}, 10};
  const std::vector<float> numbers = random_numbers(3 * overlapping.in.size(), 1),
                           of_maximum = random_numbers(3 * maximum.in.size(), 1);
  const Results pool = run_pool<B, overlapping>(3, numbers), largest = run_pool<B, maximum>(3, of_maximum),
                narrower = run_shortcut<B, shortcut>(3), product = run_linear<B, linear>(37, 2);
  const auto store = []<class Backend>(std::type_identity<Backend>) {
    constexpr int channels = 10, pixels = 14;
    Packed<Backend> from(random_numbers(3 * pixels * channels, 4), channels);
    Activations<Backend> to(3 * pixels, channels);
    typename Backend::Context context(1);
    choose_rounding<Backend>(context);
    Backend::store_numbers(context, 3, {Backend::padded(channels), pixels, 1}, from.data(), to.data());
    return Results{{"out", to.dense()}};
  };
  const Results gradient = store(std::type_identity<B>());
  const Stochastically rounding;
  check_rounding(run_pool<B, overlapping>(3, numbers), run_pool<Expected, overlapping>(3, numbers), pool);
  check_same_rounding(run_pool<B, maximum>(3, of_maximum), run_pool<Expected, maximum>(3, of_maximum));
  CHECK(run_pool<B, maximum>(3, of_maximum).at("out") == largest.at("out"));
  check_same_rounding(run_shortcut<B, shortcut>(3), run_shortcut<Expected, shortcut>(3));
  CHECK(run_shortcut<B, shortcut>(3) != narrower);
  check_rounding(run_linear<B, linear>(37, 2), run_linear<Expected, linear>(37, 1), product);
  CHECK(run_linear<B, linear>(37, 1) == run_linear<B, linear>(37, 2));
  check_rounding(store(std::type_identity<B>()), store(std::type_identity<Expected>()), gradient);
}

}  // namespace
}  // namespace sdepth::test::rounding_test
