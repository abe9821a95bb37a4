// What batch normalisation computes between stages, on the device against the host's.
#include <cmath>

#include <sdepth/kernels/cuda/finish.hpp>
#include <sdepth/kernels/cuda/norm.hpp>
#include <sdepth/kernels/host.hpp>

#include "points.hpp"

namespace sdepth::test::norm_test {
namespace {

using Host = HostBackend<float>;

/// The seven arrays of a norm, one after the other, in memory of the test's.
struct Numbers {
  explicit Numbers(int channels) : all(7 * static_cast<std::size_t>(channels), 0.5F) {
    float* at[7];
    for (std::size_t i = 0; i < 7; ++i) at[i] = all.data() + i * static_cast<std::size_t>(channels);
    norm = {at[0], at[1], at[2], at[3], at[4], at[5], at[6]};
  }
  std::vector<float> all;
  Norm<float> norm;
};
/// The same to the last bit but one: the compiler may fuse a multiplication and an addition on either side,
/// in double.
void check_same(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(std::abs(found[i] - expected[i]) <= 1.2e-7F * std::abs(expected[i]));
}

TEST_CASE("cuda: a norm's numbers for given statistics, as at test, are those that the host computes") {
  for (const int channels : {8, 64, 72}) {
    const auto count = static_cast<std::size_t>(channels);
    const std::vector<float> gamma = random_numbers(count, 1), beta = random_numbers(count, 2),
                             mean = random_numbers(count, 3);
    std::vector<float> variance = random_numbers(count, 4);
    for (float& v : variance) v = v * v;
    variance[0] = 0;
    Numbers found(channels), expected(channels);
    cuda::Context context;
    Host::Context host(1);
    Host::norm_forward(host, count, {expected.norm, 0.7, 1e-5, gamma.data(), beta.data()}, mean.data(),
                       variance.data());
    cuda::norm_forward(context, channels, {found.norm, 0.7, 1e-5, gamma.data(), beta.data()}, mean.data(),
                       variance.data());
    context.synchronize();
    check_same(found.all, expected.all);

    Host::norm_scale(host, count, expected.norm, 0.7);
    cuda::norm_scale(context, channels, found.norm, 0.7);
    context.synchronize();
    CHECK(found.all == expected.all);
  }
}

TEST_CASE(
    "cuda: stages prepare norms from their own sums, as the host does afterwards; a failed step leaves running statistics alone") {
  constexpr Shape image{24, 5, 3};
  constexpr std::size_t channels = 24, numbers = 2 * image.size();
  const std::vector<float> x = random_numbers(numbers, 1), shortcut = random_numbers(numbers, 2),
                           dy = random_numbers(numbers, 3), gamma = random_numbers(channels, 4),
                           beta = random_numbers(channels, 5), before = random_numbers(2 * channels, 6);
  cuda::Context context;
  Host::Context host(1);
  std::vector<float> statistics(2 * channels);

  Numbers found(channels), expected(channels);
  const NormForward<float> forward{found.norm, 0.7, 1e-5, gamma.data(), beta.data()};
  cuda::finish<image>(context, 2, {.x = x.data()},
                      {statistics.data(), statistics.data() + channels, &forward});
  context.synchronize();
  Host::norm_forward(host, channels, {expected.norm, 0.7, 1e-5, gamma.data(), beta.data()}, statistics.data(),
                     statistics.data() + channels);
  check_same(found.all, expected.all);

  // The norm of x, and for the shortcut another one with the numbers of the first.
  Numbers other(channels), expected_other(channels);
  other.all = expected_other.all = found.all;
  std::vector<float> sums(3 * channels), gradients(4 * channels), expected_gradients(4 * channels),
      running(before), out(numbers);
  const auto ends = [&](const Numbers& first, const Numbers& second, std::vector<float>& to, float* into) {
    const RunningUpdate<float> update{into, into + channels, statistics.data() + channels, 0.1};
    return std::pair(
        NormBackward<float>{first.norm, 0.7, 30, gamma.data(), to.data(), to.data() + channels, update},
        NormBackward<float>{
            second.norm, 1.0, 30, beta.data(), to.data() + 2 * channels, to.data() + 3 * channels, {}});
  };
  const auto [end, shortcut_end] = ends(found, other, gradients, running.data());
  const Source<float> source{x.data(), &found.norm, shortcut.data(), &other.norm, true};
  const auto backward = [&] {
    cuda::finish_backward<image>(
        context, 2, {.dy = dy.data()}, source, nullptr, out.data(),
        {sums.data(), sums.data() + channels, sums.data() + 2 * channels, &end, &shortcut_end});
    context.synchronize();
  };
  const unsigned failed = 1;
  cudaMemcpy(context.failed(), &failed, sizeof failed, cudaMemcpyHostToDevice);
  backward();
  CHECK(running == before);
  context.reset_failed();
  backward();
  std::vector<float> expected_running(before);
  const auto [host_end, host_shortcut_end] =
      ends(expected, expected_other, expected_gradients, expected_running.data());
  Host::norm_backward(host, channels, host_end, sums.data(), sums.data() + channels);
  Host::norm_backward(host, channels, host_shortcut_end, sums.data(), sums.data() + 2 * channels);
  check_same(found.all, expected.all);
  check_same(other.all, expected_other.all);
  check_same(gradients, expected_gradients);
  check_same(running, expected_running);
  CHECK(running != before);
}

TEST_CASE("cuda: sums of statistics over batches are those that the host computes") {
  for (const int channels : {8, 72}) {
    const auto count = static_cast<std::size_t>(channels);
    const std::vector<float> mean = random_numbers(count, 1), variance = random_numbers(count, 2);
    std::vector<double> sums(2 * count, 0.25), expected(2 * count, 0.25);
    cuda::Context context;
    cuda::add_statistics(context, channels, 50, mean.data(), variance.data(), sums.data(),
                         sums.data() + count);
    context.synchronize();
    Host::Context host(1);
    Host::add_statistics(host, count, 50.0, mean.data(), variance.data(), expected.data(),
                         expected.data() + count);
    for (std::size_t i = 0; i < sums.size(); ++i)
      CHECK(sums[i] == doctest::Approx(expected[i]).epsilon(1e-15));
  }
}

}  // namespace
}  // namespace sdepth::test::norm_test
