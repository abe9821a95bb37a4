// Device memory, which here is host memory full of poison that the host cannot touch, and copies to and from
// it.
#pragma once

#include <dlfcn.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "block.hpp"
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

/// Pages of device memory. What was asked for ends, but for less than 256 bytes, where a page begins that
/// nobody may touch.
class DevicePages {
 public:
  static constexpr std::size_t alignment = 256;  // what cudaMalloc promises

  explicit DevicePages(std::size_t bytes)
      : bytes_(bytes),
        usable_((bytes + page - 1) / page * page),
        first_(static_cast<unsigned char*>(
            mmap(nullptr, usable_ + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))),
        older_(newest_) {
    if (first_ == MAP_FAILED) throw std::bad_alloc();
    allow(true);
    std::memset(first_, poison_byte, usable_);
    newest_ = this;
  }
  DevicePages(const DevicePages&) = delete;
  DevicePages& operator=(const DevicePages&) = delete;
  ~DevicePages() {
    DevicePages** at = &newest_;
    while (*at != this) at = &(*at)->older_;
    *at = older_;
    munmap(first_, usable_ + page);
  }

  [[nodiscard]] unsigned char* get() const noexcept {
    return first_ + usable_ - (bytes_ + alignment - 1) / alignment * alignment;
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[gnu::no_sanitize_thread]] void allow(bool access) {
    mprotect(first_, usable_, access ? PROT_READ | PROT_WRITE : PROT_NONE);
    open_ = access;
  }
  [[nodiscard]] bool open() const noexcept { return open_; }
  /// Allows access to the pages that an address lies in. False where it has been allowed, or is not to be. For
  /// ThreadSanitizer it has not happened: it would bring threads into an order, or race.
  [[nodiscard, gnu::no_sanitize_thread]] static bool open_at(const void* address) {
    for (DevicePages* pages = newest_; pages; pages = pages->older_)
      if (!pages->open_ && address >= pages->first_ && address < pages->first_ + pages->usable_) {
        pages->allow(true);
        return true;
      }
    return false;
  }
  [[nodiscard]] bool has(const void* address) const noexcept {
    return address >= first_ && address < first_ + usable_ + page;
  }
  /// Whether something was written to where nothing lies. While access is allowed.
  [[nodiscard]] bool damaged() const {
    const auto other = [](unsigned char byte) { return byte != poison_byte; };
    return std::any_of(first_, get(), other) || std::any_of(get() + bytes_, first_ + usable_, other);
  }

