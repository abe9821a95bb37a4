// Runs a grid: block after block, each with new shared memory.
#pragma once

#include <dlfcn.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include <cxxabi.h>

#include "block.hpp"
#include "fibers.hpp"
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
  std::vector<std::size_t> blocks(count);
  for (std::size_t i = 0; i < count; ++i) blocks[i] = settings().order == Order::reversed ? count - 1 - i : i;
  if (settings().order == Order::shuffled)
    for (std::size_t i = count; i > 1; --i) std::swap(blocks[i - 1], blocks[random_below(i)]);
  return blocks;
}

/// Runs the whole grid, one block after the other or all together. The sentence of the first fault, which ends
/// it; empty if there was none.
[[nodiscard]] inline std::string run(const Call& call, dim3 grid, dim3 threads, std::size_t shared_bytes,
                                     bool together = false) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  blockDim = {threads.x, threads.y, threads.z};
  gridDim = {grid.x, grid.y, grid.z};
  const std::vector<std::size_t> order = order_of(std::size_t{grid.x} * grid.y * grid.z);
  const std::size_t at_once = together ? order.size() : 1;
  // What a fiber does is in order, also in different blocks, where on a device nothing is. So that
  // ThreadSanitizer finds races of blocks, consecutive blocks are played by different fibers; races of every
  // second one remain hidden.
  const std::size_t sets = thread_sanitizer && !together ? 2 : at_once;
  std::vector<std::unique_ptr<Block>> blocks;  // until all are in the past for ThreadSanitizer
  std::string fault;
  for (std::size_t first = 0; first < order.size() && fault.empty(); first += at_once) {
    if (!thread_sanitizer) blocks.clear();
    std::vector<std::unique_ptr<SharedMemory>> shared;
    for (std::size_t i = first; i < first + at_once; ++i) {
      const auto number = static_cast<unsigned>(order[i]);
      const uint3 index{number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y};
      shared.push_back(std::make_unique<SharedMemory>(shared_bytes));
      blocks.push_back(std::make_unique<Block>(call, index, threads, shared.back()->get(), shared_bytes));
      release(&Block::begins);
      blocks.back()->begin(i % sets * blocks.back()->size(), number * 37);
    }
    const auto now = blocks.end() - static_cast<std::ptrdiff_t>(at_once);
    bool waiting = true;
    while (waiting) {
      Turns::play();
      waiting = false;
      for (auto block = now; block != blocks.end(); ++block) waiting = (*block)->send_away() || waiting;
    }
    for (std::size_t i = 0; i < at_once && fault.empty(); ++i) {
      const Block& block = **(now + static_cast<std::ptrdiff_t>(i));
      if (block.faulty()) {
        acquire(&Block::ends);  // one of its threads may have written the sentence
        fault = block.sentence();
      } else if (const std::string damage = shared[i]->damage(); !damage.empty())
        fault = block.where() + " wrote to " + damage + " of its shared memory of " +
                std::to_string(shared_bytes) + " bytes.";
    }
  }
  acquire(&Block::ends);
  return fault;
}

}  // namespace emulation
