// What batch normalisation computes between stages, on the device against the host's.
#include <sdepth/kernels/cuda/norm.hpp>
#include <sdepth/kernels/host.hpp>

#include "points.hpp"

namespace sdepth::test {
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
/// The same to the last bit but one: the compiler may fuse a multiplication and an addition on either side, in double.
void check_same(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(found[i] == doctest::Approx(static_cast<double>(expected[i])).epsilon(1.2e-7).scale(0.0));
}

TEST_CASE("cuda: a norm's numbers are those that the host computes, forward and backward; a failed step leaves running statistics alone") {
  for (const int channels : {8, 64, 72}) {
    const auto count = static_cast<std::size_t>(channels);
    const std::vector<float> gamma = random_numbers(count, 1), beta = random_numbers(count, 2), mean = random_numbers(count, 3),
                             dz = random_numbers(count, 5), dz_normalised = random_numbers(count, 6), before = random_numbers(count, 7);
    std::vector<float> variance = random_numbers(count, 4);
    for (float& v : variance) v = v * v;
    variance[0] = 0;
    Numbers found(channels), expected(channels);
    std::vector<float> gradients(2 * count), expected_gradients(2 * count), running(before), expected_running(before);
    running.insert(running.end(), before.begin(), before.end());
    expected_running = running;
    cuda::Space space;
    Host::Space host(1);
    const auto update = [&](std::vector<float>& numbers) {
      return RunningUpdate<float>{numbers.data(), numbers.data() + count, variance.data(), 0.1};
    };

    Host::norm_forward(host, expected.norm, count, 0.7, gamma.data(), beta.data(), mean.data(), variance.data(), 1e-5);
    cuda::norm_forward(space, found.norm, channels, 0.7, gamma.data(), beta.data(), mean.data(), variance.data(), 1e-5);
    space.finish();
    check_same(found.all, expected.all);

    const auto backward = [&](const RunningUpdate<float>& to) {
      cuda::norm_backward(space, found.norm, channels, 0.7, 1000, gamma.data(), dz.data(), dz_normalised.data(), gradients.data(),
                          gradients.data() + count, to);
      space.finish();
    };
    Host::norm_backward(host, expected.norm, count, 0.7, 1000, gamma.data(), dz.data(), dz_normalised.data(), expected_gradients.data(),
                        expected_gradients.data() + count, update(expected_running));
    const std::vector<float> untouched = running;
    backward({});
    CHECK(running == untouched);
    const unsigned failed = 1;
    cudaMemcpy(space.failed(), &failed, sizeof failed, cudaMemcpyHostToDevice);
    backward(update(running));
    CHECK(running == untouched);
    space.forgive();
    backward(update(running));
    check_same(running, expected_running);
    check_same(found.all, expected.all);
    check_same(gradients, expected_gradients);

    Host::norm_scale(host, expected.norm, count, 0.7);
    cuda::norm_scale(space, found.norm, channels, 0.7);
    space.finish();
    CHECK(found.all == expected.all);
  }
}

TEST_CASE("cuda: sums of statistics over batches are those that the host computes") {
  for (const int channels : {8, 72}) {
    const auto count = static_cast<std::size_t>(channels);
    const std::vector<float> mean = random_numbers(count, 1), variance = random_numbers(count, 2);
    std::vector<double> sums(2 * count, 0.25), expected(2 * count, 0.25);
    cuda::Space space;
    cuda::add_statistics(space, channels, 50, mean.data(), variance.data(), sums.data(), sums.data() + count);
    space.finish();
    Host::Space host(1);
    Host::add_statistics(host, count, 50.0, mean.data(), variance.data(), expected.data(), expected.data() + count);
    for (std::size_t i = 0; i < sums.size(); ++i) CHECK(sums[i] == doctest::Approx(expected[i]).epsilon(1e-15));
  }
}

}  // namespace
}  // namespace sdepth::test
