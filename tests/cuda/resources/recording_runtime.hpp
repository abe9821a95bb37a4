// A CUDA runtime that has no device: memory is the host's, and a launch is only written down. With it in the
// place of NVIDIA's library the host part of what nvcc compiled runs, whole training steps of it, and says
// which kernels it launches, with how many threads and how much shared memory.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace sdepth::recording {

/// A launch, alone or as part of a graph.
struct Launch {
  std::string kernel;  // mangled, as the compiler's report calls it
  std::size_t blocks = 0;
  std::size_t threads = 0;       // of a block
  std::size_t shared_bytes = 0;  // of a block, dynamic
};

/// Everything launched so far, in order; what a graph holds is there once for each time it is launched.
[[nodiscard]] std::vector<Launch>& launches();
/// Calls of the runtime that wait for the device: cudaStreamSynchronize, cudaDeviceSynchronize, and copies
/// that are not asynchronous.
[[nodiscard]] int& waits();
/// Launches that follow from each other: single ones each by itself, of a graph those of its longest chain.
[[nodiscard]] int& dependent_steps();
/// Of the edges of all graphs so far, those over which a kernel may begin before the one before it has ended.
[[nodiscard]] int& dependent_launches();
/// Calls that hand the device work: launches of kernels outside graphs, and of graphs.
[[nodiscard]] int& submissions();

}  // namespace sdepth::recording
