// The gates of a step, drawn on the device: the same bits of the same generator as on the host
// (schedule/gates.hpp), so nothing is sent.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include <sdepth/core/philox.hpp>
#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

struct GateOperands {
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  int blocks = 0;
  const double* survival = nullptr;  // [blocks], probabilities
  std::uint8_t* gates = nullptr;     // [blocks], 1 open

  friend bool operator==(const GateOperands&, const GateOperands&) = default;
};

/// A gate is open where 32 random bits, as a number in [0, 1), lie below the survival probability: exact in
/// double, hence equal everywhere.
template <int threads>
__global__ void __launch_bounds__(threads) draw_gates_kernel(const GateOperands o) {
  begin_behind_launch_before();
  const int block = static_cast<int>(blockIdx.x) * threads + static_cast<int>(threadIdx.x);
  if (block >= o.blocks) return;
  const std::uint32_t word =
      random_words(o.seed, Purpose::gate, o.step, static_cast<std::uint32_t>(block))[0];
  o.gates[block] = uniform(word) < o.survival[block] ? 1 : 0;
}

/// Draws the gates of one step. @param survival  [blocks]   @param gates  [blocks], 1 open, 0 closed; both on
/// the device
inline void draw_gates(Context& context, std::uint64_t seed, std::uint64_t step, int blocks,
                       const double* survival, std::uint8_t* gates) {
  if (blocks == 0) return;
  constexpr int threads = 128;
  const auto grid = static_cast<unsigned>((blocks + threads - 1) / threads);
  context.launch(StageName{"draw_gates"}, draw_gates_kernel<threads>, Grid{grid, 1, 1, threads},
                 GateOperands{seed, step, blocks, survival, gates});
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
