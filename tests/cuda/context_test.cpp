// The host's side of the device: what kernels may have, launches that are replayed or cannot be changed,
// errors and whose they are, threads and devices.
#include <cuda_runtime.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <sdepth/kernels/cuda/cuda.hpp>
#if !defined(__CUDACC__)
#include "emulated.hpp"
#endif

namespace sdepth::test::context_test {
namespace {

struct Sum {
  float* out = nullptr;
  float by = 0;
  friend bool operator==(const Sum&, const Sum&) = default;
};
/// out = 2·out + by: the result tells which of these ran, and in which order.
template <int which>
__global__ void __launch_bounds__(32) append(const Sum o) {
  if (threadIdx.x == 0) *o.out = 2 * *o.out + o.by;
}

template <int which>
void launch_append(cuda::Context& context, float* out, float by, std::size_t shared_bytes = 0) {
  context.launch({"append", {1, 1, 1}, {1, 1, 1}, 1}, append<which>,
                 cuda::Grid{.threads = 32, .shared_bytes = shared_bytes}, Sum{out, by});
}

TEST_CASE("cuda: what one Context has a kernel allowed, another does not take away") {
  std::vector<float> number(1);
  cuda::Context first, second;
  launch_append<0>(first, number.data(), 1, 60 << 10);
  launch_append<0>(second, number.data(), 2, 16);
  launch_append<0>(second, number.data(), 3, 50 << 10);
  launch_append<0>(first, number.data(), 4, 60 << 10);
  first.synchronize();
  CHECK(number[0] == 26.0F);  // ((1·2 + 2)·2 + 3)·2 + 4
}

/// Memory of other content, in which an object lies whose members are the same.
struct Holes {
  char small = 0;
  double number = 0;
  bool flag = false;
  const float* address = nullptr;
  bool last = false;
  friend bool operator==(const Holes&, const Holes&) = default;
};
template <int which>
__global__ void __launch_bounds__(32) does_nothing(const Holes) {}

TEST_CASE("cuda: launches are equal where their operands are, whatever lies between the members") {
  const auto launch_over = [](int byte, double number) {
    alignas(Holes) std::array<std::byte, sizeof(Holes)> memory;
    std::memset(memory.data(), byte, sizeof(Holes));
    Holes& operands = *new (memory.data()) Holes;
    operands.number = number;
    std::memset(memory.data() + offsetof(Holes, last) + 1, byte, sizeof(Holes) - offsetof(Holes, last) - 1);
    std::memset(memory.data() + 1, byte, offsetof(Holes, number) - 1);
    return cuda::Launch({}, does_nothing<0>, {}, operands);
  };
  CHECK(launch_over(0x00, 1.5) == launch_over(0xFF, 1.5));
  CHECK_FALSE(launch_over(0x00, 1.5) == launch_over(0x00, 2.5));
}

TEST_CASE("cuda: a Context, and memory that host and device share, can be used from any thread") {
  cuda::Context context;
  cuda::Mirror<float> numbers(1);
  numbers.data()[0] = 1;
  std::thread([&] { launch_append<0>(context, numbers.on_device(), 3, 0); }).join();
  CHECK(std::as_const(numbers).data()[0] == 5.0F);
}

/// The edges that a row's launches have, as text: "1 0>2" is a third launch that waits for the second and the
/// first.
[[nodiscard]] std::string edges_of(const std::vector<cuda::Lane>& lanes) {
  cuda::RowEdges all;
  std::string text;
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    const cuda::RowEdges::Edges edges = all.add(lanes[i]);
    for (std::size_t j = 0; j < edges.count; ++j)
      text += std::to_string(edges.numbers[j]) + (j + 1 < edges.count ? " " : ">" + std::to_string(i) + "  ");
  }
  return text;
}

TEST_CASE("cuda: a launch in a graph waits for what it must, and nothing else") {
  using enum cuda::Lane;
  CHECK(edges_of({main, main, main}) == "0>1  1>2  ");
  // A block on the way back: its convolutions' two gradients run at the same time, the second's after both of
  // the first's.
  CHECK(edges_of({aside, beside, aside, beside, main}) == "1 0>2  1 0>3  3 2>4  ");
  CHECK(edges_of({main, aside, beside, aside, beside}) == "0>1  0>2  2 1>3  2 1>4  ");
  // Whoever does not say that it may run beside waits; and of two aside in a row only the second is not
  // waited for.
  CHECK(edges_of({main, aside, main, main}) == "0>1  1>2  2>3  ");
  CHECK(edges_of({main, aside, aside, beside, main}) == "0>1  1>2  1>3  3 2>4  ");
}

TEST_CASE("cuda: launches at the same time have memory of their own") {
  cuda::Context context;
  CHECK(context.scratch(100) != context.aside().scratch(100));
  CHECK(context.counter() != context.aside().counter());
}

#if !defined(__CUDACC__)  // what a real device cannot be asked for
TEST_CASE("cuda: kernels with shared memory ask for one division of a multiprocessor's, others for none") {
  cuda::Context context;
  std::vector<float> number(1);
  launch_append<7>(context, number.data(), 1);
  const auto* const kernel = emulation::Kernels::find(reinterpret_cast<const void*>(&append<7>));
  REQUIRE(kernel != nullptr);
  CHECK(kernel->carveout.empty());
  launch_append<7>(context, number.data(), 1, 16);
  CHECK(kernel->carveout.at(context.device()) == cudaSharedmemCarveoutMaxShared);
}

TEST_CASE("cuda: threads that take turns have one order, also where null is a stream of each thread's own") {
  const Keep keep;
  emulation::settings().default_stream_of_thread = emulation::settings().deferred = true;
  cuda::Context context;
  cuda::Mirror<float> numbers(1);
  numbers.data()[0] = 1;
  float* const there = numbers.on_device();
  launch_append<0>(context, there, 1);
  std::thread([&] {
    launch_append<0>(context, there, 2);
    context.as_graph(0, [&] { launch_append<0>(context, there, 3); });
  }).join();
  launch_append<0>(context, there, 4);
  CHECK(std::as_const(numbers).data()[0] == 42.0F);  // (((1·2 + 1)·2 + 2)·2 + 3)·2 + 4
}

TEST_CASE("cuda: a graph's launches come in any order that their lanes allow") {
  cuda::Context context;
  std::vector<float> number(1);
  // Emulated graphs run the latest launch that may run: beside before aside, but after the one aside before.
  const auto run = [&](cuda::Lane second) {
    number[0] = 0;
    context.as_graph(second == cuda::Lane::main ? 0 : 1, [&] {
      const auto launch = [&](float by, cuda::Lane lane) {
        context.launch({"append", {1, 1, 1}, {1, 1, 1}, 1}, append<0>, cuda::Grid{.threads = 32},
                       Sum{number.data(), by}, lane);
      };
      launch(1, cuda::Lane::aside);
      launch(2, second);
      launch(3, cuda::Lane::main);
    });
    context.synchronize();
    return number[0];
  };
  CHECK(run(cuda::Lane::main) == 11.0F);    // (1·2 + 2)·2 + 3
  CHECK(run(cuda::Lane::beside) == 13.0F);  // (2·2 + 1)·2 + 3
}

TEST_CASE("cuda: a graph that refuses other operands is made anew, and later steps run with theirs") {
  const Keep keep;
  cuda::Context context;
  std::vector<float> number(1);
  // Three nodes, whose operands are given; what they make of 0.
  const auto run = [&](float a, float b, float c) {
    number[0] = 0;
    context.as_graph(0, [&] {
      launch_append<0>(context, number.data(), a);
      launch_append<1>(context, number.data(), b);
      launch_append<0>(context, number.data(), c);
    });
    context.synchronize();
    return number[0];
  };
  CHECK(run(1, 1, 1) == 7.0F);
  for (const std::size_t changed_before : {0U, 1U}) {
    emulation::settings().refused_call = "cudaGraphExecKernelNodeSetParams";
    emulation::settings().allowed_calls = changed_before;  // a node before it has its new operands by then
    CHECK(run(2, 3, 4) == 18.0F);
    emulation::settings().refused_call.clear();
    CHECK(cudaGetLastError() == cudaSuccess);
    CHECK(run(1, 1, 1) == 7.0F);  // the row before last: what a stale row would take for unchanged
    CHECK(run(1, 1, 1) == 7.0F);
  }
  // Not even a new graph can be made: every kernel is launched by itself, then graphs come back.
  emulation::settings().refused_call = "cudaGraphExecKernelNodeSetParams";
  emulation::settings().graphs = false;
  const std::size_t graphs = emulation::counts().graphs;
  CHECK(run(2, 3, 4) == 18.0F);
  CHECK(emulation::counts().graphs == graphs);
  emulation::settings().refused_call.clear();
  emulation::settings().graphs = true;
  CHECK(run(1, 1, 1) == 7.0F);
  CHECK(emulation::counts().graphs == graphs + 1);
  // A graph that cannot be launched is an error that says so; the next step is right again.
  emulation::settings().refused_call = "cudaGraphLaunch";
  CHECK_THROWS_WITH_AS(run(2, 3, 4),
                       doctest::Contains("CUDA: cudaGraphLaunch for append, 1 images of 1 x 1 x 1"), Error);
  emulation::settings().refused_call.clear();
  CHECK(run(2, 3, 4) == 18.0F);
}

TEST_CASE("cuda: an error is told once, and not found again by whoever asks next") {
  const Keep keep;
  cuda::Context context;
  std::vector<float> number(1);
  emulation::settings().refused_call = "cudaLaunchKernel";
  CHECK_THROWS_WITH_AS(
      launch_append<0>(context, number.data(), 1),
      doctest::Contains("CUDA: cudaLaunchKernel for append, 1 images of 1 x 1 x 1 to 1 x 1 x 1 failed: "),
      Error);
  emulation::settings().refused_call.clear();
  CHECK(cudaGetLastError() == cudaSuccess);
  launch_append<0>(context, number.data(), 1);
  emulation::settings().devices = 0;
  CHECK_THROWS_WITH_AS(cuda::require_device(), doctest::Contains("no CUDA device was found"), Error);
  emulation::settings().devices = 1;
  CHECK(cudaGetLastError() == cudaSuccess);
}

template <int which>
__global__ void never_meets(const Sum) {
  if (threadIdx.x == 0) __syncthreads();
}

TEST_CASE("cuda: what a kernel did wrong is not said of the launch that finds it out") {
  const Keep keep;
  cuda::Context context;
  std::vector<float> number(1);
  emulation::settings().sticky = emulation::settings().deferred = true;
  context.launch({"broken", {1, 1, 1}, {1, 1, 1}, 1}, never_meets<0>, cuda::Grid{.threads = 32}, Sum{});
  static_cast<void>(cudaStreamSynchronize(nullptr));
  for (int again = 0; again < 2; ++again)
    CHECK_THROWS_WITH_AS(launch_append<0>(context, number.data(), 1),
                         doctest::Contains("CUDA: a kernel failed before cuda"), Error);
  CHECK_THROWS_WITH_AS(context.synchronize(),
                       doctest::Contains("run it with CUDA_LAUNCH_BLOCKING=1 in the environment"), Error);
  CHECK_THROWS_WITH_AS(cuda::Context(),
                       doctest::Contains("a kernel failed before cudaGetDeviceCount, which found it out: "),
                       Error);
  emulation::broken() = cudaSuccess;
  emulation::settings().sticky = emulation::settings().deferred = false;
  static_cast<void>(cudaDeviceSynchronize());
  static_cast<void>(cudaGetLastError());
}

/// Makes a device the thread's until the end of a test.
struct Using {
  explicit Using(int device) { REQUIRE(cudaSetDevice(device) == cudaSuccess); }
  Using(const Using&) = delete;
  Using& operator=(const Using&) = delete;
  ~Using() { cudaSetDevice(0); }
};

TEST_CASE("cuda: a Context stays on the device where it was made, and leaves the thread's device as it was") {
  const Keep keep;
  emulation::settings().devices = 2;
  const Using second(1);
  cuda::Context context, graphs;
  cuda::Mirror<float> numbers(1);
  cuda::Updater updater(std::vector<ParameterSegment>{{0, 4, 0}}, 1);
  const auto current = [] {
    int device = -1;
    CHECK(cudaGetDevice(&device) == cudaSuccess);
    return device;
  };
  std::thread([&] {
    CHECK(current() == 0);
    launch_append<0>(context, numbers.on_device(), 1);
    CHECK(std::as_const(numbers).data()[0] == 1.0F);
    // which is to be allowed on this device, whatever was on the other
    launch_append<0>(context, numbers.on_device(), 1, 60 << 10);
    graphs.as_graph(0, [&] { launch_append<0>(graphs, numbers.on_device(), 1); });
    graphs.as_graph(0, [&] { launch_append<0>(graphs, numbers.on_device(), 2); });
    CHECK(std::as_const(numbers).data()[0] == 16.0F);
    numbers.data()[0] = 3;
    launch_append<0>(context, numbers.on_device(), 1);
    CHECK(std::as_const(numbers).data()[0] == 7.0F);
    CHECK(context.scratch(5000) != nullptr);
    CHECK(context.counter(5000) != nullptr);
    static_cast<void>(context.images().begin(100));
    static_cast<void>(context.images().send(nullptr));
    CHECK(Cuda<>::read(context, std::as_const(numbers).on_device(), 1).get().front() == 7.0F);
    updater.take_gates(context, std::vector<std::uint8_t>{1});
    static_cast<void>(context.next_loss());
    static_cast<void>(context.wait_for_loss(context.send_loss()));
    context.reset_failed();
    context.synchronize();
    CHECK(current() == 0);
  }).join();
  CHECK(current() == 1);
}
#endif

TEST_CASE("cuda: a test's loss that is not finite does not forgive a step's") {
  cuda::Context context;
  const std::vector<int> labels{0};
  std::vector<float> bad(8, std::numeric_limits<float>::quiet_NaN()), good(8), gradient(8);
  const auto of_step =
      Cuda<>::softmax_cross_entropy(context, 1, 8, bad.data(), labels.data(), gradient.data());
  const auto of_test = Cuda<>::softmax_cross_entropy(context, 1, 8, bad.data(), labels.data(), nullptr);
  const auto flag = [&] {
    unsigned value = 7;
    REQUIRE(cudaMemcpy(&value, context.failed(), sizeof value, cudaMemcpyDeviceToHost) == cudaSuccess);
    return value;
  };
  CHECK(flag() == 1);
  CHECK_FALSE(std::isfinite(of_test.get().loss));
  CHECK(flag() == 1);
  CHECK_FALSE(std::isfinite(of_step.get().loss));
  CHECK(flag() == 0);
  CHECK_FALSE(std::isfinite(
      Cuda<>::softmax_cross_entropy(context, 1, 8, bad.data(), labels.data(), nullptr).get().loss));
  CHECK(flag() == 0);
}

}  // namespace
}  // namespace sdepth::test::context_test
