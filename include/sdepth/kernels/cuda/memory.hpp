// Memory on the device: arrays, the arena of a walk, and arrays that host and device share by turns.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <string>

#include <sdepth/core/memory.hpp>
#include <sdepth/kernels/cuda/check.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// `bytes` of memory on the device, zeroed, or Error. @param what  what it is for
[[nodiscard]] inline void* allocate(std::size_t bytes, const char* what) {
  if (bytes == 0) return nullptr;
  require_device();
  void* p = nullptr;
  const cudaError_t status = cudaMalloc(&p, bytes);
  if (status == cudaErrorMemoryAllocation) {
    std::size_t free = 0, total = 0;
    static_cast<void>(cudaGetLastError());  // the device is well: the next call must not find this error
    static_cast<void>(cudaMemGetInfo(&free, &total));
    fail("CUDA: the device has no room for ", bytes >> 20, " MiB of ", what, ", ", free >> 20,
         " MiB are free; use a smaller batch or network");
  }
  check(status, (std::string("cudaMalloc of ") + what).c_str());
  check(cudaMemset(p, 0, bytes), "cudaMemset");
  return p;
}

/// A zeroed array on the device; moves, does not copy. data() is for kernels. It lies on the device that was
/// the thread's when it was made.
template <class T>
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  explicit DeviceBuffer(std::size_t size, const char* what = "numbers")
      : values_(static_cast<T*>(allocate(bytes(size), what)), Free{size > 0 ? current_device() : 0}),
        size_(size) {}
  [[nodiscard]] T* data() const noexcept { return values_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Where it lies; 0 where it is empty.
  [[nodiscard]] int device() const noexcept { return values_.get_deleter().device; }

 private:
  /// More than any device has where the number of bytes cannot be written down.
  [[nodiscard]] static constexpr std::size_t bytes(std::size_t size) noexcept {
    constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
    return size > most / sizeof(T) ? most : size * sizeof(T);
  }
  struct Free {
    int device = 0;
    void operator()(T* p) const noexcept {
      const OnDevice here(device, std::nothrow);
      cudaFree(p);
    }
  };
  std::unique_ptr<T, Free> values_;
  std::size_t size_ = 0;
};

/// The arena of a walk on the device. Each word of the network has a place of its own, whatever ran before
/// it, so that a block's launches read and write the same addresses in every step and can be replayed. So the
/// worst case, every block open, is taken from the device.
class DeviceArena {
 public:
  DeviceArena() = default;
  explicit DeviceArena(std::size_t bytes, std::size_t /*gap*/ = 0) : memory_(bytes, "activations") {}

  /// Room for `count` numbers, where a row of threads begins with a whole cache line; its content is
  /// undefined.
  template <class T>
  [[nodiscard]] T* take(std::size_t count) {
    const std::size_t bytes = (count * sizeof(T) + line - 1) / line * line;
    if (next_ + bytes > memory_.size())
      fail("the device's arena of ", memory_.size(), " bytes is too small for ", bytes,
           " more: a plan was wrong, please report it");
    T* p = reinterpret_cast<T*>(memory_.data() + next_);
    next_ += bytes;
    used_ += bytes;
    return p;
  }
  /// The next array goes behind `numbers` numbers of type T of `words` words.
  template <class T>
  void seek(std::size_t numbers, int words) noexcept {
    next_ = numbers * sizeof(T) / line * line + static_cast<std::size_t>(words) * slack;
  }
  void reset() noexcept { next_ = used_ = 0; }
  /// Bytes taken since the last reset.
  [[nodiscard]] std::size_t used() const noexcept { return used_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return memory_.size(); }

 private:
  static constexpr std::size_t line = 128;  // what a warp reads at once
  // a word's arrays, some ten, each rounded up to a line; as Walk's plan has it
  static constexpr std::size_t slack = 4096;
  DeviceBuffer<std::byte> memory_;
  std::size_t next_ = 0;
  std::size_t used_ = 0;
};

/// An array on the host and the same one on the device. Whoever asks for it gets the newest numbers; they are
/// copied when the other side has written them.
///
/// data() waits for the device where it has. Several threads may read at once, through const functions; for
/// anything else one at a time.
template <class T>
class Mirror {
 public:
  Mirror() = default;
  explicit Mirror(std::size_t size) : host_(size), device_(size, "parameters") {}
  [[nodiscard]] std::size_t size() const noexcept { return host_.size(); }
  /// Makes the device where the other one lies the calling thread's while the result lives.
  [[nodiscard]] OnDevice here() const { return OnDevice(device_.device()); }

  /// To read and write on the host.
  [[nodiscard]] T* data() {
    to_host();
    newer_ = Newer::host;
    return host_.data();
  }
  [[nodiscard]] const T* data() const {
    to_host();
    return host_.data();
  }
  /// For kernels that write.
  [[nodiscard]] T* on_device() {
    to_device();
    newer_ = Newer::device;
    return device_.data();
  }
  [[nodiscard]] const T* on_device() const {
    to_device();
    return device_.data();
  }

