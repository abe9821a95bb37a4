// The optimizer's pass over all parameters: one launch, one read and write of weights and velocity, whichever blocks the step has skipped.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/space.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// The flat buffer, on the device, and its segments: the parameters of one residual block's branch, or of what always runs.
struct SgdArrays {
  float* weights = nullptr;
  const float* gradients = nullptr;
  float* velocity = nullptr;
  const std::size_t* starts = nullptr;  // [segments + 1], multiples of 4; segment i ends where i + 1 starts
  const int* blocks = nullptr;          // [segments]: the residual block, or −1
  const std::uint8_t* gates = nullptr;  // [blocks], 1 open
  std::size_t count = 0;                // numbers in all: starts[segments]

  friend bool operator==(const SgdArrays&, const SgdArrays&) = default;
};

struct SgdOperands {
  SgdArrays arrays;
  int segments = 0;
  // w −= rate·(keep·g + push·v): keep 1, push momentum for Nesterov, else keep 0, push 1.
  float decay = 0;
  float momentum = 0;
  float rate = 0;
  float keep = 0;
  float push = 1;
  bool frozen = false;
  const unsigned* failed = nullptr;

  friend bool operator==(const SgdOperands&, const SgdOperands&) = default;
};

namespace sgd_launch {
inline constexpr int threads = 256;
inline constexpr std::size_t most_blocks = 528;  // four on each SM of a large device: enough loads under way to keep its memory busy
}  // namespace sgd_launch

/// The last segment that starts at or before i.
[[nodiscard]] __device__ inline int segment_of(const std::size_t* starts, int segments, std::size_t i) {
  int low = 0, high = segments - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (starts[middle] <= i)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

/// Each block takes one piece of the buffer; its threads look for the segment where the piece begins, all at the same addresses, and move on from there.
template <int threads>
__global__ void __launch_bounds__(threads) sgd_step(const SgdOperands o) {
  if (*o.failed != 0) return;
  constexpr std::size_t row = static_cast<std::size_t>(threads) * 4;
  const SgdArrays& a = o.arrays;
  const std::size_t rows = (a.count + row - 1) / row, rows_each = (rows + gridDim.x - 1) / gridDim.x;
  const std::size_t first = blockIdx.x * rows_each * row, after = first + rows_each * row, last = after < a.count ? after : a.count;
  if (first >= last) return;
  int segment = segment_of(a.starts, o.segments, first);
  const auto apply = [&o](float& w, float g, float& v) {
    const float decayed = fmaf(o.decay, w, g);
    v = fmaf(o.momentum, v, decayed);
    w = fmaf(-o.rate, fmaf(o.push, v, o.keep * decayed), w);
  };
  for (std::size_t i = first + 4 * threadIdx.x; i < last; i += row) {
    while (a.starts[segment + 1] <= i) ++segment;
    const bool open = a.blocks[segment] < 0 || a.gates[a.blocks[segment]] != 0;
    if (!open && o.frozen) continue;
    float4* const weights = reinterpret_cast<float4*>(a.weights + i);
    float4* const velocity = reinterpret_cast<float4*>(a.velocity + i);
    const float4 g = open ? *reinterpret_cast<const float4*>(a.gradients + i) : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    float4 w = *weights, v = *velocity;
    apply(w.x, g.x, v.x);
    apply(w.y, g.y, v.y);
    apply(w.z, g.z, v.z);
    apply(w.w, g.w, v.w);
    *weights = w;
    *velocity = v;
  }
}

/// One step, unless the device has found a loss that was not finite. The same bits as on the CPU.
/// @param frozen  the parameters of closed blocks stay as they are; else their gradient is zero, and decay and momentum go on
inline void sgd(Space& space, const SgdArrays& arrays, int segments, const SgdStep& step, bool frozen) {
  if (arrays.count == 0) return;
  const auto momentum = static_cast<float>(step.momentum);
  const SgdOperands operands{arrays,
                             segments,
                             static_cast<float>(step.weight_decay),
                             momentum,
                             static_cast<float>(step.learning_rate),
                             step.nesterov ? 1.0F : 0.0F,
                             step.nesterov ? momentum : 1.0F,
                             frozen,
                             space.failed()};
  constexpr auto row = static_cast<std::size_t>(4 * sgd_launch::threads);
  const auto blocks = static_cast<unsigned>(std::min((arrays.count + row - 1) / row, sgd_launch::most_blocks));
  space.launch(StageName{"sgd"}, sgd_step<sgd_launch::threads>, Grid{blocks, 1, 1, sgd_launch::threads}, operands);
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
