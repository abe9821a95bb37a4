// Launching kernels, and what the real runtime refuses.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>

#include "errors.hpp"
#include "early.hpp"
#include "launch.hpp"
#include "memory.hpp"
#include "settings.hpp"
#include "streams.hpp"
#include "vectors.hpp"

struct cudaFuncAttributes {
  int ptxVersion;
  int binaryVersion;
};
enum cudaFuncAttribute {
  cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
  cudaFuncAttributePreferredSharedMemoryCarveout = 9
};
enum cudaSharedCarveout {
  cudaSharedmemCarveoutDefault = -1,
  cudaSharedmemCarveoutMaxShared = 100,
  cudaSharedmemCarveoutMaxL1 = 0
};

namespace emulation {

inline constexpr std::size_t shared_without_asking = std::size_t{48} << 10U;

/// Bytes between members may hold anything, addresses too: where the compiler can say which bytes these are,
/// operands are searched for addresses.
#if __has_builtin(__builtin_clear_padding)
inline constexpr bool clears_padding = true;
template <class Operands>
void clear_padding(Operands& operands) {
  __builtin_clear_padding(&operands);
}
#else
inline constexpr bool clears_padding = false;
template <class Operands>
void clear_padding(Operands&) {}
#endif

/// What must be known of a kernel to launch it by its address alone.
struct Kernel {
  void (*invoke)(const void* kernel, const void* operands) = nullptr;
  std::shared_ptr<const void> (*copy)(const void* operands) = nullptr;
  std::size_t operand_bytes = 0;
  std::map<int, std::size_t> largest_shared_bytes;  // on devices where it was asked for
  std::map<int, int> carveout;                      // likewise, per cent
  [[nodiscard]] std::size_t shared_bytes_on(int device) const {
    const auto asked = largest_shared_bytes.find(device);
    return asked == largest_shared_bytes.end() ? shared_without_asking : asked->second;
  }
};

class Kernels {
 public:
  /// Null for one that no function with its type has ever been given.
  [[nodiscard]] static Kernel* find(const void* address) {
    const std::lock_guard lock(the().mutex_);
    const auto found = the().kernels_.find(address);
    return found == the().kernels_.end() ? nullptr : &found->second;
  }
  template <class Operands>
  static const void* add(void (*kernel)(Operands)) {
    static_assert(std::is_trivially_copyable_v<Operands>,
                  "a kernel's operands are copied to the device byte by byte");
    static_assert(sizeof(Operands) <= 4096, "a kernel takes at most 4096 bytes of operands");
    const auto* address = reinterpret_cast<const void*>(kernel);
    const std::lock_guard lock(the().mutex_);
    Kernel& known = the().kernels_[address];
    known.invoke = [](const void* function, const void* operands) {
      reinterpret_cast<void (*)(Operands)>(const_cast<void*>(function))(
          *static_cast<const Operands*>(operands));
    };
    known.operand_bytes = sizeof(Operands);
    known.copy = [](const void* operands) -> std::shared_ptr<const void> {
      const auto own = std::make_shared<Operands>(*static_cast<const Operands*>(operands));
      clear_padding(*own);
      return own;
    };
    return address;
  }

 private:
  static Kernels& the() {
    static Kernels kernels;
    return kernels;
  }
  std::mutex mutex_;
  std::map<const void*, Kernel> kernels_;
};

/// A launch that has been checked, with its own copy of the operands.
struct Launch {
  const void* kernel = nullptr;
  dim3 grid;
  dim3 threads;
  std::size_t shared_bytes = 0;
  std::shared_ptr<const void> operands;
  bool together = false;  // all blocks are on the device at the same time

