// Memory for numbers: aligned buffers, and an arena whose unused part costs address space only.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include <sdepth/core/error.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A cache line, and the width of the widest vector (AVX-512).
inline constexpr std::size_t alignment = 64;
/// Numbers up to a whole cache line of floats.
[[nodiscard]] constexpr std::size_t whole_lines(std::size_t numbers) noexcept {
  return (numbers + 15) / 16 * 16;
}

/// Arrays of two of these and more lie on huge pages where the system has them: a stream through many
/// megabytes otherwise waits for address translation (measured: 20 MB of weights that one image passes in
/// 0.75 ms, with pages of 4 KiB in 1.0 ms).
inline constexpr std::size_t huge_page = std::size_t{2} << 20;

/// Memory from the system, on a huge page's boundary; null where it is refused. Not from malloc, which hands
/// out used memory again, small pages and all.
/// @param bytes  a multiple of huge_page
[[nodiscard]] inline std::byte* map_huge_pages(std::size_t bytes) noexcept {
  void* const p =
      mmap(nullptr, bytes + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  auto* const first = static_cast<std::byte*>(p);
  const std::size_t before = (huge_page - reinterpret_cast<std::uintptr_t>(p) % huge_page) % huge_page;
  if (before > 0) munmap(first, before);
  munmap(first + before + bytes, huge_page - before);
  madvise(first + before, bytes, MADV_HUGEPAGE);  // a refusal changes nothing
  return first + before;
}

/// The bytes of `count` numbers, with room to round them up. Throws Error where no machine has so many.
template <class T>
[[nodiscard]] std::size_t bytes_of(std::size_t count) {
  constexpr std::size_t most = (std::numeric_limits<std::size_t>::max() / 2 - 2 * huge_page) / sizeof(T);
  if (count > most)
    fail("out of memory: ", count,
         " numbers asked for, more than any machine has room for; is a size negative?");
  return count * sizeof(T);
}

/// A zeroed array of numbers on a cache-line boundary; moves, does not copy.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    const std::size_t numbers = bytes_of<T>(size);
    const bool huge = numbers >= 2 * huge_page;
    const std::size_t boundary = huge ? huge_page : alignment,
                      bytes = (numbers + boundary - 1) / boundary * boundary;
    void* const p = huge ? map_huge_pages(bytes) : std::aligned_alloc(alignment, bytes);
    if (!p) fail("out of memory: ", bytes, " bytes asked for; use a smaller batch or network");
    values_ = {static_cast<T*>(p), Free{huge ? bytes : 0}};
    std::memset(p, 0, bytes);  // mapped memory is zero, but not yet there
  }
  [[nodiscard]] T* data() noexcept { return values_.get(); }
  [[nodiscard]] const T* data() const noexcept { return values_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::span<T> span() noexcept { return {data(), size_}; }
  [[nodiscard]] std::span<const T> span() const noexcept { return {data(), size_}; }
  [[nodiscard]] T& operator[](std::size_t i) noexcept { return values_.get()[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const noexcept { return values_.get()[i]; }

 private:
  struct Free {
    std::size_t mapped = 0;  // bytes; 0: from malloc
    void operator()(T* p) const noexcept {
      if (mapped > 0)
        munmap(p, mapped);
      else
        std::free(p);
    }
  };
  std::unique_ptr<T[], Free> values_;
  std::size_t size_ = 0;
};

/// Bump allocation out of reserved address space: pages cost memory when first written, so a step that skips
/// blocks takes less.
class Arena {
 public:
  Arena() = default;
  /// Reserves `bytes`, the worst case. Throws Error where the address space is refused.
  /// @param gap  bytes between one array and the next, a multiple of `alignment`
  explicit Arena(std::size_t bytes, std::size_t gap = 0) : capacity_(bytes), gap_(gap) {
    if (bytes == 0) return;
    void* p =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
      fail("out of memory: the system refused to reserve ", bytes >> 20,
           " MiB for activations; use a smaller batch");
    madvise(p, bytes, MADV_HUGEPAGE);  // fewer page faults in the first step; a refusal changes nothing
    base_ = static_cast<std::byte*>(p);
  }
  Arena(Arena&& other) noexcept { swap(other); }
  Arena& operator=(Arena&& other) noexcept {
    Arena taken(std::move(other));
    swap(taken);
    return *this;
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena() {
    if (base_) munmap(base_, capacity_);
  }

  /// Room for `count` numbers on a cache-line boundary; its content is undefined.
  template <class T>
  [[nodiscard]] T* take(std::size_t count) {
    const std::size_t bytes = (bytes_of<T>(count) + alignment - 1) / alignment * alignment;
    if (bytes > capacity_ - next_)
      fail("the arena of ", capacity_, " bytes is too small for ", bytes,
           " more: a plan was wrong, please report it");
    T* p = reinterpret_cast<T*>(base_ + next_);
    next_ = std::min(next_ + bytes + gap_, capacity_);
    used_ += bytes;
    return p;
  }
  /// Makes all memory available again; what was taken becomes invalid.
  void reset() noexcept { next_ = used_ = 0; }
  /// Bytes taken, gaps not counted.
  [[nodiscard]] std::size_t used() const noexcept { return used_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }

 private:
  void swap(Arena& other) noexcept {
    std::swap(base_, other.base_);
    std::swap(capacity_, other.capacity_);
    std::swap(gap_, other.gap_);
    std::swap(next_, other.next_);
    std::swap(used_, other.used_);
  }
  std::byte* base_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t gap_ = 0;
  std::size_t next_ = 0;  // where the next array begins
  std::size_t used_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA
