// Device memory, which here is host memory full of poison, and copies to and from it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "errors.hpp"
#include "settings.hpp"
#include "streams.hpp"

enum cudaMemcpyKind {
  cudaMemcpyHostToHost = 0,
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost = 2,
  cudaMemcpyDeviceToDevice = 3,
  cudaMemcpyDefault = 4
};

inline constexpr unsigned cudaHostAllocDefault = 0;
inline constexpr unsigned cudaHostAllocPortable = 1;
inline constexpr unsigned cudaHostAllocMapped = 2;
inline constexpr unsigned cudaHostAllocWriteCombined = 4;
inline constexpr unsigned cudaMemAttachGlobal = 1;

namespace emulation {

/// All that was allocated through the runtime.
class Memory {
 public:
  enum class Kind { unknown, device, pinned, managed };

  [[nodiscard]] static Memory& the() {
    static Memory memory;
    return memory;
  }

  cudaError_t allocate(void** address, std::size_t bytes, Kind kind) {
    if (!address) return cudaErrorInvalidValue;
    ++counts().allocations;
    if (settings().devices == 0) return cudaErrorNoDevice;
    const std::lock_guard lock(mutex_);
    *address = nullptr;
    if (bytes == 0) return cudaSuccess;
    if (kind != Kind::pinned && (bytes > settings().memory_bytes || used_ > settings().memory_bytes - bytes))
      return cudaErrorMemoryAllocation;
    // Aligned as the device does. A little more than asked for, as aligned_alloc wants whole multiples: what lies beyond the end is poison, not another's.
    constexpr std::size_t alignment = 256;
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    void* memory = std::aligned_alloc(alignment, rounded);
    if (!memory) return cudaErrorMemoryAllocation;
    std::memset(memory, poison_byte, rounded);
    if (kind != Kind::pinned) used_ += bytes;
    allocations_[reinterpret_cast<std::uintptr_t>(memory)] = {bytes, kind};
    *address = memory;
    return cudaSuccess;
  }
  cudaError_t free(void* address, bool pinned) {
    const std::lock_guard lock(mutex_);
    if (!address) return cudaSuccess;
    const auto found = allocations_.find(reinterpret_cast<std::uintptr_t>(address));
    if (found == allocations_.end() || (found->second.kind == Kind::pinned) != pinned) return cudaErrorInvalidValue;
    if (!pinned) used_ -= found->second.bytes;
    allocations_.erase(found);
    std::free(address);
    return cudaSuccess;
  }
  /// Of so many bytes at an address. @return unknown where they do not lie in one allocation
  [[nodiscard]] Kind kind(const void* address, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    const auto start = reinterpret_cast<std::uintptr_t>(address);
    auto after = allocations_.upper_bound(start);
    if (after == allocations_.begin()) return Kind::unknown;
    --after;
    return start + bytes <= after->first + after->second.bytes ? after->second.kind : Kind::unknown;
  }
  /// On the device, in bytes: now; and how many allocations of any kind there are.
  [[nodiscard]] std::size_t used() const noexcept { return used_; }
  [[nodiscard]] std::size_t allocations() const noexcept { return allocations_.size(); }

 private:
  struct Allocation {
    std::size_t bytes;
    Kind kind;
  };
  std::mutex mutex_;
  std::map<std::uintptr_t, Allocation> allocations_;
  std::size_t used_ = 0;
};

[[nodiscard]] inline bool on_device(const void* address, std::size_t bytes) {
  const auto kind = Memory::the().kind(address, bytes);
  return kind == Memory::Kind::device || kind == Memory::Kind::managed;
}

/// A copy's two sides must be what its kind says.
[[nodiscard]] inline bool fits(const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  const bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  if (kind == cudaMemcpyDefault) return true;
  const auto side = [bytes](const void* address, bool device) {
    const auto found = Memory::the().kind(address, bytes);
    return device ? found == Memory::Kind::device || found == Memory::Kind::managed : found != Memory::Kind::device;
  };
  return side(to, to_device) && side(from, from_device);
}

}  // namespace emulation

