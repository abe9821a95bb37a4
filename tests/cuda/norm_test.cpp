// What batch normalisation computes between stages, on the device against the host's.
#include <sdepth/kernels/cuda/norm.hpp>
#include <sdepth/run/norm.hpp>

#include "points.hpp"

namespace sdepth::test {
namespace {

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

TEST_CASE("cuda: a norm's numbers are those that the host computes, forward and backward") {
  for (const int channels : {8, 64, 72}) {
    const auto count = static_cast<std::size_t>(channels);
    const std::vector<float> gamma = random_numbers(count, 1), beta = random_numbers(count, 2), mean = random_numbers(count, 3),
                             dz = random_numbers(count, 5), dz_normalised = random_numbers(count, 6);
    std::vector<float> variance = random_numbers(count, 4);
    for (float& v : variance) v = v * v;
    variance[0] = 0;
    Numbers found(channels), expected(channels);
    std::vector<float> gradients(2 * count), expected_gradients(2 * count);
    NormState<float> host;
    static_cast<Norm<float>&>(host) = expected.norm;
    host.channels = count, host.branch_scale = 0.7, host.count = 1000;
    host.gamma = gamma.data(), host.beta = beta.data();
    host.gamma_gradient = expected_gradients.data(), host.beta_gradient = expected_gradients.data() + count;
    host.dz = const_cast<float*>(dz.data()), host.dz_normalised = const_cast<float*>(dz_normalised.data());
    cuda::Space space;

    host.prepare(mean.data(), variance.data(), 1e-5);
    cuda::norm_forward(space, found.norm, channels, 0.7, gamma.data(), beta.data(), mean.data(), variance.data(), 1e-5);
    space.finish();
    check_same(found.all, expected.all);

    host.prepare_backward();
    cuda::norm_backward(space, found.norm, channels, 0.7, 1000, gamma.data(), dz.data(), dz_normalised.data(), gradients.data(),
                        gradients.data() + count);
    space.finish();
    check_same(found.all, expected.all);
    check_same(gradients, expected_gradients);

    host.prepare_scale_only();
    cuda::norm_scale(space, found.norm, channels, 0.7);
    space.finish();
    CHECK(found.all == expected.all);
  }
}

TEST_CASE("cuda: running statistics and sums over batches are those that the host computes; a failed step leaves the former alone") {
  for (const int channels : {8, 72}) {
    const auto count = static_cast<std::size_t>(channels);
    const std::vector<float> mean = random_numbers(count, 1), variance = random_numbers(count, 2), before = random_numbers(count, 3);
    std::vector<float> running_mean = before, running_variance = mean, expected_mean = before, expected_variance = mean;
    cuda::Space space;
    unsigned failed = 1;
    const auto update = [&](const unsigned* flag) {
      cuda::update_running(space, channels, 0.1, 50, mean.data(), variance.data(), running_mean.data(), running_variance.data(), flag);
      space.finish();
    };
    update(&failed);
    CHECK(running_mean == before);
    CHECK(running_variance == mean);
    failed = 0;
    update(&failed);
    update(nullptr);
    for (int i = 0; i < 2; ++i)
      update_running(count, 0.1, 50.0, mean.data(), variance.data(), expected_mean.data(), expected_variance.data());
    check_same(running_mean, expected_mean);
    check_same(running_variance, expected_variance);

    std::vector<double> sums(2 * count, 0.25), expected(2 * count, 0.25);
    cuda::add_statistics(space, channels, 50, mean.data(), variance.data(), sums.data(), sums.data() + count);
    space.finish();
    add_statistics(count, 50.0, mean.data(), variance.data(), expected.data(), expected.data() + count);
    for (std::size_t i = 0; i < sums.size(); ++i) CHECK(sums[i] == doctest::Approx(expected[i]).epsilon(1e-15));
  }
}

}  // namespace
}  // namespace sdepth::test
