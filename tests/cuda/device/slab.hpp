// One piece of memory from which a test program's operator new hands out all that it is asked for, so that
// kernels reach what tests keep in vectors.
//
// Whose a pointer is follows from its address alone, and giving memory back asks nobody: after a fault no
// call of the CUDA runtime succeeds any more, and the tests that come later must still be able to end. What
// the slab knows of its pieces lies in ordinary memory.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <mutex>

namespace sdepth::test {

class Slab {
 public:
  /// @param memory  on a 64-byte boundary; must outlive the slab, which never gives it back
  Slab(void* memory, std::size_t bytes) noexcept
      : first_(static_cast<std::byte*>(memory)), count_(memory ? bytes / chunk : 0) {
    // calloc's pages take no room until they are used, and this is needed where operator new is being called.
    if (count_ > 0) chunks_ = static_cast<Chunk*>(std::calloc(count_, sizeof(Chunk)));
    if (!chunks_) count_ = 0;
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() { std::free(chunks_); }

  [[nodiscard]] bool owns(const void* p) const noexcept {
    return count_ > 0 &&
           reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(first_) < count_ * chunk;
  }
  /// On a 64-byte boundary; null where there is no room.
  [[nodiscard]] void* take(std::size_t bytes) noexcept {
    const std::lock_guard lock(mutex_);
    return bytes <= largest_piece ? take_piece(std::bit_ceil(bytes < smallest ? smallest : bytes))
                                  : take_chunks((bytes + chunk - 1) / chunk);
  }
  /// @pre  take() returned it
  void give(void* p) noexcept {
    const std::lock_guard lock(mutex_);
    const auto offset = static_cast<std::size_t>(static_cast<std::byte*>(p) - first_),
               number = offset / chunk;
    Chunk& own = chunks_[number];
    if (own.whole > 0) {
      for (std::size_t i = number, end = number + own.whole; i < end; ++i) chunks_[i] = {};
    } else {
      const std::size_t piece = offset % chunk / own.piece;
      own.taken[piece / 64] &= ~(std::uint64_t{1} << piece % 64);
      if (--own.used == 0) own = {};
    }
  }

 private:
  static constexpr std::size_t chunk = std::size_t{64} << 10, smallest = 64, largest_piece = chunk / 2;
  /// Free; or whole, together with those behind it; or cut into pieces of one size.
  struct Chunk {
    std::uint32_t whole = 0;  // chunks of this allocation, from this one on
    bool follows = false;     // belongs to an allocation that begins before it
    std::uint32_t piece = 0;  // bytes
    std::uint32_t used = 0;   // pieces
    std::uint64_t taken[chunk / smallest / 64] = {};
    [[nodiscard]] bool free() const noexcept { return whole == 0 && !follows && piece == 0; }
  };

  [[nodiscard]] void* take_piece(std::size_t bytes) noexcept {
    const auto pieces = static_cast<std::uint32_t>(chunk / bytes);
    const auto has_room = [&](std::size_t number) {
      const Chunk& one = chunks_[number];
      return one.free() || (one.piece == bytes && one.used < pieces);
    };
    std::size_t& number = latest_[std::bit_width(bytes)];
    if (count_ == 0) return nullptr;
    if (!has_room(number)) {
      for (number = 0; number < count_ && !has_room(number);) ++number;
      if (number == count_) return number = 0, nullptr;
    }
    Chunk& own = chunks_[number];
    own.piece = static_cast<std::uint32_t>(bytes);
    ++own.used;
    for (std::size_t i = 0;; ++i) {
      const auto free = static_cast<std::size_t>(std::countr_one(own.taken[i]));
      if (free == 64) continue;
      own.taken[i] |= std::uint64_t{1} << free;
      return first_ + number * chunk + (64 * i + free) * bytes;
    }
  }
  [[nodiscard]] void* take_chunks(std::size_t wanted) noexcept {
    std::size_t found = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      found = chunks_[i].free() ? found + 1 : 0;
      if (found < wanted) continue;
      const std::size_t begin = i + 1 - wanted;
      chunks_[begin].whole = static_cast<std::uint32_t>(wanted);
      for (std::size_t j = begin + 1; j <= i; ++j) chunks_[j].follows = true;
      return first_ + begin * chunk;
    }
    return nullptr;
  }

  std::mutex mutex_;
  std::byte* first_;
  std::size_t count_;
  Chunk* chunks_ = nullptr;
  std::size_t latest_[std::bit_width(largest_piece) + 1] =
      {};  // the chunk from which the last piece of a size came, by the size's logarithm
};

}  // namespace sdepth::test