inline cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  return emulation::returned(emulation::Memory::the().allocate(address, bytes, emulation::Memory::Kind::device));
}
inline cudaError_t cudaMallocManaged(void** address, std::size_t bytes, unsigned = cudaMemAttachGlobal) {
  return emulation::returned(emulation::Memory::the().allocate(address, bytes, emulation::Memory::Kind::managed));
}
inline cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned) {
  return emulation::returned(emulation::Memory::the().allocate(address, bytes, emulation::Memory::Kind::pinned));
}
inline cudaError_t cudaMallocHost(void** address, std::size_t bytes) { return cudaHostAlloc(address, bytes, cudaHostAllocDefault); }
/// As the real ones with typed pointers.
template <class T>
cudaError_t cudaMalloc(T** address, std::size_t bytes) {
  return cudaMalloc(reinterpret_cast<void**>(address), bytes);
}
template <class T>
cudaError_t cudaMallocManaged(T** address, std::size_t bytes, unsigned flags = cudaMemAttachGlobal) {
  return cudaMallocManaged(reinterpret_cast<void**>(address), bytes, flags);
}
template <class T>
cudaError_t cudaHostAlloc(T** address, std::size_t bytes, unsigned flags) {
  return cudaHostAlloc(reinterpret_cast<void**>(address), bytes, flags);
}
template <class T>
cudaError_t cudaMallocHost(T** address, std::size_t bytes) {
  return cudaMallocHost(reinterpret_cast<void**>(address), bytes);
}
/// Waits for the device first.
inline cudaError_t cudaFree(void* address) {
  if (!address) return cudaSuccess;
  const cudaError_t error = cudaDeviceSynchronize();
  return error != cudaSuccess ? error : emulation::returned(emulation::Memory::the().free(address, false));
}
inline cudaError_t cudaFreeHost(void* address) {
  if (!address) return cudaSuccess;
  const cudaError_t error = cudaDeviceSynchronize();
  return error != cudaSuccess ? error : emulation::returned(emulation::Memory::the().free(address, true));
}
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  if (emulation::settings().devices == 0) return emulation::returned(cudaErrorNoDevice);
  *total = emulation::settings().memory_bytes;
  *free = *total - emulation::Memory::the().used();
  return cudaSuccess;
}

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream = nullptr) {
  using emulation::Memory;
  if (bytes == 0) return cudaSuccess;
  if (!emulation::fits(to, from, bytes, kind)) return emulation::returned(cudaErrorInvalidValue);
  ++emulation::counts().copies;
  emulation::Line& line = *emulation::line_of(stream);
  const auto copy = [=](const void* source) {
    emulation::note("copy of " + std::to_string(bytes) + " bytes");
    std::memmove(to, source, bytes);
  };
  // Memory that is not pinned is read before the call returns; and when it is written, the call returns afterwards.
  if (Memory::the().kind(to, bytes) == Memory::Kind::unknown) {
    ++emulation::counts().waits;
    const cudaError_t error = line.finish();
    copy(from);
    return emulation::returned(error);
  }
  if (Memory::the().kind(from, bytes) == Memory::Kind::unknown) {
    const auto* first = static_cast<const unsigned char*>(from);
    return emulation::returned(
        line.add([copy, staged = std::vector<unsigned char>(first, first + bytes)] { return copy(staged.data()), cudaSuccess; }));
  }
  return emulation::returned(line.add([copy, from] { return copy(from), cudaSuccess; }));
}
/// Behind the default stream, and all that are not cudaStreamNonBlocking.
inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (const cudaError_t error = emulation::finish_lines(true); error != cudaSuccess) return error;
  if (const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind); error != cudaSuccess) return error;
  return emulation::returned(emulation::line_of(nullptr)->finish());
}
inline cudaError_t cudaMemsetAsync(void* address, int value, std::size_t bytes, cudaStream_t stream = nullptr) {
  if (bytes == 0) return cudaSuccess;
  if (!emulation::on_device(address, bytes)) return emulation::returned(cudaErrorInvalidValue);
  ++emulation::counts().copies;
  return emulation::returned(emulation::line_of(stream)->add([=] {
    emulation::note("set " + std::to_string(bytes) + " bytes");
    std::memset(address, value, bytes);
    return cudaSuccess;
  }));
}
inline cudaError_t cudaMemset(void* address, int value, std::size_t bytes) {
  if (const cudaError_t error = emulation::finish_lines(true); error != cudaSuccess) return error;
  return cudaMemsetAsync(address, value, bytes);
}
