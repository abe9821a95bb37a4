// The emulation's runtime: what is refused, memory, the order of streams, graphs.
#include "emulated.hpp"

#include <cstddef>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>

namespace sdepth::test::emulation_runtime_test {
namespace {

struct Numbers {
  float* out = nullptr;
  float by = 0;
  unsigned count = 0;
  friend bool operator==(const Numbers&, const Numbers&) = default;
};

/// out = 2·out + by: the result tells in which order several of these ran.
template <int dummy>
__global__ void append(const Numbers o) {
  for (unsigned i = blockIdx.x * blockDim.x + threadIdx.x; i < o.count; i += gridDim.x * blockDim.x)
    o.out[i] = 2 * o.out[i] + o.by;
}
template <int dummy>
__global__ void nothing(const Numbers) {}
template <int dummy>
__global__ void never_launched(const Numbers) {}

TEST_CASE("launches that the device would refuse are refused") {
  const Keep keep;
  const auto try_launch = [](dim3 grid, dim3 threads, std::size_t shared = 0) {
    return launch(nothing<0>, grid, threads, Numbers{}, shared);
  };
  CHECK(try_launch(1, 1024) == cudaSuccess);
  CHECK(try_launch(1, 1025) == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(try_launch(1, dim3(32, 32, 2)) == cudaErrorInvalidConfiguration);
  CHECK(try_launch(1, 0) == cudaErrorInvalidConfiguration);
  CHECK(try_launch(0, 32) == cudaErrorInvalidConfiguration);
  CHECK(try_launch(dim3(1, 65536), 32) == cudaErrorInvalidConfiguration);
  CHECK(try_launch(1, 32, 48 << 10) == cudaSuccess);
  CHECK(try_launch(1, 32, (48 << 10) + 16) == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(nothing<0>, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 << 10) ==
        cudaSuccess);
  CHECK(try_launch(1, 32, 64 << 10) == cudaSuccess);
  CHECK(launch(nothing<1>, 1, 32, Numbers{}, 64 << 10) == cudaErrorInvalidValue);
  CHECK(cudaFuncSetAttribute(nothing<0>, cudaFuncAttributeMaxDynamicSharedMemorySize, 99 << 10) ==
        cudaErrorInvalidValue);
  emulation::settings().largest_shared_bytes = 99 << 10;
  CHECK(cudaFuncSetAttribute(nothing<0>, cudaFuncAttributeMaxDynamicSharedMemorySize, 99 << 10) ==
        cudaSuccess);
  CHECK(try_launch(1, 32, 99 << 10) == cudaSuccess);
  emulation::settings().devices = 0;
  CHECK(try_launch(1, 32) == cudaErrorNoDevice);
  int count = -1;
  CHECK(cudaGetDeviceCount(&count) == cudaErrorNoDevice);
  CHECK(count == 0);
  cudaGetLastError();
}

TEST_CASE("device memory begins as no numbers, ends somewhere, and is counted") {
  const Keep keep;
  emulation::settings().memory_bytes = 1 << 20;
  const std::size_t before = emulation::Memory::the().used();
  float* device = nullptr;
  REQUIRE(cudaMalloc(&device, 400) == cudaSuccess);
  CHECK(emulation::Memory::the().used() == before + 400);
  float number = 0;
  CHECK(cudaMemcpy(&number, device + 99, sizeof number, cudaMemcpyDeviceToHost) == cudaSuccess);
  CHECK(number != number);
  CHECK(cudaMemcpy(&number, device + 100, sizeof number, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemcpy(device, &number, sizeof number, cudaMemcpyDeviceToHost) == cudaErrorInvalidValue);
  CHECK(cudaMemset(device, 0, 401) == cudaErrorInvalidValue);
  CHECK(cudaMemset(&number, 0, 4) == cudaErrorInvalidValue);
  void* large = nullptr;
  CHECK(cudaMalloc(&large, 1 << 20) == cudaErrorMemoryAllocation);
  CHECK(large == nullptr);
  CHECK(cudaFreeHost(device) == cudaErrorInvalidValue);
  CHECK(cudaFree(device) == cudaSuccess);
  CHECK(cudaFree(device) == cudaErrorInvalidValue);
  CHECK(emulation::Memory::the().used() == before);
  cudaGetLastError();
}

/// One number too far.
template <int at>
__global__ void beside(const Numbers o) {
  o.out[at] = 1.0F;
}

TEST_CASE("writing beside an allocation is found") {
  float* device = nullptr;
  REQUIRE(cudaMalloc(&device, 400) == cudaSuccess);
  CHECK(launch(beside<99>, 1, 1, Numbers{device}) == cudaSuccess);
  CHECK(contains(fault(beside<100>, 1, 1, Numbers{device}), "beside an allocation of 400 bytes"));
  CHECK(cudaFree(device) == cudaSuccess);
  REQUIRE(cudaMalloc(&device, 400) == cudaSuccess);
  CHECK(contains(fault(beside<-1>, 1, 1, Numbers{device}), "beside an allocation of 400 bytes"));
  CHECK(cudaFree(device) == cudaSuccess);
  cudaGetLastError();
}

/// Numbers on the device, and pinned ones of the host.
struct Both {
  float* device = nullptr;
  float* host = nullptr;
  explicit Both(std::size_t count) {
    REQUIRE(cudaMalloc(&device, count * sizeof(float)) == cudaSuccess);
    REQUIRE(cudaMallocHost(&host, count * sizeof(float)) == cudaSuccess);
  }
  Both(const Both&) = delete;
  Both& operator=(const Both&) = delete;
  ~Both() {
    cudaFree(device);
    cudaFreeHost(host);
  }
};

TEST_CASE("a deferred stream does nothing until someone waits, then all in order") {
  const Keep keep;
  Both one(3);
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
  REQUIRE(cudaEventCreateWithFlags(&event, cudaEventDisableTiming) == cudaSuccess);
  emulation::settings().deferred = true;
  emulation::settings().log = true;
  emulation::log().clear();
  const emulation::Counts before = emulation::counts();
  std::fill_n(one.host, 3, 1.0F);
  CHECK(cudaMemcpyAsync(one.device, one.host, 12, cudaMemcpyHostToDevice, stream) == cudaSuccess);
  CHECK(launch(append<0>, 2, 32, Numbers{one.device, 3, 3}, 0, stream) == cudaSuccess);
  CHECK(cudaEventRecord(event, stream) == cudaSuccess);
  CHECK(cudaMemcpyAsync(one.host, one.device, 12, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  CHECK(emulation::log().empty());
  CHECK(emulation::counts().copies == before.copies + 2);
  CHECK(emulation::counts().launches == before.launches + 1);
  CHECK(emulation::counts().waits == before.waits);
  CHECK(one.host[0] == 1.0F);  // not there yet: who reads it now is wrong
  CHECK(cudaEventQuery(event) == cudaErrorNotReady);
  CHECK(cudaStreamQuery(stream) == cudaErrorNotReady);
  CHECK(cudaEventSynchronize(event) == cudaSuccess);
  CHECK(cudaEventQuery(event) == cudaSuccess);
  CHECK(one.host[0] == 1.0F);  // the copy back lies behind the event
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(one.host[2] == 5.0F);
  CHECK(emulation::counts().waits == before.waits + 2);
  REQUIRE(emulation::log().size() == 4);
  CHECK(emulation::log()[0] == "copy of 12 bytes");
  CHECK(contains(emulation::log()[1], "kernel "));
  CHECK(emulation::log()[2] == "event");
  CHECK(emulation::log()[3] == "copy of 12 bytes");

  // Pinned memory is read when the copy runs; other memory before the call returns.
  std::vector<float> plain(3, 7.0F);
  CHECK(cudaMemcpyAsync(one.device, plain.data(), 12, cudaMemcpyHostToDevice, stream) == cudaSuccess);
  std::fill_n(plain.begin(), 3, 8.0F);
  CHECK(cudaMemcpyAsync(plain.data(), one.device, 12, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  CHECK(plain[0] == 7.0F);
  CHECK(cudaMemcpyAsync(one.device, one.host, 12, cudaMemcpyHostToDevice, stream) == cudaSuccess);
  one.host[1] = 9.0F;  // too early
  CHECK(cudaStreamSynchronize(stream) == cudaSuccess);
  CHECK(cudaMemcpyAsync(plain.data(), one.device, 12, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
  CHECK(plain[1] == 9.0F);
  CHECK(cudaEventDestroy(event) == cudaSuccess);
  CHECK(cudaStreamDestroy(stream) == cudaSuccess);
}

TEST_CASE("a stream waits for another's event") {
  const Keep keep;
  Both one(1);
  cudaStream_t first = nullptr, second = nullptr;
  cudaEvent_t event = nullptr;
  REQUIRE(cudaStreamCreateWithFlags(&first, cudaStreamNonBlocking) == cudaSuccess);
  REQUIRE(cudaStreamCreateWithFlags(&second, cudaStreamNonBlocking) == cudaSuccess);
  REQUIRE(cudaEventCreate(&event) == cudaSuccess);
  REQUIRE(cudaMemset(one.device, 0, 4) == cudaSuccess);
  emulation::settings().deferred = true;
  CHECK(launch(append<0>, 1, 1, Numbers{one.device, 1, 1}, 0, first) == cudaSuccess);
  CHECK(cudaEventRecord(event, first) == cudaSuccess);
  CHECK(launch(append<0>, 1, 1, Numbers{one.device, 100, 1}, 0, first) == cudaSuccess);
  CHECK(cudaStreamWaitEvent(second, event) == cudaSuccess);
  CHECK(launch(append<0>, 1, 1, Numbers{one.device, 10, 1}, 0, second) == cudaSuccess);
  CHECK(cudaStreamSynchronize(second) == cudaSuccess);
  CHECK(cudaMemcpyAsync(one.host, one.device, 4, cudaMemcpyDeviceToHost, second) == cudaSuccess);
  CHECK(cudaStreamSynchronize(second) == cudaSuccess);
  CHECK(*one.host == 12.0F);
  CHECK(cudaDeviceSynchronize() == cudaSuccess);
  cudaEventDestroy(event);
  cudaStreamDestroy(first);
  cudaStreamDestroy(second);
}

template <int dummy>
__global__ void broken(const Numbers) {
  if (threadIdx.x == 0) __syncthreads();
}

TEST_CASE("a fault in a deferred stream is told when someone waits") {
  const Keep keep;
  emulation::settings().deferred = true;
  CHECK(launch(broken<0>, 1, 2, Numbers{}) == cudaSuccess);
  CHECK(cudaStreamSynchronize(nullptr) == cudaErrorLaunchFailure);
  CHECK(contains(cudaGetErrorString(cudaErrorLaunchFailure), "thread 0 waits at __syncthreads in "));
  CHECK(cudaStreamSynchronize(nullptr) == cudaSuccess);
  cudaGetLastError();
}

TEST_CASE("the context's errors name the stage and repeat the fault's sentence") {
  cuda::Context context;
  const cuda::StageName stage{"broken", {3, 4, 5}, {6, 7, 8}, 9};
  CHECK_THROWS_WITH_AS(context.launch(stage, broken<0>, cuda::Grid{.threads = 2}, Numbers{}),
                       doctest::Contains("9 images of 3 x 4 x 5 to 6 x 7 x 8"), Error);
  CHECK_THROWS_WITH_AS(context.launch(stage, broken<0>, cuda::Grid{.threads = 2}, Numbers{}),
                       doctest::Contains("__syncthreads"), Error);
}

TEST_CASE("a graph runs its kernels by its edges, again and again, and takes other operands") {
  Both one(1);
  REQUIRE(cudaMemset(one.device, 0, 4) == cudaSuccess);
  REQUIRE(cudaFuncSetAttribute(append<0>, cudaFuncAttributeMaxDynamicSharedMemorySize, 0) == cudaSuccess);
  Numbers operands{one.device, 0, 1};
  void* parameters[] = {&operands};
  cudaKernelNodeParams node{};
  node.func = reinterpret_cast<void*>(append<0>);
  node.gridDim = dim3(1);
  node.blockDim = dim3(32);
  node.kernelParams = parameters;
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaGraphCreate(&graph, 0) == cudaSuccess);
  std::vector<cudaGraphNode_t> nodes(3);
  for (std::size_t i = 0; i < 3; ++i) {  // a chain: 1, 2, 3
    operands.by = static_cast<float>(i + 1);
    REQUIRE(cudaGraphAddKernelNode(&nodes[i], graph, i ? &nodes[i - 1] : nullptr, i ? 1 : 0, &node) ==
            cudaSuccess);
  }
  cudaGraphExec_t run = nullptr;
  REQUIRE(cudaGraphInstantiate(&run, graph, 0) == cudaSuccess);
  const auto result = [&] {
    REQUIRE(cudaGraphLaunch(run, nullptr) == cudaSuccess);
    REQUIRE(cudaMemcpy(one.host, one.device, 4, cudaMemcpyDeviceToHost) == cudaSuccess);
    return *one.host;
  };
  CHECK(result() == 11.0F);           // ((0·2 + 1)·2 + 2)·2 + 3
  CHECK(result() == 11.0F * 8 + 11);  // replayed
  operands.by = 10;
  REQUIRE(cudaGraphExecKernelNodeSetParams(run, nodes[1], &node) == cudaSuccess);
  operands.by = 1000;  // copied before
  CHECK(result() == 99.0F * 8 + 1 * 4 + 10 * 2 + 3);
  REQUIRE(cudaGraphExecDestroy(run) == cudaSuccess);

  // Without edges the order is another one.
  cudaGraph_t loose = nullptr;
  REQUIRE(cudaGraphCreate(&loose, 0) == cudaSuccess);
  for (std::size_t i = 0; i < 3; ++i) {
    operands.by = static_cast<float>(i + 1);
    REQUIRE(cudaGraphAddKernelNode(&nodes[i], loose, nullptr, 0, &node) == cudaSuccess);
  }
  REQUIRE(cudaGraphInstantiate(&run, loose, 0) == cudaSuccess);
  REQUIRE(cudaMemset(one.device, 0, 4) == cudaSuccess);
  CHECK(result() != 11.0F);
  // another graph's node
  CHECK(cudaGraphAddKernelNode(&nodes[0], graph, nodes.data() + 1, 1, &node) == cudaErrorInvalidValue);
  node.func = reinterpret_cast<void*>(never_launched<0>);
  CHECK(cudaGraphAddKernelNode(&nodes[0], graph, nullptr, 0, &node) == cudaErrorInvalidDeviceFunction);
  CHECK(cudaGraphExecKernelNodeSetParams(run, nodes[1], &node) == cudaErrorInvalidDeviceFunction);
  cudaGetLastError();
  CHECK(cudaGraphExecDestroy(run) == cudaSuccess);
  CHECK(cudaGraphDestroy(loose) == cudaSuccess);
  CHECK(cudaGraphDestroy(graph) == cudaSuccess);
}

/// out[1] += by·out[0]: begins to copy before it waits for the launch before it, or after; or lets one thread
/// not wait.
enum class Reads { after, ahead, never_waits };
template <Reads reads>
__global__ void add_first(const Numbers o) {
  float* const first = cuda::shared_memory();
  const bool copies = threadIdx.x == 0;
  if (copies && reads == Reads::ahead) cuda::copy_1(first, o.out);
  if (reads != Reads::never_waits || threadIdx.x > 0) cuda::begin_behind_launch_before();
  if (copies && reads != Reads::ahead) cuda::copy_1(first, o.out);
  cuda::end_group();
  cuda::copies_done();
  if (threadIdx.x == 0) o.out[1] += o.by * *first;
}

TEST_CASE(
    "of dependent launches the emulation finds what is read too early, and a thread that does not wait") {
  const Keep keep;
  std::vector<float> numbers{3, 0};
  /// The sentence of the fault of `second`, which depends on a launch that changes out[0]; empty where it has
  /// none.
  const auto fault_of = [&](void (*second)(Numbers), float change) {
    cuda::Replay replay;
    std::vector<cuda::Launch> row;
    const cuda::Grid grid{.threads = 32, .shared_bytes = 16};
    row.emplace_back(cuda::StageName{}, append<9>, grid, Numbers{numbers.data(), change, 1});
    row.emplace_back(cuda::StageName{}, second, grid, Numbers{numbers.data(), 1, 1});
    try {
      replay.run(std::move(row), nullptr, true);
      cuda::check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  // The kernels of graphs are known by their launches.
  for (const auto kernel :
       {append<9>, add_first<Reads::after>, add_first<Reads::ahead>, add_first<Reads::never_waits>})
    REQUIRE(launch(kernel, 1, 32, Numbers{numbers.data(), 0, 0}, 16) == cudaSuccess);
  CHECK(fault_of(add_first<Reads::after>, 1).empty());
  CHECK(contains(fault_of(add_first<Reads::ahead>, 1), "read ahead what the launch before it wrote"));
  CHECK(contains(fault_of(add_first<Reads::never_waits>, 1), "not all of its threads wait"));
  numbers[0] = 0;
  CHECK(fault_of(add_first<Reads::ahead>, 0).empty());  // 2·0 + 0 changes nothing
}

}  // namespace
}  // namespace sdepth::test::emulation_runtime_test
