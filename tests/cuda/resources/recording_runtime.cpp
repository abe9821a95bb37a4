#include "recording_runtime.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

namespace sdepth::recording {

std::vector<Launch>& launches() {
  static std::vector<Launch> all;
  return all;
}
int& waits() {
  static int count = 0;
  return count;
}
int& dependent_steps() {
  static int count = 0;
  return count;
}
int& dependent_launches() {
  static int count = 0;
  return count;
}
int& submissions() {
  static int count = 0;
  return count;
}

namespace {

/// Host functions and the kernels they stand for. Filled before main.
std::map<const void*, std::string>& kernels() {
  static std::map<const void*, std::string> names;
  return names;
}

/// A captured graph is a row of launches; so is what is made of it.
struct Graph {
  std::vector<Launch> launches;
  std::vector<int> depths;  // of the launches: the longest chain that ends there
};
std::vector<std::unique_ptr<Graph>>& graphs() {
  static std::vector<std::unique_ptr<Graph>> all;
  return all;
}
Graph* capturing = nullptr;

Graph* new_graph() { return graphs().emplace_back(std::make_unique<Graph>()).get(); }

cudaError_t record(const void* function, dim3 grid, dim3 block, std::size_t shared_bytes) {
  const auto at = kernels().find(function);
  if (at == kernels().end()) return cudaErrorInvalidDeviceFunction;
  const Launch launch{at->second, std::size_t{grid.x} * grid.y * grid.z,
                      std::size_t{block.x} * block.y * block.z, shared_bytes};
  if (capturing) {
    capturing->depths.push_back(capturing->depths.empty() ? 1 : capturing->depths.back() + 1);
    capturing->launches.push_back(launch);
  } else {
    launches().push_back(launch);
    ++submissions();
    ++dependent_steps();
  }
  return cudaSuccess;
}

/// A made-up handle; nothing looks behind it.
template <class Handle>
cudaError_t make(Handle* handle) {
  static char things[1];
  *handle = reinterpret_cast<Handle>(things);
  return cudaSuccess;
}

}  // namespace
}  // namespace sdepth::recording

using namespace sdepth::recording;

// What nvcc's host code calls by itself.
extern "C" {
void** __cudaRegisterFatBinary(void*) {
  static void* handle = nullptr;
  return &handle;
}
void __cudaRegisterFatBinaryEnd(void**) {}
void __cudaUnregisterFatBinary(void**) {}
char __cudaInitModule(void**) { return 0; }
void __cudaRegisterFunction(void**, const char* host, char*, const char* device_name, int, uint3*, uint3*,
                            dim3*, dim3*, int*) {
  kernels()[host] = device_name;
}
void __cudaRegisterVar(void**, char*, char*, const char*, int, std::size_t, int, int) {}
cudaError_t __cudaPopCallConfiguration(dim3*, dim3*, std::size_t*, void*) { return cudaErrorNotSupported; }
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = static_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void**, std::size_t shared,
                               cudaStream_t) {
  return record(kernel, grid, block, shared);
}
}

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void**, std::size_t shared,
                             cudaStream_t) {
  return record(function, grid, block, shared);
}
cudaError_t cudaLaunchCooperativeKernel(const void* function, dim3 grid, dim3 block, void**,
                                        std::size_t shared_bytes, cudaStream_t) {
  return record(function, grid, block, shared_bytes);
}
/// As many as kernels claim: see ConvTile::blocks.
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* blocks, const void*, int, std::size_t,
                                                                   unsigned) {
  return *blocks = 4, cudaSuccess;
}
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  attributes->ptxVersion = attributes->binaryVersion = 90;
  return cudaSuccess;
}
cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute, int) { return cudaSuccess; }