 private:
  enum class Newer { neither, host, device };
  void to_host() const {
    const std::lock_guard lock(*one_at_a_time_);
    if (newer_ != Newer::device || size() == 0) return;
    const OnDevice on = here();
    check(cudaMemcpy(host_.data(), device_.data(), size() * sizeof(T), cudaMemcpyDeviceToHost),
          "cudaMemcpy of parameters from the device");
    newer_ = Newer::neither;
  }
  void to_device() const {
    const std::lock_guard lock(*one_at_a_time_);
    if (newer_ != Newer::host || size() == 0) return;
    const OnDevice on = here();
    check(cudaMemcpy(device_.data(), host_.data(), size() * sizeof(T), cudaMemcpyHostToDevice),
          "cudaMemcpy of parameters to the device");
    newer_ = Newer::neither;
  }

  mutable Buffer<T> host_;
  DeviceBuffer<T> device_;
  mutable Newer newer_ = Newer::neither;
  std::unique_ptr<std::mutex> one_at_a_time_ = std::make_unique<std::mutex>();
};

/// See the host's for_kernels.
template <class T>
[[nodiscard]] T* for_kernels(Mirror<T>& mirror) {
  return mirror.on_device();
}
template <class T>
[[nodiscard]] const T* for_kernels(const Mirror<T>& mirror) {
  return mirror.on_device();
}

/// Pinned memory on the host that the device reads or writes by itself.
class Pinned {
 public:
  explicit Pinned(int device) : at_(device) {}
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  ~Pinned() {
    const OnDevice here(at_, std::nothrow);
    if (copied_) cudaEventSynchronize(copied_), cudaEventDestroy(copied_);
    cudaFreeHost(bytes_);
  }
  /// At least so many bytes, once the last copy is over.
  [[nodiscard]] std::byte* room(std::size_t bytes) {
    wait();
    const OnDevice here(at_);
    if (bytes > size_) {
      cudaFreeHost(bytes_);
      bytes_ = nullptr;
      size_ = 0;
      check(cudaMallocHost(reinterpret_cast<void**>(&bytes_), bytes), "cudaMallocHost of a batch");
      size_ = bytes;
    }
    return bytes_;
  }
  [[nodiscard]] std::byte* data() const noexcept { return bytes_; }
  /// Has `bytes` copied behind what the stream does already.
  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
    const OnDevice here(at_);
    if (!copied_)
      check(cudaEventCreateWithFlags(&copied_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    check(cudaMemcpyAsync(to, from, bytes, kind, stream), "cudaMemcpyAsync of a batch");
    check(cudaEventRecord(copied_, stream), "cudaEventRecord");
  }
  void wait() const {
    const OnDevice here(at_);
    if (copied_) check(cudaEventSynchronize(copied_), "cudaEventSynchronize of a batch");
  }

 private:
  int at_;  // which device
  std::byte* bytes_ = nullptr;
  std::size_t size_ = 0;
  cudaEvent_t copied_ = nullptr;
};

/// The way of a batch to the device: written to pinned memory, from which the device copies it by itself.
/// There are two such buffers, so the host can write the next batch while the device still copies this one,
/// and waits only where it is two batches ahead.
class Upload {
 public:
  explicit Upload(int device) : at_(device), halves_{Pinned(device), Pinned(device)} {}
  /// Where `bytes` may be written for the next send().
  [[nodiscard]] std::byte* begin(std::size_t bytes) {
    bytes_ = bytes;
    return halves_[turn_].room(bytes);
  }
  /// Has what was written copied, behind what the stream does already. Returns where it will be on the
  /// device, valid until the next send().
  [[nodiscard]] const std::byte* send(cudaStream_t stream) {
    const OnDevice here(at_);
    // freeing the older one waits for its readers
    if (bytes_ > device_.size()) device_ = DeviceBuffer<std::byte>(bytes_, "a batch");
    Pinned& half = halves_[turn_];
    half.copy(device_.data(), half.data(), bytes_, cudaMemcpyHostToDevice, stream);
    turn_ = 1 - turn_;
    return device_.data();
  }

 private:
  int at_;  // which device
  Pinned halves_[2];
  int turn_ = 0;
  std::size_t bytes_ = 0;
  DeviceBuffer<std::byte> device_;
};

/// The way of a batch's outputs back to the host, on which some batches may be at the same time: the host
/// hands over the next one before it asks for what the last one gave.
class Download {
 public:
  static constexpr std::size_t most = 4;

  explicit Download(int device) : buffers_{Pinned(device), Pinned(device), Pinned(device), Pinned(device)} {}
  /// Has `count` numbers copied, behind what the stream does already. Returns their number.
  [[nodiscard]] std::size_t send(const float* numbers, std::size_t count, cudaStream_t stream) {
    const std::size_t bytes = count * sizeof(float);
    Pinned& buffer = buffers_[sent_ % most];
    buffer.copy(buffer.room(bytes), numbers, bytes, cudaMemcpyDeviceToHost, stream);
    return sent_++;
  }
  /// Waits for the numbers of that number; they are valid until as many more as `most` have been sent. Throws
  /// Error where they have.
  [[nodiscard]] const float* wait_for(std::size_t number) const {
    if (number + most < sent_)
      fail("evaluate: the outputs of an older batch were asked for when ", sent_ - number - 1,
           " more had been started; ask within ", most - 1);
    const Pinned& buffer = buffers_[number % most];
    buffer.wait();
    return reinterpret_cast<const float*>(buffer.data());
  }

 private:
  Pinned buffers_[most];
  std::size_t sent_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