 private:
  static constexpr std::size_t page = 4096;
  std::size_t bytes_;
  std::size_t usable_;
  unsigned char* first_;
  bool open_ = false;
  DevicePages* older_;
  inline static DevicePages* newest_ = nullptr;
};

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
    Allocation made{bytes, kind, current_device, nullptr, nullptr};
    if (kind == Kind::device) {
      handle_signals();
      made.pages = std::make_unique<DevicePages>(bytes);
      *address = made.pages->get();
      if (settings().protect) made.pages->allow(false);
    } else {
      made.plain.reset(::operator new(bytes, std::align_val_t(DevicePages::alignment)));
      *address = made.plain.get();
      std::memset(*address, poison_byte, bytes);
    }
    if (kind != Kind::pinned) used_ += bytes;
    allocations_[reinterpret_cast<std::uintptr_t>(*address)] = std::move(made);
    return cudaSuccess;
  }
  cudaError_t free(void* address, bool pinned) {
    const std::lock_guard lock(mutex_);
    if (!address) return cudaSuccess;
    const auto found = allocations_.find(reinterpret_cast<std::uintptr_t>(address));
    if (found == allocations_.end() || (found->second.kind == Kind::pinned) != pinned)
      return cudaErrorInvalidValue;
    if (!pinned) used_ -= found->second.bytes;
    allocations_.erase(found);
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
  /// Takes memory from elsewhere for managed memory: what operator new hands out in the tests, see
  /// managed_new.cpp.
  void adopt(const void* memory, std::size_t bytes) {
    managed_ = reinterpret_cast<std::uintptr_t>(memory);
    managed_bytes_ = bytes;
  }
  /// What is wrong with the addresses among a kernel's operands, as the end of a sentence; else empty. A word
  /// is taken for an address where there is memory. Where nothing was adopted (under sanitizers, which have
  /// their own operator new) only stacks, and data of the program itself, are told from what was allocated.
  [[nodiscard]] std::string foreign_address(const void* operands, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    for (std::size_t at = 0; at + sizeof(std::uintptr_t) <= bytes; at += sizeof(std::uintptr_t)) {
      std::uintptr_t word = 0;
      std::memcpy(&word, static_cast<const unsigned char*>(operands) + at, sizeof word);
      if (word < 65536 || word >> 47U != 0 || word - managed_ < managed_bytes_) continue;
      const std::string where = " (byte " + std::to_string(at) + " of its operands)";
      if (const Allocation* const own = allocation_of(word)) {
        if (own->kind == Kind::device && own->device != current_device)
          return "of device " + std::to_string(own->device) + where + ", but launched on device " +
                 std::to_string(current_device) + ".";
      } else if (managed_bytes_ > 0 ? is_mapped(word) : is_on_stack(word) || is_of_program(word)) {
        return "of the host's memory" + where + ", which a device does not reach.";
      }
    }
    return "";
  }
  /// On the device, in bytes: now; and how many allocations of any kind there are.
  [[nodiscard]] std::size_t used() const noexcept { return used_; }
  [[nodiscard]] std::size_t allocations() const noexcept { return allocations_.size(); }

  /// While one of these lives, device memory can be touched: the first access to an allocation is a signal,
  /// which allows more.
  class Open {
   public:
    Open() { the().open(1); }
    ~Open() { the().open(-1); }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;

    /// Where something was written beside an allocation, as the end of a sentence; else empty.
    [[nodiscard]] std::string damage() const {
      for (const auto& [address, allocation] : the().allocations_)
        if (allocation.pages && allocation.pages->open() && allocation.pages->damaged())
          return "right beside an allocation of " + std::to_string(allocation.bytes) +
                 " bytes of device memory";
      return "";
    }
  };

 private:
  struct Free {
    void operator()(void* plain) const { ::operator delete(plain, std::align_val_t(DevicePages::alignment)); }
  };
  struct Allocation {
    std::size_t bytes = 0;
    Kind kind = Kind::unknown;
    int device = 0;
    std::unique_ptr<DevicePages> pages;
    std::unique_ptr<void, Free> plain;
  };

  /// The allocation that an address belongs to, guards around it included.
  [[nodiscard]] const Allocation* allocation_of(std::uintptr_t address) const {
    for (const auto& [start, allocation] : allocations_)
      if (allocation.pages ? allocation.pages->has(reinterpret_cast<const void*>(address))
                           : address >= start && address <= start + allocation.bytes)
        return &allocation;
    return nullptr;
  }
  [[nodiscard]] static bool is_mapped(std::uintptr_t address) {
    unsigned char in_core = 0;
    return mincore(reinterpret_cast<void*>(address / 4096 * 4096), 1, &in_core) == 0;
  }
  [[nodiscard]] static bool is_on_stack(std::uintptr_t address) {
    const auto [lowest, bytes] = own_stack();
    return address - reinterpret_cast<std::uintptr_t>(lowest) < bytes;
  }
  [[nodiscard]] static bool is_of_program(std::uintptr_t address) {
    Dl_info found{};
    return dladdr(reinterpret_cast<void*>(address), &found) != 0;
  }

  void open(int by) {
    const std::lock_guard lock(mutex_);
    open_ += by;
    if (by > 0) return handle_signals();
    if (open_ > 0) return;
    const bool access = !settings().protect;
    for (const auto& [address, allocation] : allocations_)
      if (allocation.pages && allocation.pages->open() != access) allocation.pages->allow(access);
  }

  /// Before the program ends because of an access to device memory, a sentence says whose it was. Whoever
  /// else handles such signals does so afterwards.
  static void handle_signals() {
    struct sigaction now{};
    sigaction(SIGSEGV, nullptr, &now);
    if (now.sa_sigaction == handle) return;
    before_ = now;
    stack_t stack{};
    sigaltstack(nullptr, &stack);
    if (stack.ss_flags & SS_DISABLE) {  // where there is no stack left the handler needs one
      static std::array<char, 65536> own;
      stack = {own.data(), 0, own.size()};
      sigaltstack(&stack, nullptr);
    }
    struct sigaction ours{};
    ours.sa_sigaction = handle;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigaction(SIGSEGV, &ours, nullptr);
  }
  static void handle(int, siginfo_t* signal, void*) {
    if (open_ > 0 && DevicePages::open_at(signal->si_addr)) return;
    sigaction(SIGSEGV, &before_, nullptr);
    if (Turns::overrun(signal->si_addr)) {
      const std::string text = "\nemulation: " + this_block->where() + ", thread " +
                               std::to_string(this_thread) + " needs more stack than there is.\n";
      static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
    }
    for (const auto& [address, allocation] : the().allocations_) {
      if (!allocation.pages || !allocation.pages->has(signal->si_addr)) continue;
      const auto byte = static_cast<const unsigned char*>(signal->si_addr) - allocation.pages->get();
      const std::string who =
          this_block ? this_block->where() + ", thread " + std::to_string(this_thread) : "the host";
      const std::string text = "\nemulation: " + who + " touched byte " + std::to_string(byte) +
                               " of an allocation of " + std::to_string(allocation.bytes) +
                               " bytes of device memory" +
                               (this_block ? ".\n" : "; the host must copy it with cudaMemcpyAsync.\n");
      static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
    }
  }

  std::mutex mutex_;
  std::map<std::uintptr_t, Allocation> allocations_;
  std::size_t used_ = 0;
  std::uintptr_t managed_ = 0;
  std::size_t managed_bytes_ = 0;
  inline static int open_ = 0;
  inline static struct sigaction before_{};
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
    return device ? found == Memory::Kind::device || found == Memory::Kind::managed
                  : found != Memory::Kind::device;
  };
  return side(to, to_device) && side(from, from_device);
}

}  // namespace emulation

