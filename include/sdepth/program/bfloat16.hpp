// The processor with activations in bfloat16, as a program lists networks on it: --precision bf16.
#pragma once

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// train(argc, argv, {networks<Cpu<>, Net>(), networks<CpuBfloat16, Net>()}) offers both precisions, and compiles the network for both.
using CpuBfloat16 = Cpu<xsimd::default_arch, cpu::Fastest, bfloat16>;

}  // namespace sdepth::inline SDEPTH_ISA::program
