// The emulation's copies in the background and its tensor cores.
#include "emulated.hpp"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sdepth/kernels/cuda/instructions.hpp>

namespace sdepth::test::emulation_copies_test {
namespace {

using namespace sdepth::cuda;

struct Numbers {
  float* out = nullptr;
  const float* in = nullptr;
  const float* other = nullptr;
};

/// Three groups of four numbers per thread, waited for one by one; what is seen in between goes to out.
template <int waits>
__global__ void groups(const Numbers o) {
  float* own = shared_memory() + threadIdx.x * 12;
  for (int i = 0; i < 3; ++i) {
    copy_4(own + 4 * i, o.in + 4 * i, i != 1 || threadIdx.x > 0);
    end_group();
  }
  if (waits == 1) copies_done<2>();
  if (waits == 2) copies_done<1>();
  if (waits == 3) copies_done();
  for (int i = 0; i < 12; ++i) o.out[threadIdx.x * 12 + static_cast<unsigned>(i)] = own[i];
}

template <int waits>
void check_groups() {
  const std::vector<float> in{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};  // on a 16-byte boundary
  std::vector<float> out(24);
  REQUIRE(launch(groups<waits>, 1, 2, Numbers{.out = out.data(), .in = in.data()}, 24 * sizeof(float)) ==
          cudaSuccess);
  for (std::size_t i = 0; i < 24; ++i) {
    CAPTURE(i);
    const std::size_t group = i % 12 / 4;
    if (group >= waits)
      CHECK_MESSAGE(out[i] != out[i], "a copy that was not waited for has not arrived");
    else
      CHECK(out[i] == (group == 1 && i < 12 ? 0.0F : in[i % 12]));
  }
}

TEST_CASE("copies arrive when they are waited for, and not before") {
  check_groups<0>();
  check_groups<1>();
  check_groups<2>();
  check_groups<3>();
}

/// A copy outside of any group is not waited for, and one number is filled up or copied.
template <int dummy>
__global__ void single(const Numbers o) {
  float* own = shared_memory();
  copy_1(own, o.in + 1);
  copy_1(own + 1, o.in, false);
  end_group();
  copy_1(own + 2, o.in);
  copies_done();
  for (int i = 0; i < 3; ++i) o.out[i] = own[i];
}

TEST_CASE("a copy whose group has not ended is not waited for") {
  const std::vector<float> in{1, 2};
  std::vector<float> out(3);
  REQUIRE(launch(single<0>, 1, 1, Numbers{.out = out.data(), .in = in.data()}, 12) == cudaSuccess);
  CHECK(out[0] == 2.0F);
  CHECK(out[1] == 0.0F);
  CHECK(out[2] != out[2]);
}

template <int mistake>
__global__ void misaligned(const Numbers o) {
  float* own = shared_memory();
  if (mistake == 0) copy_4(own + 1, o.in);
  if (mistake == 1) copy_4(own, o.in + 2);
  if (mistake == 2) copy_4(own + 8, o.in);
  if (mistake == 3) copy_1(o.out, o.in);
}

TEST_CASE("copies that the device would not make end with a sentence") {
  const std::vector<float> in(8);  // on a 16-byte boundary
  std::vector<float> out(1);
  const auto sentence = [&](void (*kernel)(Numbers)) {
    return fault(kernel, 1, 2, Numbers{.out = out.data(), .in = in.data()}, 32);
  };
  CHECK(contains(sentence(misaligned<0>), "16 bytes goes to an address"));
  CHECK(contains(sentence(misaligned<1>), "16 bytes comes from an address"));
  CHECK(contains(sentence(misaligned<2>), "outside of the block's shared memory"));
  CHECK(contains(sentence(misaligned<3>), "outside of the block's shared memory"));
}

/// What a product reads of it.
[[nodiscard]] float rounded(float x) { return std::bit_cast<float>(to_tf32(x) & ~emulation::not_tf32); }

TEST_CASE("TF32 numbers are rounded to nearest, ties away from zero, and their other bits are anything") {
  const float step = std::ldexp(1.0F, -10);
  CHECK(rounded(1.0F) == 1.0F);
  CHECK(rounded(1.0F + step / 2) == 1.0F + step);
  CHECK(rounded(-1.0F - step / 2) == -1.0F - step);
  CHECK(rounded(1.0F + step / 2 - step / 4096) == 1.0F);
  CHECK(rounded(1.0F + step * 3 / 2) == 1.0F + step * 2);
  CHECK(rounded(2.0F - step / 4) == 2.0F);
  CHECK(rounded(std::numeric_limits<float>::infinity()) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(rounded(std::numeric_limits<float>::quiet_NaN())));
  CHECK(to_tf32(1.0F) != std::bit_cast<std::uint32_t>(1.0F));
}

/// a [16][8] · b [8][8] + out, row by row, by one warp.
template <int dummy>
__global__ void product(const Numbers o) {
  const unsigned group = threadIdx.x / 4;
  const unsigned t = threadIdx.x % 4;
  const auto a_at = [&](unsigned row, unsigned column) { return to_tf32(o.in[row * 8 + column]); };
  const auto b_at = [&](unsigned row, unsigned column) { return to_tf32(o.other[row * 8 + column]); };
  const std::uint32_t a[4] = {a_at(group, t), a_at(group + 8, t), a_at(group, t + 4), a_at(group + 8, t + 4)};
  const std::uint32_t b[2] = {b_at(t, group), b_at(t + 4, group)};
  float* rows[2] = {o.out + group * 8 + 2 * t, o.out + (group + 8) * 8 + 2 * t};
  float sum[4] = {rows[0][0], rows[0][1], rows[1][0], rows[1][1]};
  multiply_add(sum, a, b);
  for (int i = 0; i < 4; ++i) rows[i / 2][i % 2] = sum[i];
}

TEST_CASE("a product on tensor cores is the product of the rounded matrices, rounded towards zero") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> a(128), b(64), out(128);
  for (auto* numbers : {&a, &b, &out})
    for (float& number : *numbers) number = normal(random);
  const std::vector<float> before = out;
  REQUIRE(launch(product<0>, 1, 32, Numbers{.out = out.data(), .in = a.data(), .other = b.data()}) ==
          cudaSuccess);
  for (std::size_t row = 0; row < 16; ++row)
    for (std::size_t column = 0; column < 8; ++column) {
      CAPTURE(row);
      CAPTURE(column);
      double sum = static_cast<double>(before[row * 8 + column]);
      for (std::size_t k = 0; k < 8; ++k)
        sum += static_cast<double>(rounded(a[row * 8 + k])) * static_cast<double>(rounded(b[k * 8 + column]));
      const float found = out[row * 8 + column];
      CHECK(static_cast<double>(found) == doctest::Approx(sum).epsilon(1e-6));
      CHECK(std::abs(static_cast<double>(found)) <= std::abs(sum));
    }
}

template <int dummy>
__global__ void half_a_warp(const Numbers o) {
  if (threadIdx.x < 16) product<0>(o);
}

TEST_CASE("a product that not all of a warp come to is found") {
  std::vector<float> a(128), b(64), out(128);
  const std::string sentence =
      fault(half_a_warp<0>, 1, 32, Numbers{.out = out.data(), .in = a.data(), .other = b.data()});
  CHECK_MESSAGE(contains(sentence, "threads 0-15 wait at multiply_add in "), sentence);
  CHECK_MESSAGE(contains(sentence, "threads 16-31 have left"), sentence);
}

}  // namespace
}  // namespace sdepth::test::emulation_copies_test