inline cudaError_t cudaMalloc(void** address, std::size_t bytes) {
  return emulation::returned(
      emulation::Memory::the().allocate(address, bytes, emulation::Memory::Kind::device));
}
inline cudaError_t cudaMallocManaged(void** address, std::size_t bytes, unsigned = cudaMemAttachGlobal) {
  return emulation::returned(
      emulation::Memory::the().allocate(address, bytes, emulation::Memory::Kind::managed));
}
inline cudaError_t cudaHostAlloc(void** address, std::size_t bytes, unsigned) {
  return emulation::returned(
      emulation::Memory::the().allocate(address, bytes, emulation::Memory::Kind::pinned));
}
inline cudaError_t cudaMallocHost(void** address, std::size_t bytes) {
  return cudaHostAlloc(address, bytes, cudaHostAllocDefault);
}
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

inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream = nullptr) {
  using emulation::Memory;
  if (bytes == 0) return cudaSuccess;
  if (!emulation::fits(to, from, bytes, kind)) return emulation::returned(cudaErrorInvalidValue);
  ++emulation::counts().copies;
  emulation::Line& line = *emulation::line_of(stream);
  const auto copy = [=](const void* source) {
    emulation::note("copy of " + std::to_string(bytes) + " bytes");
    const Memory::Open open;
    std::memmove(to, source, bytes);
  };
  // Memory that is not pinned is read before the call returns; and when it is written, the call returns
  // afterwards.
  if (Memory::the().kind(to, bytes) == Memory::Kind::unknown) {
    ++emulation::counts().waits;
    const cudaError_t error = line.finish();
    copy(from);
    return emulation::returned(error);
  }
  if (Memory::the().kind(from, bytes) == Memory::Kind::unknown) {
    const auto* first = static_cast<const unsigned char*>(from);
    return emulation::returned(line.add([copy, staged = std::vector<unsigned char>(first, first + bytes)] {
      return copy(staged.data()), cudaSuccess;
    }));
  }
  return emulation::returned(line.add([copy, from] { return copy(from), cudaSuccess; }));
}
/// Behind the default stream, and all that are not cudaStreamNonBlocking.
inline cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (const cudaError_t error = emulation::finish_lines(true); error != cudaSuccess) return error;
  if (const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind); error != cudaSuccess) return error;
  return emulation::returned(emulation::line_of(nullptr)->finish());
}
inline cudaError_t cudaMemsetAsync(void* address, int value, std::size_t bytes,
                                   cudaStream_t stream = nullptr) {
  if (bytes == 0) return cudaSuccess;
  if (!emulation::on_device(address, bytes)) return emulation::returned(cudaErrorInvalidValue);
  ++emulation::counts().copies;
  return emulation::returned(emulation::line_of(stream)->add([=] {
    emulation::note("set " + std::to_string(bytes) + " bytes");
    const emulation::Memory::Open open;
    std::memset(address, value, bytes);
    return cudaSuccess;
  }));
}
inline cudaError_t cudaMemset(void* address, int value, std::size_t bytes) {
  if (const cudaError_t error = emulation::finish_lines(true); error != cudaSuccess) return error;
  return cudaMemsetAsync(address, value, bytes);
}
