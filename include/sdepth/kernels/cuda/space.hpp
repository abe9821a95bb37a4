// The device side of a walk: its stream, scratch memory for kernels, and how kernels are launched.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>

namespace sdepth::cuda {

/// What is being computed, for the sentence of an error.
struct StageName {
  const char* kernel = "";
  Shape in;
  Shape out;
  int batch = 0;
};

/// Throws Error naming the call and the stage unless `status` is success.
inline void check(cudaError_t status, const char* call, const StageName& stage = {}) {
  if (status == cudaSuccess) return;
  const auto shape = [](const Shape& s) {
    return std::to_string(s.channels) + " x " + std::to_string(s.height) + " x " + std::to_string(s.width);
  };
  const std::string where = stage.batch > 0 ? std::string(" for ") + stage.kernel + ", " + std::to_string(stage.batch) + " images of " +
                                                  shape(stage.in) + " to " + shape(stage.out)
                                            : std::string();
  fail("CUDA: ", call, where, " failed: ", cudaGetErrorString(status));
}

/// How many threads a kernel gets. blocks are numbered x fastest.
struct Grid {
  unsigned x = 1;
  unsigned y = 1;
  unsigned z = 1;
  unsigned threads = 128;        // of a block
  std::size_t shared_bytes = 0;  // of a block, dynamic
};

/// One stream of kernels and the memory they share. Not for use from several threads at once.
class Space {
 public:
  /// @param threads  of the host backends; a device decides for itself
  explicit Space(int threads = 1) : threads_(threads) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  }
  Space(const Space&) = delete;
  Space& operator=(const Space&) = delete;
  ~Space() {
    cudaStreamSynchronize(stream_);
    cudaFree(scratch_);
    cudaFree(counter_);
    cudaStreamDestroy(stream_);
  }

  [[nodiscard]] int threads() const noexcept { return threads_; }
  [[nodiscard]] cudaStream_t stream() const noexcept { return stream_; }

  /// Device memory for at least so many numbers, which the kernels of one stage may use; the next stage gets the same.
  [[nodiscard]] float* scratch(std::size_t numbers) {
    if (numbers > scratch_size_) {
      check(cudaFree(scratch_), "cudaFree");
      scratch_ = nullptr;
      scratch_size_ = 0;
      check(cudaMalloc(reinterpret_cast<void**>(&scratch_), numbers * sizeof(float)), "cudaMalloc of scratch memory");
      scratch_size_ = numbers;
    }
    return scratch_;
  }
  /// So many zeros on the device, by which the blocks of a kernel find out which of them is the last; that one sets its counter to zero again.
  [[nodiscard]] unsigned* counter(std::size_t count = 1) {
    if (count > counters_) {
      constexpr std::size_t enough_for_most = 4096;
      check(cudaFree(counter_), "cudaFree");
      counter_ = nullptr;
      counters_ = 0;
      const std::size_t size = count > enough_for_most ? count : enough_for_most;
      check(cudaMalloc(reinterpret_cast<void**>(&counter_), size * sizeof(unsigned)), "cudaMalloc of counters");
      check(cudaMemsetAsync(counter_, 0, size * sizeof(unsigned), stream_), "cudaMemsetAsync");
      counters_ = size;
    }
    return counter_;
  }

  /// Launches kernel(operands) behind what the stream does already.
  template <class Operands>
  void launch(const StageName& stage, void (*kernel)(Operands), const Grid& grid, const Operands& operands) {
    constexpr std::size_t shared_without_asking = 48 << 10;
    if (grid.shared_bytes > shared_without_asking)
      check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(grid.shared_bytes)),
            "cudaFuncSetAttribute", stage);
    void* arguments[] = {const_cast<Operands*>(&operands)};
    check(cudaLaunchKernel(kernel, dim3(grid.x, grid.y, grid.z), dim3(grid.threads), arguments, grid.shared_bytes, stream_),
          "cudaLaunchKernel", stage);
  }
  /// Waits for all that was launched.
  void finish() { check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

 private:
  int threads_;
  cudaStream_t stream_ = nullptr;
  float* scratch_ = nullptr;
  std::size_t scratch_size_ = 0;
  unsigned* counter_ = nullptr;
  std::size_t counters_ = 0;
};

}  // namespace sdepth::cuda