// Memory. calloc's pages take no room until they are written, which nothing does here.
cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  return (*memory = std::calloc(bytes, 1)) ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFree(void* memory) {
  std::free(memory);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) { return cudaMalloc(memory, bytes); }
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) { return cudaMalloc(memory, bytes); }
cudaError_t cudaFreeHost(void* memory) { return cudaFree(memory); }
cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *free = *total = std::size_t{80} << 30;
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t) {
  if (kind != cudaMemcpyDeviceToDevice) std::memcpy(to, from, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  ++waits();
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}
cudaError_t cudaMemset(void* memory, int value, std::size_t bytes) {
  if (value != 0) std::memset(memory, value, bytes);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* memory, int value, std::size_t bytes, cudaStream_t) {
  return cudaMemset(memory, value, bytes);
}

// Streams, events, devices.
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return make(stream); }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return make(stream); }
cudaError_t cudaStreamDestroy(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return ++waits(), cudaSuccess; }
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }
cudaError_t cudaStreamQuery(cudaStream_t) { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize() { return ++waits(), cudaSuccess; }
cudaError_t cudaEventCreate(cudaEvent_t* event) { return make(event); }
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return make(event); }
cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventQuery(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t, cudaEvent_t) { return *ms = 1, cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  std::strcpy(properties->name, "a device that only records");
  properties->major = 9;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) { return *device = 0, cudaSuccess; }
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) { return *count = 1, cudaSuccess; }
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? 9
           : attribute == cudaDevAttrMultiProcessorCount  ? 132
           : attribute == cudaDevAttrCooperativeLaunch    ? 1
                                                          : 0;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return cudaSuccess; }
cudaError_t cudaPeekAtLastError() { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t) { return "an error of the recording runtime"; }
const char* cudaGetErrorName(cudaError_t) { return "cudaErrorRecording"; }

// Graphs.
cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  capturing = new_graph();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = reinterpret_cast<cudaGraph_t>(capturing);
  capturing = nullptr;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t, cudaStreamCaptureStatus* status) {
  *status = capturing ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* run, cudaGraph_t graph, unsigned long long) {
  *run = reinterpret_cast<cudaGraphExec_t>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return cudaSuccess; }
cudaError_t cudaGraphLaunch(cudaGraphExec_t run, cudaStream_t) {
  const Graph& graph = *reinterpret_cast<const Graph*>(run);
  launches().insert(launches().end(), graph.launches.begin(), graph.launches.end());
  ++submissions();
  dependent_steps() += *std::max_element(graph.depths.begin(), graph.depths.end());
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t) { return cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t) { return cudaSuccess; }
cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned) {
  *graph = reinterpret_cast<cudaGraph_t>(new_graph());
  return cudaSuccess;
}
cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph, const cudaGraphNode_t* before,
                                   std::size_t count, const cudaKernelNodeParams* kernel) {
  Graph* const all = reinterpret_cast<Graph*>(graph);
  Graph* const outer = std::exchange(capturing, all);
  const cudaError_t status = record(kernel->func, kernel->gridDim, kernel->blockDim, kernel->sharedMemBytes);
  capturing = outer;
  if (status != cudaSuccess) return status;
  // A node is the place of its launch, counted from 1.
  *node = reinterpret_cast<cudaGraphNode_t>(all->launches.size());
  int& depth = all->depths.back() = 1;
  for (std::size_t i = 0; i < count; ++i)
    depth = std::max(depth, all->depths[reinterpret_cast<std::size_t>(before[i]) - 1] + 1);
  return status;
}
namespace {
cudaError_t add_edges(cudaGraph_t graph, const cudaGraphNode_t* from, const cudaGraphNode_t* to,
                      const cudaGraphEdgeData* edges, std::size_t count) {
  std::vector<int>& depths = reinterpret_cast<Graph*>(graph)->depths;
  for (std::size_t i = 0; i < count; ++i) {
    int& depth = depths[reinterpret_cast<std::size_t>(to[i]) - 1];
    depth = std::max(depth, depths[reinterpret_cast<std::size_t>(from[i]) - 1] + 1);
    dependent_launches() += edges && edges[i].type == cudaGraphDependencyTypeProgrammatic;
  }
  return cudaSuccess;
}
}  // namespace
#if CUDART_VERSION >= 13000
cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t* from,
                                     const cudaGraphNode_t* to, const cudaGraphEdgeData* edges,
                                     std::size_t count) {
  return add_edges(graph, from, to, edges, count);
}
#else
cudaError_t cudaGraphAddDependencies_v2(cudaGraph_t graph, const cudaGraphNode_t* from,
                                        const cudaGraphNode_t* to, const cudaGraphEdgeData* edges,
                                        std::size_t count) {
  return add_edges(graph, from, to, edges, count);
}
#endif
cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t run, cudaGraphNode_t node,
                                             const cudaKernelNodeParams* kernel) {
  Graph& all = *reinterpret_cast<Graph*>(run);
  Graph changed;
  Graph* const before = std::exchange(capturing, &changed);
  const cudaError_t status = record(kernel->func, kernel->gridDim, kernel->blockDim, kernel->sharedMemBytes);
  capturing = before;
  if (status == cudaSuccess) all.launches[reinterpret_cast<std::size_t>(node) - 1] = changed.launches.front();
  return status;
}
