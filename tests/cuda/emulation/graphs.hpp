// Graphs of kernels. A graph's nodes run in an order that its edges allow, but not in the one in which they
// were added: a forgotten edge shows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "kernels.hpp"
#include "streams.hpp"
#include "vectors.hpp"

struct cudaKernelNodeParams {
  void* func;
  dim3 gridDim;
  dim3 blockDim;
  unsigned sharedMemBytes;
  void** kernelParams;  // copied when the node is added or changed
  void** extra;
};

struct CUgraphNode_st {
  emulation::Launch launch;
  std::vector<CUgraphNode_st*> after;
  CUgraphNode_st* dependent_on = nullptr;  // one of these, where it may begin before that has ended
};
using cudaGraphNode_t = CUgraphNode_st*;

struct CUgraph_st {
  std::vector<std::unique_ptr<CUgraphNode_st>> nodes;
  [[nodiscard]] bool has(const CUgraphNode_st* node) const {
    return std::any_of(nodes.begin(), nodes.end(), [node](const auto& own) { return own.get() == node; });
  }
};
using cudaGraph_t = CUgraph_st*;

struct CUgraphExec_st {
  int device = 0;
  // in the order in which they run; nodes are names only
  std::vector<std::pair<const CUgraphNode_st*, emulation::Launch>> launches;
  // of those that may begin before another has ended
  std::map<const CUgraphNode_st*, const CUgraphNode_st*> dependent_on;
};
using cudaGraphExec_t = CUgraphExec_st*;

namespace emulation {

[[nodiscard]] inline cudaError_t launch_of(const cudaKernelNodeParams* parameters, Launch& launch) {
  if (!parameters || parameters->extra) return cudaErrorInvalidValue;
  launch = {parameters->func, parameters->gridDim, parameters->blockDim, parameters->sharedMemBytes, nullptr};
  return launch.prepare(parameters->kernelParams);
}

}  // namespace emulation

inline cudaError_t cudaGraphCreate(cudaGraph_t* graph, unsigned flags) {
  if (!graph || flags != 0) return emulation::returned(cudaErrorInvalidValue);
  *graph = new CUgraph_st;
  return cudaSuccess;
}
inline cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (!graph) return emulation::returned(cudaErrorInvalidValue);
  delete graph;
  return cudaSuccess;
}
enum cudaGraphDependencyType { cudaGraphDependencyTypeDefault = 0, cudaGraphDependencyTypeProgrammatic = 1 };
inline constexpr unsigned char cudaGraphKernelNodePortDefault = 0, cudaGraphKernelNodePortProgrammatic = 1;
struct cudaGraphEdgeData {
  unsigned char from_port;
  unsigned char to_port;
  unsigned char type;
  unsigned char reserved[5];
};
#define CUDART_VERSION 13000

inline cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t* from,
                                            const cudaGraphNode_t* to, const cudaGraphEdgeData* edges,
                                            std::size_t count) {
  if (!graph || emulation::refuses("cudaGraphAddDependencies"))
    return emulation::returned(cudaErrorInvalidValue);
  for (std::size_t i = 0; i < count; ++i) {
    const bool early = edges && edges[i].type == cudaGraphDependencyTypeProgrammatic;
    if (!graph->has(from[i]) || !graph->has(to[i]) ||
        (early && edges[i].from_port != cudaGraphKernelNodePortProgrammatic))
      return emulation::returned(cudaErrorInvalidValue);
    to[i]->after.push_back(from[i]);
    if (early) to[i]->dependent_on = from[i], ++emulation::counts().dependent_launches;
  }
  return cudaSuccess;
}
inline cudaError_t cudaGraphAddKernelNode(cudaGraphNode_t* node, cudaGraph_t graph,
                                          const cudaGraphNode_t* after, std::size_t count,
                                          const cudaKernelNodeParams* parameters) {
  if (!node || !graph || (count > 0 && !after)) return emulation::returned(cudaErrorInvalidValue);
  auto added = std::make_unique<CUgraphNode_st>();
  if (const cudaError_t error = emulation::launch_of(parameters, added->launch); error != cudaSuccess)
    return emulation::returned(error);
  for (std::size_t i = 0; i < count; ++i) {
    if (!graph->has(after[i])) return emulation::returned(cudaErrorInvalidValue);
    added->after.push_back(after[i]);
  }
  *node = added.get();
  graph->nodes.push_back(std::move(added));
  return cudaSuccess;
}

/// Takes, of the nodes that may run, the one that was added last.
inline cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph,
                                        unsigned long long flags = 0) {
  if (!executable || !graph || flags != 0) return emulation::returned(cudaErrorInvalidValue);
  if (!emulation::settings().graphs) return emulation::returned(cudaErrorMemoryAllocation);
  auto made = std::make_unique<CUgraphExec_st>();
  made->device = emulation::current_device;
  const auto ran = [&](const CUgraphNode_st* node) {
    return std::any_of(made->launches.begin(), made->launches.end(),
                       [node](const auto& launch) { return launch.first == node; });
  };
  while (made->launches.size() < graph->nodes.size())
    for (std::size_t i = graph->nodes.size(); i-- > 0;) {
      const CUgraphNode_st& node = *graph->nodes[i];
      if (ran(&node) || !std::all_of(node.after.begin(), node.after.end(), ran)) continue;
      made->launches.emplace_back(&node, node.launch);
      if (node.dependent_on) made->dependent_on[&node] = node.dependent_on;
      break;
    }
  *executable = made.release();
  return cudaSuccess;
}
inline cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  if (!executable) return emulation::returned(cudaErrorInvalidValue);
  delete executable;
  return cudaSuccess;
}
inline cudaError_t cudaGraphExecKernelNodeSetParams(cudaGraphExec_t executable, cudaGraphNode_t node,
                                                    const cudaKernelNodeParams* parameters) {
  if (!executable || executable->device != emulation::current_device)
    return emulation::returned(cudaErrorInvalidValue);
  if (emulation::refuses("cudaGraphExecKernelNodeSetParams"))
    return emulation::returned(cudaErrorInvalidValue);
  for (auto& [own, launch] : executable->launches) {
    if (own != node) continue;
    emulation::Launch changed;
    if (const cudaError_t error = emulation::launch_of(parameters, changed); error != cudaSuccess)
      return emulation::returned(error);
    launch = std::move(changed);
    return cudaSuccess;
  }
  return emulation::returned(cudaErrorInvalidValue);
}
inline cudaError_t cudaGraphUpload(cudaGraphExec_t executable, cudaStream_t) {
  return emulation::returned(executable ? cudaSuccess : cudaErrorInvalidValue);
}
inline cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  if (!executable || emulation::refuses("cudaGraphLaunch")) return emulation::returned(cudaErrorInvalidValue);
  if (executable->device != emulation::line_of(stream)->device())
    return emulation::returned(cudaErrorInvalidResourceHandle);
  ++emulation::counts().graphs;
  return emulation::returned(emulation::line_of(stream)->add([launches = executable->launches,
                                                              dependent_on = executable->dependent_on] {
    const emulation::Memory::Open open;  // once for all
    std::map<const CUgraphNode_st*, emulation::EarlyReads> read_ahead;
    for (const auto& [node, launch] : launches) {
      for (const auto& [later, dependent] : launches)
        if (const auto on = dependent_on.find(later); on != dependent_on.end() && on->second == node)
          read_ahead[later] = dependent.probe();
      const auto early = read_ahead.find(node);
      const cudaError_t error = early == read_ahead.end() ? launch() : launch.run_dependent(early->second);
      if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
  }));
}
