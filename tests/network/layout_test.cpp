#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/network/parameters.hpp>

namespace sdepth::test::layout_test {

namespace {

/// 5 outputs padded to 8, at an offset, of a 3×3 convolution over 2 channels.
ParameterInfo conv() {
  return {"conv1.weight", ParameterKind::conv_weight, {5, 2, 3, 3}, 16, 0, {}, 8, std::size_t{3 * 3 * 2 * 8}};
}
/// 3 outputs padded to 4 over 2 channels of 2×5.
ParameterInfo linear() {
  return {"fc.weight", ParameterKind::linear_weight, {3, 20}, 4, -1, {2, 2, 5}, 4, std::size_t{20 * 4}};
}
ParameterInfo vector(ParameterKind kind) { return {"bn1.weight", kind, {5}, 8, 0, {}, 8, 8}; }

std::vector<float> counting(std::size_t size) {
  std::vector<float> values(size);
  std::iota(values.begin(), values.end(), 1.0F);
  return values;
}

}  // namespace

TEST_CASE("a convolution's number [o][i][y][x] lies at [y][x][i][o]") {
  const ParameterInfo info = conv();
  std::vector<float> buffer(info.offset + info.size);
  from_pytorch<float>(info, counting(90), buffer.data());
  for (std::size_t o = 0; o < 5; ++o)
    for (std::size_t i = 0; i < 2; ++i)
      for (std::size_t y = 0; y < 3; ++y)
        for (std::size_t x = 0; x < 3; ++x)
          CHECK(buffer[16 + ((y * 3 + x) * 2 + i) * 8 + o] ==
                static_cast<float>(1 + ((o * 2 + i) * 3 + y) * 3 + x));
}

TEST_CASE("a linear layer's number [o][c, h, w] lies at [h][w][c][o]") {
  const ParameterInfo info = linear();
  std::vector<float> buffer(info.offset + info.size);
  from_pytorch<float>(info, counting(60), buffer.data());
  for (std::size_t o = 0; o < 3; ++o)
    for (std::size_t c = 0; c < 2; ++c)
      for (std::size_t h = 0; h < 2; ++h)
        for (std::size_t w = 0; w < 5; ++w)
          CHECK(buffer[4 + ((h * 5 + w) * 2 + c) * 4 + o] ==
                static_cast<float>(1 + o * 20 + (c * 2 + h) * 5 + w));
}

TEST_CASE_TEMPLATE("numbers come back as they went in, and nothing but them is touched", T, float, double) {
  for (const ParameterInfo& info :
       {conv(), linear(), vector(ParameterKind::bias), vector(ParameterKind::bn_weight),
        vector(ParameterKind::bn_bias), vector(ParameterKind::running_mean),
        vector(ParameterKind::running_var)}) {
    CAPTURE(info.name);
    constexpr T untouched{-7};
    std::vector<T> buffer(info.offset + info.size + 16, untouched);
    const std::vector<float> values = counting(pytorch_size(info));
    from_pytorch<T>(info, values, buffer.data());
    CHECK(to_pytorch(info, buffer.data()) == values);
    CHECK(std::count(buffer.begin(), buffer.end(), untouched) ==
          static_cast<long>(buffer.size() - values.size()));
    CHECK(std::count(buffer.begin(), buffer.begin() + static_cast<long>(info.offset), untouched) ==
          static_cast<long>(info.offset));
    CHECK(std::count(buffer.end() - 16, buffer.end(), untouched) == 16);
  }
}

TEST_CASE("too few or too many numbers are refused before one is written") {
  const ParameterInfo info = vector(ParameterKind::bias);
  std::vector<float> buffer(16);
  CHECK_THROWS_WITH_AS(from_pytorch<float>(info, counting(4), buffer.data()),
                       "bn1.weight has 5 numbers, 4 were given; are they of another network?", Error);
  CHECK_THROWS_AS(from_pytorch<float>(info, counting(8), buffer.data()), Error);
  CHECK(std::count(buffer.begin(), buffer.end(), 0.0F) == 16);
}

}  // namespace sdepth::test::layout_test
