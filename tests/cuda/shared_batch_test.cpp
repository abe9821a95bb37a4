// Processes that have a device each: the same bits whatever their number, the numbers of one process with
// whole batches, and a network of their own each.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/cuda.hpp>

#include "../train/shared_steps.hpp"
#if !defined(__CUDACC__)
#include <sdepth/kernels/cpu/cpu.hpp>

#include "emulated.hpp"
#endif

namespace sdepth::test::shared_batch_test {
namespace {

constexpr TrainingOptions options{.batch = shared_batch, .threads = 1, .seed = 3};

/// ‖a − b‖ / ‖b‖
[[nodiscard]] double distance(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}
/// Each rank has a device of its own, where there are several.
void use_device(int rank) { use_cuda_device(rank); }
#if defined(__CUDACC__)
struct Devices {};
#else
/// Emulated ones, one for each thread, which do nothing before somebody waits for it.
struct Devices : Keep {
  Devices() {
    emulation::settings().devices = 8, emulation::settings().deferred = true;
    // their streams are made by one thread
    for (int device = 8; device-- > 0;) cudaSetDevice(device), cudaStreamSynchronize(nullptr);
  }
};
#endif

TEST_CASE(
    "weights, statistics and losses of several devices are those of one that has all parts, to the bit, and nearly those of a whole batch") {
  const Trace alone = train_alone<Everything, Cuda<>>(options);
  const Trace one = train_in_parts<Everything, Cuda<>>(options);
  for (std::size_t i = 0; i < alone.losses.size(); ++i)
    CHECK(one.losses[i] == doctest::Approx(alone.losses[i]).epsilon(1e-5));
  CHECK(distance(one.weights, alone.weights) < 1e-5);
  CHECK(distance(one.running, alone.running) < 1e-5);
  [[maybe_unused]] const Devices devices;
  for (const int ranks : {2, 8}) {
    CAPTURE(ranks);
    for (const Trace& trace : train_together<Everything, Cuda<>>(ranks, options, false, use_device))
      CHECK(trace == one);
  }
}

#if !defined(__CUDACC__)  // nvcc does not read the CPU's kernels
TEST_CASE("norms of each process's own share: the CPU's losses") {
  const Devices devices;
  for (const int ranks : {2, 8}) {  // of several parts, and of one at most
    CAPTURE(ranks);
    const Trace device = train_together<Everything, Cuda<>>(ranks, options, true, use_device)[0],
                host = train_together<Everything, Cpu<>>(ranks, options, true)[0];
    for (std::size_t i = 0; i < host.losses.size(); ++i)
      CHECK(device.losses[i] == doctest::Approx(host.losses[i]).epsilon(1e-4));
  }
}
#endif

TEST_CASE("a loss that is not finite on one device stops all of them at the same step, and changes nothing") {
  [[maybe_unused]] const Devices devices;
  on_ranks(
      2,
      [](Meeting::Rank& rank) {
        use_device(rank.rank());
        Trainer<Everything, Cuda<>> trainer(options, rank);
        const auto state = [&] {
          const auto& weights = std::as_const(*trainer.weights());
          std::vector<float> all(weights.parameters().data(),
                                 weights.parameters().data() + weights.parameters().size());
          all.insert(all.end(), weights.running().data(),
                     weights.running().data() + weights.running().size());
          return all;
        };
        Data data = data_of(8);
        const auto step = [&](float first) {
          data.images[0] = first;
          const Range mine = trainer.share().images_of(8);
          const auto at = static_cast<std::size_t>(mine.first), size = static_cast<std::size_t>(mine.size());
          return trainer
              .step(NHWC<float>{std::span(data.images).subspan(at * 192, size * 192)},
                    std::span(data.labels).subspan(at, size))
              .loss;
        };
        const std::vector<float> before = state();
        CHECK_THROWS_WITH_AS(step(std::numeric_limits<float>::infinity()),
                             doctest::Contains("step 0: the loss is"), Error);
        CHECK(state() == before);
        CHECK(step(0.0F) < 10);
      },
      false, true);
}

}  // namespace
}  // namespace sdepth::test::shared_batch_test
