// Inference against the training walk at test, which the gradients' tests hold to the mathematics: unusual
// networks, every backend, any batch and threads.
#include <doctest/doctest.h>

#if defined(__linux__)
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/hardswish.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/activations/silu.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/layers/dropout.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

#include "backends.hpp"
#include "distance.hpp"

namespace sdepth::test::inference_test {

// Every allocation of this program is counted, where the C library allows it: operator new and Buffer both
// end here.
#if defined(__SANITIZE_ADDRESS__)
#define COUNTS_ALLOCATIONS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNTS_ALLOCATIONS 0
#endif
#endif
#if !defined(COUNTS_ALLOCATIONS) && defined(__GLIBC__)
#define COUNTS_ALLOCATIONS 1
namespace {
std::atomic<long> allocations = 0;
}
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void* malloc(std::size_t size) { return ++allocations, __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return ++allocations, __libc_calloc(count, size); }
void* realloc(void* old, std::size_t size) { return ++allocations, __libc_realloc(old, size); }
void* aligned_alloc(std::size_t boundary, std::size_t size) {
  return ++allocations, __libc_memalign(boundary, size);
}
}
#endif

namespace {

template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.5>>;
template <int C, int Stride = 1>
using Basic = Drop<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>>;

using BeginsWithNorm =
    Network<Input<3, 6, 6>, BN, Conv<4>, ReLU, ReLU, BN, BN, MaxPool<2>, BN, ReLU, Linear<3>>;
using BeginsWithPool = Network<Input<2, 8, 8>, AvgPool<2>, ReLU, Conv<4, 2, 1, Bias::learned, 0>,
                               AvgPool<3, 1, 1>, BN, GlobalAvgPool, BN, Linear<3>>;
using BeginsWithBlock =
    Network<Input<3, 4, 4>, Repeat<3, Residual<Conv<3>, BN>>,
            Drop<ResidualWith<ProjectionShortcut, Conv<5, 1, 2>, ReLU>>, BN, ReLU, Linear<3>, BN>;
// Branches of one operation, or that end in one that cannot add: in place, out of place, with a ReLU before
// the sum.
using OddBranches =
    Network<Input<3, 8, 8>, Conv<4>, ReLU, Drop<Residual<ReLU, Conv<4>>>, Drop<Residual<Conv<4>, ReLU>>,
            Drop<Residual<Conv<4>>>, Drop<Residual<MaxPool<3, 1, 1>, BN>>, Drop<Residual<BN>>,
            Drop<Residual<ReLU>>, Drop<Residual<MaxPool<3, 1, 1>>>, Drop<Residual<Conv<4>, MaxPool<3, 1, 1>>>,
            Drop<PreActivation<BN, ReLU, Conv<6, 3, 2>>>, BN, ReLU,
            Drop<ResidualWith<SubsampleShortcut, AvgPool<2>, Conv<8, 1>, BN>>, Drop<Residual<Conv<8, 3, 2>>>,
            Drop<PreActivation<Conv<8>, BN>>, Drop<PreActivation<BN, ReLU, Conv<8>>>, Linear<3>>;
// Branches that end in what the scale must stand behind: an activation that is not linear, or a dropout, which
// at test is none, behind a norm.
using ScaledBehind =
    Network<Input<3, 8, 8>, Conv<4>, Drop<PreActivation<Conv<4>, BN, GELU>>, Drop<PreActivation<BN, SiLU>>,
            Drop<PreActivation<GELU, Conv<6, 3, 2>, Hardswish>>, Drop<PreActivation<Conv<6>, LeakyReLU<>>>,
            Drop<PreActivationWith<ProjectionShortcut, Conv<8>, SiLU>>,
            Drop<PreActivation<Conv<8>, BN, Dropout<0.2>>>, Drop<PreActivation<BN, Dropout<0.2>>>, Linear<3>>;
// Kernels whose geometry is not that of the tensors: larger and no padding, single pixels, odd extents;
// linear layers in the middle.
using OddKernels = Network<Input<5, 21, 15>, Conv<16, 5, 1, Bias::learned>, ReLU, Conv<16, 7, 3>, BN, ReLU,
                           Conv<20, 3, 1, Bias::learned, 2>, Conv<16, 3, 1, Bias::none, 0>, BN, Conv<17, 1>,
                           ReLU, MaxPool<3, 2, 1>, Linear<9, Bias::none>, BN, ReLU,
                           Drop<Residual<Linear<9>, ReLU>>, Conv<7>, BN, ReLU, Linear<6>, ReLU, Linear<4>>;
// Winograd where it pays, with partial tiles; more images than a group or a part takes.
using Tiles =
    Network<Input<3, 28, 20>, Conv<16>, BN, ReLU, Repeat<2, Basic<16>>, Basic<32, 2>, Repeat<2, Basic<32>>,
            Drop<PreActivationWith<ProjectionShortcut, BN, ReLU, Conv<48, 3, 2>, BN, ReLU, Conv<48>>>,
            Repeat<2, Drop<PreActivation<BN, ReLU, Conv<48>, BN, ReLU, Conv<48>>>>, BN, ReLU, GlobalAvgPool,
            Linear<10>>;

using DirectCpu = Cpu<xsimd::default_arch, cpu::Direct>;

[[nodiscard]] double random_number(std::uint64_t i, std::uint32_t j) {
  return 2 * uniform(random_words(9, Purpose::synthetic, i, j)[0]) - 1;
}

template <class Net>
[[nodiscard]] std::vector<float> some_images(int count) {
  std::vector<float> images(static_cast<std::size_t>(count) * Net::input.size());
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = static_cast<float>(random_number(i, 1));
  return images;
}

/// A network with weights as if it had learned: nothing is 0 or 1.
template <class Net, class Backend>
[[nodiscard]] Trainer<Net, Backend> some_trainer(Scaling scaling) {
  TrainingOptions options;
  options.batch = 8;
  options.scaling = scaling;
  Trainer<Net, Backend> trainer(options);
  std::uint32_t which = 100;
  for (const ParameterInfo& tensor : trainer.weights()->tensors()) {
    auto numbers = trainer.parameter(tensor.name);
    ++which;
    for (int r = 0; r < numbers.rows(); ++r)
      for (int c = 0; c < numbers.cols(); ++c)
        numbers(r, c) += static_cast<typename Backend::Scalar>(
            0.3 * random_number(static_cast<std::uint64_t>(r * numbers.cols() + c), which));
  }
  return trainer;
}

template <class Net, class Backend>
void check(int count, const std::vector<std::pair<int, int>>& batches_and_threads) {
  const std::vector<float> images = some_images<Net>(count);
  CAPTURE(Net::parameter_count);  // says which network it is
  for (const Scaling scaling : {Scaling::test, Scaling::train}) {
    CAPTURE(static_cast<int>(scaling));
    auto trainer = some_trainer<Net, Backend>(scaling);
    std::vector<double> survival(Net::survival.begin(), Net::survival.end());
    for (const bool own_table : {true, false}) {
      if (!own_table)
        for (std::size_t block = 0; block < survival.size(); ++block)
          if (Net::stochastic[block]) survival[block] = 0.25 * static_cast<double>(block % 5);
      trainer.set_survival(survival);
      const std::vector<float> expected = trainer.predict(NHWC<float>{images});
      CHECK(trainer.walk().slots_all_free());
      for (const auto& [batch, threads] : batches_and_threads) {
        CAPTURE(batch);
        CAPTURE(threads);
        Inference<Net, Backend> inference(
            trainer.weights(), {own_table ? std::span<const double>() : std::span<const double>(survival),
                                scaling, batch, threads});
        const std::vector<float> logits = inference.predict(NHWC<float>{images});
        CHECK(distance(logits, expected) < (std::is_same_v<typename Backend::Scalar, double> ? 1e-7 : 1e-5));
        CHECK(inference.predict(NHWC<float>{images}) == logits);  // nothing is left behind
      }
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("unusual networks give the training walk's logits", Backend, AND_CPU(ReferenceDouble),
                   DirectCpu) {
  const std::vector<std::pair<int, int>> batches_and_threads = {{1, 1}, {3, 1}, {8, 2}};
  check<BeginsWithNorm, Backend>(5, batches_and_threads);
  check<BeginsWithPool, Backend>(5, batches_and_threads);
  check<BeginsWithBlock, Backend>(5, batches_and_threads);
  check<OddBranches, Backend>(5, batches_and_threads);
  check<ScaledBehind, Backend>(5, batches_and_threads);
  check<OddKernels, Backend>(5, batches_and_threads);
}

TEST_CASE_TEMPLATE("residual networks do, whatever the groups of images", Backend, Cpu<>) {
  check<Tiles, Backend>(23, {{1, 1}, {7, 1}, {23, 1}, {5, 3}, {128, 2}});
}
#if !defined(ONLY_OF_THIS_LEVEL)
TEST_CASE("so does the reference") { check<Tiles, Reference>(2, {{2, 1}}); }
#endif

TEST_CASE(
    "an image's logits are the same bits in any batch, on any of several threads that share folded weights, from bytes or floats, in any order") {
  using Net = CifarResNet<20>;
  constexpr std::size_t count = 19;
  auto trainer = some_trainer<Net, Cpu<>>(Scaling::test);
  const auto weights = std::make_shared<const FoldedWeights<Net, Cpu<>>>(*trainer.weights());
  std::vector<std::uint8_t> bytes(count * Net::input.size());
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(255 * uniform(random_words(3, Purpose::synthetic, i, 0)[0]));
  std::vector<float> floats(bytes.size()), channels_first(bytes.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    floats[i] = static_cast<float>(bytes[i]) / 255.0f;
    channels_first[i / 3072 * 3072 + i % 3 * 1024 + i % 3072 / 3] = floats[i];
  }
  const std::vector<float> expected = Inference<Net, Cpu<>>(weights, 1).predict(NHWC<float>{floats});

  constexpr std::size_t workers = 4;
  std::vector<std::vector<float>> logits(3 * workers);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < workers; ++i)
    threads.emplace_back([&, i] {
      Inference<Net, Cpu<>> inference(weights, static_cast<int>(1 + 5 * i), i == 3 ? 2 : 1);
      logits[3 * i] = inference.predict(NHWC<float>{floats});
      logits[3 * i + 1] = inference.predict(NHWC<std::uint8_t>{bytes});
      logits[3 * i + 2] = inference.predict(NCHW<float>{channels_first});
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& mine : logits) CHECK(mine == expected);
}

TEST_CASE("the weights are those of when they were folded") {
  using Net = BeginsWithBlock;
  auto trainer = some_trainer<Net, Cpu<>>(Scaling::test);
  const std::vector<float> images = some_images<Net>(2);
  Inference<Net, Cpu<>> inference(trainer.weights());
  const std::vector<float> before = inference.predict(NHWC<float>{images});
  trainer.parameter("fc.weight") *= 2.0f;
  CHECK(inference.predict(NHWC<float>{images}) == before);
  CHECK(Inference<Net, Cpu<>>(trainer.weights()).predict(NHWC<float>{images}) != before);
}

#if defined(__linux__) && COUNTS_ALLOCATIONS
// Real time: a process that may do nothing but compute, and end, does it. Whoever asks the system for
// anything else is killed on the spot.
TEST_CASE_TEMPLATE("predicting asks nothing of the system", Backend, Cpu<>, DirectCpu) {
  auto trainer = some_trainer<OddBranches, Backend>(Scaling::test);
  Inference<OddBranches, Backend> inference(trainer.weights(), {.batch = 4});
  const std::vector<float> images = some_images<OddBranches>(9),
                           expected = inference.predict(NHWC<float>{images});
  std::vector<float> logits(expected.size());
  const auto run_alone = [&](const auto& body) {  // its exit status, or minus the signal that ended it
    const pid_t id = fork();
    if (id == 0) {
      if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(2);
      body();
      syscall(SYS_exit, logits == expected ? 0 : 1);
    }
    int status = 0;
    waitpid(id, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  };
  const int status = run_alone([&] {
    for (int i = 0; i < 100; ++i) inference.predict(NHWC<float>{images}, logits);
  });
  if (status == 2) return;  // a system that does not let processes be locked in
  CHECK(status == 0);
  CHECK(run_alone([] { getppid(); }) == -SIGKILL);  // asking is noticed at all
}
#endif

#if COUNTS_ALLOCATIONS
TEST_CASE_TEMPLATE("predicting allocates nothing", Backend, Cpu<>, DirectCpu) {
  const auto count = []<class Net>(std::type_identity<Net>, int batch, int threads) {
    auto trainer = some_trainer<Net, Backend>(Scaling::test);
    const long before_construction = allocations;
    Inference<Net, Backend> inference(trainer.weights(), {.batch = batch, .threads = threads});
    CHECK(allocations > before_construction);  // it is counted at all
    const std::vector<float> images = some_images<Net>(9);
    std::vector<float> logits(9 * Net::output.size());
    // With several threads, no more than their library needs for itself: g++'s nothing, clang's some 20
    // allocations for each parallel loop.
    long loops = 0;
    for (int parts = 2; parts < 10 && threads > 1; ++parts) {
      const long before = allocations;
      parallel_for(parts, threads, [](int, int) {});
      loops = std::max(loops, allocations - before);
    }
    for (int i = 0; i < 3; ++i) {
      const long before = allocations;
      inference.predict(NHWC<float>{images}, logits);
      CHECK(allocations - before <= loops);
    }
  };
  for (const int threads : {1, 2}) {
    count(std::type_identity<Tiles>{}, 4, threads);
    count(std::type_identity<OddKernels>{}, 4, threads);
    count(std::type_identity<OddBranches>{}, 9, threads);
  }
}
#endif

TEST_CASE("what does not fit is refused in a sentence") {
  using Net = BeginsWithBlock;
  const auto weights = std::make_shared<const Weights<Net, Cpu<>>>();
  Inference<Net, Cpu<>> inference(weights);
  const std::vector<float> images = some_images<Net>(2);
  std::vector<float> logits(5);
  CHECK_THROWS_WITH_AS(inference.predict(NHWC<float>{images}, logits),
                       "predict: expected room for 6 logits (2 images, 3 classes), found 5", Error);
  const std::vector<double> survival(3, 1.0);
  CHECK_THROWS_AS((Inference<Net, Cpu<>>(weights, {.survival = survival})), Error);
  CHECK_THROWS_AS((Inference<Net, Cpu<>>(weights, {.batch = 0})), Error);
}

TEST_CASE("one that two threads predict with, or that was moved from, says so") {
  using Net = BeginsWithBlock;
  Inference<Net, Cpu<>> inference(std::make_shared<const Weights<Net, Cpu<>>>());
  const std::vector<float> images = some_images<Net>(64);
  const std::vector<float> expected = inference.predict(NHWC<float>{images});
  // One thread at least predicts at any moment, so that sooner or later one is told; it has changed nothing.
  std::atomic<bool> told = false, right = true;
  const auto predict = [&] {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
         !told && std::chrono::steady_clock::now() < end;)
      try {
        if (inference.predict(NHWC<float>{images}) != expected) right = false;
      } catch (const Error& error) {
        if (std::string(error.what())
                .starts_with("predict: another thread is predicting with this Inference"))
          told = true;
      }
  };
  std::thread other(predict);
  predict();
  other.join();
  CHECK(told);
  CHECK(right);

  Inference<Net, Cpu<>> moved(std::move(inference));
  CHECK(moved.predict(NHWC<float>{images}) == expected);
  CHECK_THROWS_WITH_AS((void)inference.predict(NHWC<float>{images}),
                       "predict: this Inference was moved from; use the one that it was moved to", Error);
}

}  // namespace sdepth::test::inference_test