  /// Why it is refused, or cudaSuccess.
  [[nodiscard]] cudaError_t prepare(void** parameters) {
    if (settings().devices == 0) return cudaErrorNoDevice;
    const Kernel* known = Kernels::find(kernel);
    if (!known) return cudaErrorInvalidDeviceFunction;
    if (!parameters || !parameters[0]) return cudaErrorInvalidValue;
    if (shared_bytes > known->shared_bytes_on(current_device)) return cudaErrorInvalidValue;
    if (together && std::size_t{grid.x} * grid.y * grid.z > resident_blocks())
      return cudaErrorCooperativeLaunchTooLarge;
    const auto outside = [](unsigned n, unsigned most) { return n == 0 || n > most; };
    if (outside(grid.x, 0x7FFFFFFFU) || outside(grid.y, 65535) || outside(grid.z, 65535))
      return cudaErrorInvalidConfiguration;
    if (outside(threads.x, 1024) || outside(threads.y, 1024) || outside(threads.z, 64) ||
        threads.x * threads.y * threads.z > 1024)
      return cudaErrorInvalidConfiguration;
    operands = known->copy(parameters[0]);
    if (!clears_padding) return cudaSuccess;
    if (const std::string foreign = Memory::the().foreign_address(operands.get(), known->operand_bytes);
        !foreign.empty()) {
      last_fault() = "kernel " + name_of(kernel) + " is given an address " + foreign;
      return cudaErrorIllegalAddress;
    }
    return cudaSuccess;
  }
  /// Runs only what the kernel does before it waits for the launch before it. Returns what it has read: see
  /// EarlyReads.
  [[nodiscard]] EarlyReads probe() const {
    const Memory::Open open;
    early_reads().begin(true);
    static_cast<void>(
        run({kernel, Kernels::find(kernel)->invoke, operands.get(), name_of}, grid, threads, shared_bytes));
    return early_reads().end();
  }
  /// As a dependent launch. @param before  what it has read before the launch before it ran
  [[nodiscard]] cudaError_t run_dependent(const EarlyReads& before) const {
    early_reads().begin(false);
    const cudaError_t status = (*this)();
    const EarlyReads now = early_reads().end();
    if (status != cudaSuccess) return status;
    const std::size_t all = std::size_t{grid.x} * grid.y * grid.z * threads.x * threads.y * threads.z;
    if (now.threads != all || before.threads != all)
      last_fault() = "kernel " + name_of(kernel) +
                     " is a dependent launch, but not all of its threads wait for the one before it.";
    else if (now.sum != before.sum)
      last_fault() = "kernel " + name_of(kernel) +
                     " is a dependent launch and read ahead what the launch before it wrote.";
    else
      return cudaSuccess;
    return cudaErrorLaunchFailure;
  }
  cudaError_t operator()() const {
    note("kernel " + name_of(kernel));
    const Memory::Open open;
    std::string fault = run({kernel, Kernels::find(kernel)->invoke, operands.get(), name_of}, grid, threads,
                            shared_bytes, together);
    if (const std::string damage = open.damage(); fault.empty() && !damage.empty())
      fault = "kernel " + name_of(kernel) + " wrote " + damage + ".";
    if (fault.empty()) return cudaSuccess;
    last_fault() = fault;
    return cudaErrorLaunchFailure;
  }
};

}  // namespace emulation

namespace emulation {
inline cudaError_t launch(Launch launch, void** parameters, cudaStream_t stream) {
  ++counts().launches;
  if (launch.together) ++counts().cooperative_launches;
  if (refuses(launch.together ? "cudaLaunchCooperativeKernel" : "cudaLaunchKernel"))
    return returned(cudaErrorInvalidValue);
  if (!is_current(stream)) return returned(cudaErrorInvalidResourceHandle);
  const cudaError_t refused = launch.prepare(parameters);
  return returned(refused != cudaSuccess ? refused : line_of(stream)->add(std::move(launch)));
}
}  // namespace emulation

inline cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 threads, void** parameters,
                                    std::size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  return emulation::launch({kernel, grid, threads, shared_bytes, nullptr}, parameters, stream);
}
/// All blocks at the same time: they can wait for each other.
template <class Operands>
cudaError_t cudaLaunchCooperativeKernel(void (*kernel)(Operands), dim3 grid, dim3 threads, void** parameters,
                                        std::size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  return emulation::launch({emulation::Kernels::add(kernel), grid, threads, shared_bytes, nullptr, true},
                           parameters, stream);
}
template <class Operands>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*)(Operands), int, std::size_t) {
  *blocks = emulation::settings().blocks_on_multiprocessor;
  return cudaSuccess;
}
template <class Operands>
cudaError_t cudaLaunchKernel(void (*kernel)(Operands), dim3 grid, dim3 threads, void** parameters,
                             std::size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  return cudaLaunchKernel(emulation::Kernels::add(kernel), grid, threads, parameters, shared_bytes, stream);
}

/// Of an architecture that a test chooses.
inline cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* kernel) {
  if (!emulation::Kernels::find(kernel)) return emulation::returned(cudaErrorInvalidDeviceFunction);
  *attributes = {emulation::settings().architecture, emulation::settings().architecture};
  return cudaSuccess;
}
inline cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  emulation::Kernel* known = emulation::Kernels::find(kernel);
  if (!known) return emulation::returned(cudaErrorInvalidDeviceFunction);
  if (emulation::refuses("cudaFuncSetAttribute")) return emulation::returned(cudaErrorInvalidValue);
  if (attribute == cudaFuncAttributePreferredSharedMemoryCarveout) {
    if (value < cudaSharedmemCarveoutDefault || value > cudaSharedmemCarveoutMaxShared)
      return emulation::returned(cudaErrorInvalidValue);
    known->carveout[emulation::current_device] = value;
    return cudaSuccess;
  }
  if (value < 0 || static_cast<std::size_t>(value) > emulation::settings().largest_shared_bytes)
    return emulation::returned(cudaErrorInvalidValue);
  known->largest_shared_bytes[emulation::current_device] = static_cast<std::size_t>(value);
  return cudaSuccess;
}
template <class Operands>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Operands), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(emulation::Kernels::add(kernel), attribute, value);
}
