// Launches that are replayed: what one residual block launches, recorded as a CUDA graph the first time and
// launched as a whole from then on.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/kernels/cuda/check.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// How many threads a kernel gets. Blocks are numbered x fastest.
struct Grid {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
  unsigned threads = 128;        // of a block
  std::size_t shared_bytes = 0;  // of a block, dynamic

  friend bool operator==(const Grid&, const Grid&) = default;
};

/// What a launch waits for among the others of its row, where these make a graph. In a stream alone all come
/// one after the other.
enum class Lane {
  main,   // everything before it
  aside,  // everything before it; the main launch that follows as `beside` runs at the same time
  // everything before it but the last launch aside, of which it reads nothing, and overwrites nothing that it
  // reads
  beside,
};

class Launch;
/// How launches of one kernel on one grid become a single one, see runs.hpp.
struct Run {
  bool (*fits)(int device, const Launch& launch);
  void (*run)(std::span<const Launch> row, cudaStream_t stream, unsigned* made, unsigned& count);
};

/// kernel(operands), not yet launched. Kernels have one parameter, a plain structure.
class Launch {
 public:
  template <class Operands>
  Launch(const StageName& stage, void (*function)(Operands), const Grid& grid, const Operands& operands,
         Lane lane = Lane::main, const Run* run = nullptr)
      : stage_(stage),
        lane_(lane),
        with_others_(run),
        kernel_(reinterpret_cast<void*>(function)),
        grid_(grid),
        operands_((sizeof(Operands) + sizeof(Unit) - 1) / sizeof(Unit)) {
    static_assert(std::is_trivially_copyable_v<Operands> && alignof(Operands) <= alignof(Unit),
                  "a kernel's operands are a plain structure");
    static_assert(
        std::equality_comparable<Operands>,
        "a kernel's operands are compared with those of an earlier launch; give the structure a defaulted operator==");
    std::memcpy(operands_.data(), &operands, sizeof operands);
    equal_ = [](const void* a, const void* b) {
      return *static_cast<const Operands*>(a) == *static_cast<const Operands*>(b);
    };
    run_ = [](const Launch& launch, cudaStream_t stream) {
      const Grid& g = launch.grid_;
      void* arguments[] = {launch.arguments()};
      check(cudaLaunchKernel(reinterpret_cast<void (*)(Operands)>(launch.kernel_), dim3(g.x, g.y, g.z),
                             dim3(g.threads), arguments, g.shared_bytes, stream),
            "cudaLaunchKernel", launch.stage_);
    };
  }

  /// Launches it alone, behind what the stream does already.
  void run(cudaStream_t stream) const { run_(*this, stream); }

  /// Whether a graph that holds the one can be made to hold the other.
  [[nodiscard]] bool same_node(const Launch& other) const noexcept {
    return kernel_ == other.kernel_ && lane_ == other.lane_;
  }
  friend bool operator==(const Launch& a, const Launch& b) noexcept {
    return a.kernel_ == b.kernel_ && a.grid_ == b.grid_ && a.equal_(a.arguments(), b.arguments());
  }
  [[nodiscard]] const StageName& stage() const noexcept { return stage_; }
  [[nodiscard]] Lane lane() const noexcept { return lane_; }
  [[nodiscard]] const Grid& grid() const noexcept { return grid_; }
  /// Null: it is always a launch of its own.
  [[nodiscard]] const Run* run_with_others() const noexcept { return with_others_; }
  /// @pre  they are of that type
  template <class Operands>
  [[nodiscard]] const Operands& operands() const noexcept {
    return *static_cast<const Operands*>(arguments());
  }
  [[nodiscard]] const void* kernel() const noexcept { return kernel_; }

  /// Calls body(parameters) with what a graph's node of this launch is made from.
  template <class Body>
  void with_node_parameters(const Body& body) const {
    void* arguments[] = {this->arguments()};
    cudaKernelNodeParams parameters{};
    parameters.func = kernel_;
    parameters.gridDim = dim3(grid_.x, grid_.y, grid_.z);
    parameters.blockDim = dim3(grid_.threads);
    parameters.sharedMemBytes = static_cast<unsigned>(grid_.shared_bytes);
    parameters.kernelParams = arguments;
    body(parameters);
  }

 private:
  using Unit = std::max_align_t;
  struct alignas(alignof(Unit)) Storage {
    std::byte bytes[sizeof(Unit)];
  };
  [[nodiscard]] void* arguments() const noexcept { return const_cast<Storage*>(operands_.data()); }

  StageName stage_;
  Lane lane_;
  const Run* with_others_ = nullptr;
  void* kernel_ = nullptr;
  Grid grid_;
  std::vector<Storage> operands_;
  // member by member: the bytes between members may be anything
  bool (*equal_)(const void*, const void*) = nullptr;
  void (*run_)(const Launch&, cudaStream_t) = nullptr;
};

/// Whether a kernel waits itself for the launch before it: it was compiled for compute capability 9.0 or
/// later.
[[nodiscard]] inline bool waits_itself(const void* kernel) {
  cudaFuncAttributes attributes{};
  if (cudaFuncGetAttributes(&attributes, kernel) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    return false;
  }
  return attributes.ptxVersion >= 90;
}
/// Lets node `to` begin while `from` still runs: its kernel waits itself, see wait_for_launch_before.
[[nodiscard]] inline cudaError_t add_dependent_launch(cudaGraph_t graph, cudaGraphNode_t from,
                                                      cudaGraphNode_t to) {
  cudaGraphEdgeData edge{};
  edge.from_port = cudaGraphKernelNodePortProgrammatic;
  edge.type = cudaGraphDependencyTypeProgrammatic;
#if CUDART_VERSION >= 13000
  return cudaGraphAddDependencies(graph, &from, &to, &edge, 1);
#else
  return cudaGraphAddDependencies_v2(graph, &from, &to, &edge, 1);
#endif
}

