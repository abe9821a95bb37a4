// Dynamic shared memory that a kernel must ask for.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <utility>

#include <sdepth/kernels/cuda/check.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Has the runtime allow a kernel `bytes` of dynamic shared memory on the current device: more than 48 KiB
/// must be asked for. The limit belongs to the kernel, and not to the Context that launches it, so it is
/// never lowered: another Context's recorded launches may need it.
///
/// All that use any ask for as much of a multiprocessor's memory as can be shared: the blocks that claims.hpp
/// counts fit then, and kernels that run at the same time or one after the other ask for the same division,
/// which the device changes only where a multiprocessor is empty.
template <class Operands>
void allow_shared_memory(int device, void (*kernel)(Operands), std::size_t bytes, const StageName& stage) {
  if (bytes == 0) return;
  constexpr std::size_t least = 48 << 10;  // what every kernel may have
  static std::mutex one_at_a_time;
  static std::map<std::pair<int, const void*>, std::size_t> allowed;
  const std::lock_guard lock(one_at_a_time);
  std::size_t& most = allowed[{device, reinterpret_cast<const void*>(kernel)}];
  if (bytes <= most) return;
  const std::size_t wanted = std::max(bytes, least);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(wanted)),
        "cudaFuncSetAttribute", stage);
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributePreferredSharedMemoryCarveout,
                             cudaSharedmemCarveoutMaxShared),
        "cudaFuncSetAttribute", stage);
  most = wanted;
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
