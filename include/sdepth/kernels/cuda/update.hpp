// The optimizer's pass over all parameters: one launch, one read and write of weights and state, whichever
// blocks the step has skipped. And the gradients' norm.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// The flat buffer's segments, on the device: the parameters of one residual block's branch, of what always
/// runs, or of what is never updated.
struct Segments {
  const std::size_t* starts = nullptr;  // [count + 1], multiples of 4; segment i ends where i + 1 starts
  const int* blocks = nullptr;          // [count]: as ParameterSegment::block
  const std::uint8_t* gates = nullptr;  // [blocks], 1 open
  int count = 0;
  std::size_t numbers = 0;  // in all: starts[count]

  friend bool operator==(const Segments&, const Segments&) = default;
};

/// The buffers, all laid out alike. @tparam N  numbers that an optimizer keeps for each parameter
template <std::size_t N>
struct UpdateArrays {
  float* weights = nullptr;
  const float* gradients = nullptr;
  std::array<float*, N> states{};

  friend bool operator==(const UpdateArrays&, const UpdateArrays&) = default;
};

template <std::size_t K, std::size_t N>
struct UpdateOperands {
  Segments segments;
  UpdateArrays<N> arrays;
  std::array<float, K> factors{};          // of all segments, unless
  const float* segment_factors = nullptr;  // [segments][K]
  bool frozen = false;
  const unsigned* failed = nullptr;

  friend bool operator==(const UpdateOperands&, const UpdateOperands&) = default;
};

namespace update_launch {
inline constexpr int threads = 256;
// four on each SM of a large device: enough loads under way to keep its memory busy
inline constexpr std::size_t most_blocks = 528;
}  // namespace update_launch

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

/// The numbers that a block of threads visits, and what is known of the segment at each: a piece of the
/// buffer, whose first segment all threads look for at the same addresses; from there each moves on by
/// itself.
template <int threads, class Visit>
__device__ inline void visit_rows(const Segments& s, const Visit& visit) {
  constexpr std::size_t row = static_cast<std::size_t>(threads) * 4;
  const std::size_t rows = (s.numbers + row - 1) / row, rows_each = (rows + gridDim.x - 1) / gridDim.x;
  const std::size_t first = blockIdx.x * rows_each * row, after = first + rows_each * row,
                    last = after < s.numbers ? after : s.numbers;
  if (first >= last) return;
  int segment = segment_of(s.starts, s.count, first);
  for (std::size_t i = first + 4 * threadIdx.x; i < last; i += row) {
    while (s.starts[segment + 1] <= i) ++segment;
    const int block = s.blocks[segment];
    if (block != ParameterSegment::never) visit(i, segment, block < 0 || s.gates[block] != 0);
  }
}

template <class Rule, std::size_t K, std::size_t N, int threads>
__global__ void __launch_bounds__(threads) update_step(const UpdateOperands<K, N> o) {
  begin_behind_launch_before();
  if (*o.failed != 0) return;
  std::array<float, K> factors = o.factors;
  int factors_of = -1;
  visit_rows<threads>(o.segments, [&](std::size_t i, int segment, bool open) {
    if (!open && o.frozen) return;
    if (o.segment_factors && segment != factors_of) {
      factors_of = segment;
      for (std::size_t k = 0; k < K; ++k)
        factors[k] = o.segment_factors[static_cast<std::size_t>(segment) * K + k];
    }
    float4* const weights = reinterpret_cast<float4*>(o.arrays.weights + i);
    const float4 g =
        open ? *reinterpret_cast<const float4*>(o.arrays.gradients + i) : make_float4(0.0F, 0.0F, 0.0F, 0.0F);
    float4 w = *weights;
    std::array<float4, N> states;
    for (std::size_t s = 0; s != N; ++s) states[s] = *reinterpret_cast<const float4*>(o.arrays.states[s] + i);
    const auto lane = [&](float float4::* of) {
      std::array<float, N> state;
      for (std::size_t s = 0; s != N; ++s) state[s] = states[s].*of;
      Rule::update(factors, w.*of, g.*of, state);
      for (std::size_t s = 0; s != N; ++s) states[s].*of = state[s];
    };
    lane(&float4::x);
    lane(&float4::y);
    lane(&float4::z);
    lane(&float4::w);
    *weights = w;
    for (std::size_t s = 0; s != N; ++s) *reinterpret_cast<float4*>(o.arrays.states[s] + i) = states[s];
  });
}

[[nodiscard]] inline unsigned update_blocks(std::size_t numbers) {
  constexpr auto row = static_cast<std::size_t>(4 * update_launch::threads);
  return static_cast<unsigned>(std::min((numbers + row - 1) / row, update_launch::most_blocks));
}

/// Rule::update on every parameter, unless the device has found a loss that was not finite. The same bits as
/// on the CPU.
/// @param frozen  the parameters of closed blocks stay as they are; else their gradient is zero
/// @param segment_factors  [segments][K], on the device; null: `factors` are those of all
template <class Rule, std::size_t K, std::size_t N>
void update(Context& context, const Segments& segments, const UpdateArrays<N>& arrays,
            const std::array<double, K>& factors, const float* segment_factors, bool frozen) {
  if (segments.numbers == 0) return;
  UpdateOperands<K, N> operands{segments, arrays, {}, segment_factors, frozen, context.failed()};
  std::transform(factors.begin(), factors.end(), operands.factors.begin(),
                 [](double factor) { return static_cast<float>(factor); });
  context.launch(StageName{"update"}, update_step<Rule, K, N, update_launch::threads>,
                 Grid{update_blocks(segments.numbers), 1, 1, update_launch::threads}, operands);
}

struct SquaresOperands {
  Segments segments;
  const float* gradients = nullptr;
  double* sums = nullptr;  // [blocks of the grid]

  friend bool operator==(const SquaresOperands&, const SquaresOperands&) = default;
};

/// Σ g² over the parameters that have a gradient, for each block of threads: each thread's own first, then as
/// a tree.
template <int threads>
__global__ void __launch_bounds__(threads) squares_kernel(const SquaresOperands o) {
  begin_behind_launch_before();
  auto* const sums = reinterpret_cast<double*>(shared_memory());  // [threads]
  double sum = 0;
  visit_rows<threads>(o.segments, [&](std::size_t i, int, bool open) {
    if (!open) return;
    const float4 g = *reinterpret_cast<const float4*>(o.gradients + i);
    for (const float v : {g.x, g.y, g.z, g.w}) sum += static_cast<double>(v) * static_cast<double>(v);
  });
  sums[threadIdx.x] = sum;
  for (int half = threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < half)
      sums[threadIdx.x] += sums[threadIdx.x + static_cast<unsigned>(half)];
  }
  if (threadIdx.x == 0) o.sums[blockIdx.x] = sums[0];
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