/// The launches of a row that the next one waits for, as their numbers. Launches aside wait for each other,
/// so one of them stands for all before it.
class RowEdges {
 public:
  struct Edges {
    std::array<std::size_t, 2> numbers{};
    std::size_t count = 0;
  };
  /// Of launch number i, the next of the row. No edge is named that follows from another one.
  [[nodiscard]] Edges add(Lane lane) noexcept {
    const int own = next_++, aside = lane == Lane::beside ? aside_before_ : aside_;
    Edges edges;
    const auto wait_for = [&](int other) { edges.numbers[edges.count++] = static_cast<std::size_t>(other); };
    if (main_ > aside) wait_for(main_);                  // else the launch aside has waited for it
    if (aside >= 0 && aside > behind_) wait_for(aside);  // else the main one has
    if (lane == Lane::aside) {
      aside_before_ = aside_;
      aside_ = own;
    } else {
      behind_ = std::max(behind_, aside);
      main_ = own;
    }
    return edges;
  }

 private:
  int next_ = 0;
  int main_ = -1;          // the last one
  int aside_ = -1;         // the last one
  int aside_before_ = -1;  // the one before
  int behind_ = -1;        // the last launch aside that the last main one is behind
};

/// A row of launches as one graph. Where a later row differs in operands alone, only those nodes are changed;
/// where it has other kernels, or a node refuses to be changed, the graph is made anew.
class Replay {
 public:
  Replay() = default;
  Replay(Replay&& other) noexcept { swap(other); }
  Replay& operator=(Replay&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Replay() { clear(); }

  /// Launches the row, behind what the stream does already.
  /// @param dependent  a launch that waits for one other begins while that still runs, where its kernel can
  void run(std::vector<Launch>&& row, cudaStream_t stream, bool dependent = false) {
    if (row.empty()) return;
    const bool fits = graph_ && dependent == dependent_ && row.size() == row_.size() &&
                      std::equal(row.begin(), row.end(), row_.begin(),
                                 [](const Launch& a, const Launch& b) { return a.same_node(b); });
    // the device has no room for graphs, say
    if (!(fits && change(row)) && !make(row, dependent) && !(dependent && make(row, false))) {
      for (const Launch& launch : row) launch.run(stream);
      return;
    }
    row_ = std::move(row);
    dependent_ = dependent;
    check(cudaGraphLaunch(graph_, stream), "cudaGraphLaunch", row_.front().stage());
  }
  [[nodiscard]] std::size_t size() const noexcept { return row_.size(); }
  /// Nodes that were changed since it was made, for tests.
  [[nodiscard]] std::size_t changes() const noexcept { return changes_; }

 private:
  [[nodiscard]] bool make(const std::vector<Launch>& row, bool dependent) {
    clear();
    cudaError_t status = cudaGraphCreate(&source_, 0);
    RowEdges all;
    for (const Launch& launch : row) {
      const RowEdges::Edges edges = all.add(launch.lane());
      std::array<cudaGraphNode_t, 2> before{};
      for (std::size_t i = 0; i < edges.count; ++i) before[i] = nodes_[edges.numbers[i]];
      // Where two are waited for, both have to end first: what waits by itself knows of one launch before it.
      const bool early = dependent && edges.count == 1 && waits_itself(launch.kernel()) &&
                         waits_itself(row[edges.numbers[0]].kernel());
      const std::size_t count = early ? 0 : edges.count;
      cudaGraphNode_t node = nullptr;
      launch.with_node_parameters([&](const cudaKernelNodeParams& parameters) {
        if (status == cudaSuccess)
          status =
              cudaGraphAddKernelNode(&node, source_, count > 0 ? before.data() : nullptr, count, &parameters);
      });
      if (early && status == cudaSuccess) status = add_dependent_launch(source_, before[0], node);
      nodes_.push_back(node);
    }
    if (status == cudaSuccess) status = cudaGraphInstantiate(&graph_, source_, 0);
    if (status != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      clear();
    }
    return status == cudaSuccess;
  }
  /// Gives the nodes the row's operands. False where one refuses; some may have been changed by then, so the
  /// graph is of no more use.
  [[nodiscard]] bool change(const std::vector<Launch>& row) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (row[i] == row_[i]) continue;
      cudaError_t status = cudaSuccess;
      row[i].with_node_parameters([&](const cudaKernelNodeParams& parameters) {
        status = cudaGraphExecKernelNodeSetParams(graph_, nodes_[i], &parameters);
      });
      if (status != cudaSuccess) {
        static_cast<void>(cudaGetLastError());
        return false;
      }
      ++changes_;
    }
    return true;
  }
  void clear() noexcept {
    if (graph_) cudaGraphExecDestroy(graph_);
    if (source_) cudaGraphDestroy(source_);
    graph_ = nullptr;
    source_ = nullptr;
    nodes_.clear();
    row_.clear();
  }
  void swap(Replay& other) noexcept {
    std::swap(source_, other.source_);
    std::swap(graph_, other.graph_);
    std::swap(nodes_, other.nodes_);
    std::swap(row_, other.row_);
    std::swap(changes_, other.changes_);
    std::swap(dependent_, other.dependent_);
  }

  cudaGraph_t source_ = nullptr;  // its nodes are the names of the executable graph's
  cudaGraphExec_t graph_ = nullptr;
  std::vector<cudaGraphNode_t> nodes_;
  std::vector<Launch> row_;
  std::size_t changes_ = 0;
  bool dependent_ = false;
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
