// Launches that become one: stages of one shape that follow each other, in a kernel that stays on the device
// and whose blocks wait for each other where a launch would have waited for the one before.
//
// A skipped block is none of them, and launches that are not of the run end it.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <utility>
#include <vector>

#include <sdepth/kernels/cuda/check.hpp>
#include <sdepth/kernels/cuda/memory.hpp>
#include <sdepth/kernels/cuda/replay.hpp>
#include <sdepth/kernels/cuda/shared_memory.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Whether all blocks of a launch can be on the device at the same time, of another kernel with the same
/// threads and shared memory: else they would wait for ever.
template <class Operands>
[[nodiscard]] bool blocks_fit(int device, void (*kernel)(Operands), const Launch& launch) {
  const Grid& grid = launch.grid();
  int cooperative = 0, multiprocessors = 0, blocks = 0;
  check(cudaDeviceGetAttribute(&cooperative, cudaDevAttrCooperativeLaunch, device), "cudaDeviceGetAttribute");
  check(cudaDeviceGetAttribute(&multiprocessors, cudaDevAttrMultiProcessorCount, device),
        "cudaDeviceGetAttribute");
  if (!cooperative) return false;
  allow_shared_memory(device, kernel, grid.shared_bytes, launch.stage());
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, kernel, static_cast<int>(grid.threads),
                                                      grid.shared_bytes),
        "cudaOccupancyMaxActiveBlocksPerMultiprocessor", launch.stage());
  return std::size_t{grid.x} * grid.y * grid.z <=
         static_cast<std::size_t>(blocks) * static_cast<std::size_t>(multiprocessors);
}
/// Launches kernel(operands) with the grid of another launch, all blocks at the same time.
template <class Operands>
void launch_together(void (*kernel)(Operands), const Launch& launch, Operands& operands,
                     cudaStream_t stream) {
  const Grid& g = launch.grid();
  void* arguments[] = {&operands};
  check(cudaLaunchCooperativeKernel(kernel, dim3(g.x, g.y, g.z), dim3(g.threads), arguments, g.shared_bytes,
                                    stream),
        "cudaLaunchCooperativeKernel", launch.stage());
}

/// Launches that wait for more of their kind.
class Waiting {
 public:
  /// Takes the whole row, or nothing of it: where something is no part of a run, or of another one than what
  /// waits here.
  [[nodiscard]] bool take(std::vector<Launch>& row, int device) {
    for (const Launch& launch : row) {
      const Launch& first = row_.empty() ? row.front() : row_.front();  // of the run
      if (!launch.run_with_others() || !launch.same_node(first) || launch.grid() != first.grid())
        return false;
    }
    if (row.empty() || (row_.empty() && !row.front().run_with_others()->fits(device, row.front())))
      return false;
    for (Launch& launch : row) row_.push_back(std::move(launch));
    row.clear();
    return true;
  }
  void run(cudaStream_t stream) {
    if (row_.empty()) return;
    if (!made_.size()) made_ = DeviceBuffer<unsigned>(1, "a counter");
    const std::vector<Launch> row = std::exchange(row_, {});
    row.front().run_with_others()->run(row, stream, made_.data(), count_);
  }
  [[nodiscard]] bool empty() const noexcept { return row_.empty(); }

 private:
  std::vector<Launch> row_;
  DeviceBuffer<unsigned> made_;
  unsigned count_ = 0;  // what *made_ is when all that was launched has ended
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
