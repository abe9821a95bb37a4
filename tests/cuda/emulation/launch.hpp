// Runs a grid: block after block, each with new shared memory.
#pragma once

#include <dlfcn.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <cxxabi.h>

#include "block.hpp"
#include "pool.hpp"
#include "settings.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif

namespace emulation {

/// A kernel's name, where the program is linked with -rdynamic.
[[nodiscard]] inline std::string name_of(const void* kernel) {
  Dl_info found{};
  if (!dladdr(kernel, &found) || !found.dli_sname) return "(without a name)";
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(found.dli_sname, nullptr, nullptr, &status), std::free);
  std::string text = name ? name.get() : found.dli_sname;
  if (text.starts_with("void ")) text.erase(0, 5);
  return text.substr(0, text.rfind('('));
}

/// A block's shared memory: full of poison, between guards that are full of poison as well. New pages for
/// each block, for then ThreadSanitizer does not take them for the last block's.
class SharedMemory {
 public:
  explicit SharedMemory(std::size_t bytes) : bytes_(bytes), all_((bytes + 2 * guard + 15) / 16 * 16) {
    void* pages = mmap(nullptr, all_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED) throw std::bad_alloc();
    pages_ = static_cast<unsigned char*>(pages);
    std::memset(pages_, poison_byte, all_);
#if defined(ASAN_POISON_MEMORY_REGION)
    ASAN_POISON_MEMORY_REGION(pages_, guard);
    ASAN_POISON_MEMORY_REGION(pages_ + guard + bytes_, all_ - guard - bytes_);
#endif
  }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  ~SharedMemory() {
    allow();
    munmap(pages_, all_);
  }
  [[nodiscard]] void* get() const noexcept { return pages_ + guard; }

  /// What was written outside, as the end of a sentence; empty if nothing was.
  [[nodiscard]] std::string damage() {
    allow();
    for (std::size_t i = 0; i < guard; ++i)
      if (pages_[i] != poison_byte)
        return "byte " + std::to_string(i) + " − " + std::to_string(guard) + ", before its beginning";
    for (std::size_t i = guard + bytes_; i < all_; ++i)
      if (pages_[i] != poison_byte) return "byte " + std::to_string(i - guard);
    return "";
  }

 private:
  static constexpr std::size_t guard = 2048;
  void allow() {
#if defined(ASAN_UNPOISON_MEMORY_REGION)
    ASAN_UNPOISON_MEMORY_REGION(pages_, all_);
#endif
  }
  std::size_t bytes_;
  std::size_t all_;
  unsigned char* pages_;
};

/// The order in which blocks 0 … count − 1 come, the same in every run of the program.
[[nodiscard]] inline std::vector<std::size_t> order_of(std::size_t count) {
  static std::uint64_t random = 1;
  std::vector<std::size_t> blocks(count);
  for (std::size_t i = 0; i < count; ++i) blocks[i] = settings().order == Order::reversed ? count - 1 - i : i;
  if (settings().order == Order::shuffled)
    for (std::size_t i = count; i > 1; --i) {
      random = random * 6364136223846793005U + 1442695040888963407U;
      std::swap(blocks[i - 1], blocks[(random >> 33U) % i]);
    }
  return blocks;
}

/// A kernel with its operands.
struct Call {
  const void* kernel;
  void (*invoke)(const void* kernel, const void* operands);
  const void* operands;
};

/// What the threads of one block share with the pool.
struct Play {
  Call call;
  dim3 grid;
  dim3 threads;
  uint3 index;
  Block* block;
  // so that not always the same thread of the pool plays thread 0: accesses of two blocks would then be in
  // order
  unsigned shift;

  static void body(void* context, unsigned player) {
    const Play& play = *static_cast<const Play*>(context);
    Block& block = *play.block;
    const unsigned i = (player + play.shift) % block.size();
    this_block = &block;
    this_thread = i;
    threadIdx = {i % play.threads.x, i / play.threads.x % play.threads.y,
                 i / play.threads.x / play.threads.y};
    blockIdx = play.index;
    blockDim = {play.threads.x, play.threads.y, play.threads.z};
    gridDim = {play.grid.x, play.grid.y, play.grid.z};
    try {
      play.call.invoke(play.call.kernel, play.call.operands);
    } catch (const Abandoned&) {
    } catch (const std::exception& error) {
      block.fault(error.what());
    }
    block.leave(i);
    this_block = nullptr;
  }
};

/// Runs the whole grid. The sentence of the first fault, which ends it; empty if there was none.
[[nodiscard]] inline std::string run(const Call& call, dim3 grid, dim3 threads, std::size_t shared_bytes) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const unsigned size = threads.x * threads.y * threads.z;
  std::vector<std::unique_ptr<Block>> blocks;
  std::vector<std::unique_ptr<Play>> plays;
  std::string damage;
  // A barrier in one block orders what the pool's threads do before and after, also in other blocks, where on
  // a device nothing is in order. So that ThreadSanitizer finds races of blocks, consecutive blocks are
  // played by different threads; every second one remains hidden.
  const unsigned sets = thread_sanitizer ? 2 : 1;
  const unsigned set_size = (size + Pool::team_size - 1) / Pool::team_size * Pool::team_size;
  unsigned set = 0;
  for (const std::size_t number : order_of(std::size_t{grid.x} * grid.y * grid.z)) {
    const uint3 index{static_cast<unsigned>(number % grid.x), static_cast<unsigned>(number / grid.x % grid.y),
                      static_cast<unsigned>(number / grid.x / grid.y)};
    SharedMemory shared(shared_bytes);
    blocks.push_back(std::make_unique<Block>(name_of, call.kernel, index, size, shared.get(), shared_bytes));
    plays.push_back(std::make_unique<Play>(
        Play{call, grid, threads, index, blocks.back().get(), static_cast<unsigned>(number * 37 % size)}));
    Pool::the().run(set++ % sets * set_size, size, Play::body, plays.back().get());
    if (blocks.back()->faulty()) break;
    if (damage = shared.damage(); !damage.empty()) break;
    if (!thread_sanitizer) blocks.clear(), plays.clear();
  }
  Pool::the().settle();
  if (blocks.empty() || (damage.empty() && !blocks.back()->faulty())) return "";
  if (!damage.empty())
    return blocks.back()->where() + " wrote to " + damage + " of its shared memory of " +
           std::to_string(shared_bytes) + " bytes.";
  return blocks.back()->sentence();
}

}  // namespace emulation
