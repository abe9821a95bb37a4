// The caches of the machine that kernels are shaped for: the one place where their sizes are said, and set.
#pragma once

#include <sdepth/kernels/cpu/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Bytes of cache that one core has. Kernels choose their register blocks, and between them, by these sizes;
/// results do not depend on them by more than rounding. They are part of a type, so two programs, or two
/// networks of one program, may be shaped for different machines:
///
///     Cpu<xsimd::default_arch, cpu::FastestOn<cpu::Caches{.l2 = 2 << 20}>>
struct Caches {
  int l1 = 32 << 10;  // of data: 32 KiB on nearly every x86-64, 64 KiB or more on ARM
  // 512 KiB: Zen 1 to 3; 1 MiB: Zen 4 and 5, Skylake's servers; 1.25 to 3 MiB: later Intel; a cluster's share
  // on ARM
  int l2 = 512 << 10;
};

/// What is taken where nothing is said. Every server with AVX-512 has an L2 of 1 MiB at least; with fewer
/// lanes the smallest that is common.
template <class Arch>
inline constexpr Caches default_caches{.l2 = lanes<Arch> >= 16 ? 1 << 20 : 512 << 10};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
