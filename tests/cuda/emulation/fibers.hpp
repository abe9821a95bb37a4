// Fibers: the threads of a kernel take turns on the one thread of the host that launches it. Who is next is
// drawn by lot, in the same way in every run of the program.
//
// Under ThreadSanitizer each fiber is a thread, which nothing orders but what orders a kernel's threads on a
// device: barriers, shuffles and atomic operations. So it must not see the book-keeping of turns.
#pragma once

#include <pthread.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <tuple>
#include <utility>
#include <vector>

#include "settings.hpp"
#include "vectors.hpp"

// Of <sanitizer/tsan_interface.h> and <sanitizer/common_interface_defs.h>, which not every compiler brings.
extern "C" {
void* __tsan_get_current_fiber();
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
void __sanitizer_start_switch_fiber(void** fake_stack, const void* lowest, std::size_t bytes);
void __sanitizer_finish_switch_fiber(void* fake_stack, const void** lowest, std::size_t* bytes);
}

#if defined(__x86_64__)
// emulation_switch(void** from, void* to): keeps the registers that a call must keep on the stack, and its
// address in *from; goes on with the stack `to`.
asm(R"(
  .pushsection .text.emulation_switch, "axG", @progbits, emulation_switch, comdat
  .weak emulation_switch
  .type emulation_switch, @function
emulation_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
  .size emulation_switch, . - emulation_switch
  .popsection
)");
extern "C" void emulation_switch(void** from, void* to);
#else
#include <ucontext.h>
#endif

namespace emulation {

/// What a thread did before release comes before what another does after acquire of the same address.
inline void release(void* address) {
  if constexpr (thread_sanitizer) __tsan_release(address);
}
inline void acquire(void* address) {
  if constexpr (thread_sanitizer) __tsan_acquire(address);
}

/// A random number below count. Seeded once: the same numbers in every run of the program.
[[nodiscard, gnu::no_sanitize_thread]] inline std::size_t random_below(std::size_t count) {
  static constinit std::uint64_t random = 1;
  random = random * 6364136223846793005U + 1442695040888963407U;
  return (random >> 33U) * count >> 31U;
}

/// The stack of the host's thread that asks.
[[nodiscard]] inline std::pair<unsigned char*, std::size_t> own_stack() {
  pthread_attr_t attributes;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return {};
  void* lowest = nullptr;
  std::size_t bytes = 0;
  pthread_attr_getstack(&attributes, &lowest, &bytes);
  pthread_attr_destroy(&attributes);
  return {static_cast<unsigned char*>(lowest), bytes};
}

class Block;

/// The block and number of the thread that asks; null on the host.
inline constinit thread_local Block* this_block = nullptr;
inline constinit thread_local unsigned this_thread = 0;

/// A stack, and where on it its thread goes on.
class Fiber {
 public:
  /// That of the host's thread.
  Fiber() {
    if constexpr (thread_sanitizer) sanitizers_ = __tsan_get_current_fiber();
    if constexpr (address_sanitizer) std::tie(lowest_, bytes_) = own_stack();
  }
  /// One more. Its stack begins elsewhere in its page than its neighbours' do, for else all would lie in the
  /// same few sets of the caches; below it is a page that nobody may touch.
  explicit Fiber(std::size_t number) : bytes_(stack_bytes - number * 320 % page) {
    pages_ = static_cast<unsigned char*>(mmap(nullptr, page + stack_bytes, PROT_READ | PROT_WRITE,
                                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (pages_ == MAP_FAILED) throw std::bad_alloc();
    mprotect(pages_, page, PROT_NONE);
    lowest_ = pages_ + page;
    if constexpr (thread_sanitizer) sanitizers_ = __tsan_create_fiber(0);
  }
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  ~Fiber() {
    if (!pages_) return;
    if constexpr (thread_sanitizer) __tsan_destroy_fiber(sanitizers_);
    munmap(pages_, page + stack_bytes);
  }

  /// Its next turn begins with body, which does not return, as this thread of a block.
  [[gnu::no_sanitize_thread]] void begin(void (*body)(), Block* block, unsigned thread, uint3 thread_index,
                                         uint3 block_index) {
    block_ = block;
    thread_ = thread;
    thread_index_ = thread_index;
    block_index_ = block_index;
    if constexpr (address_sanitizer) sanitizers_ = nullptr;
#if defined(__x86_64__)
    void** place = reinterpret_cast<void**>(lowest_ + bytes_) - 8;  // six registers, body, from nowhere
    for (int i = 0; i < 8; ++i) place[i] = nullptr;
    place[6] = reinterpret_cast<void*>(body);
    place_ = place;
#else
    getcontext(&place_);
    place_.uc_stack.ss_sp = lowest_;
    place_.uc_stack.ss_size = bytes_;
    makecontext(&place_, body, 0);
#endif
  }
  /// Gives the turn to another; returns at its own next turn, or never.
  [[gnu::no_sanitize_thread]] void give_turn(Fiber& to, bool for_ever) {
    if constexpr (thread_sanitizer) __tsan_switch_to_fiber(to.sanitizers_, 1);  // 1: which orders nothing
    if constexpr (address_sanitizer)
      __sanitizer_start_switch_fiber(for_ever ? nullptr : &sanitizers_, to.lowest_, to.bytes_);
#if defined(__x86_64__)
    emulation_switch(&place_, to.place_);
#else
    swapcontext(&place_, &to.place_);
#endif
    take_turn();
  }
  [[gnu::no_sanitize_thread]] void take_turn() {
    if constexpr (address_sanitizer) __sanitizer_finish_switch_fiber(sanitizers_, nullptr, nullptr);
    this_block = block_;
    this_thread = thread_;
    threadIdx = thread_index_;
    blockIdx = block_index_;
  }

  /// Whether its stack would be overrun by an access to there.
  [[nodiscard]] bool overrun(const void* address) const noexcept {
    return address >= pages_ && address < pages_ + page;
  }

 private:
  static constexpr std::size_t page = 4096;
  static constexpr std::size_t stack_bytes = std::size_t{256} << 10U;

#if defined(__x86_64__)
  void* place_ = nullptr;
#else
  ucontext_t place_{};
#endif
  void* sanitizers_ = nullptr;  // its name for ThreadSanitizer; what AddressSanitizer keeps for it
  unsigned char* pages_ = nullptr;
  unsigned char* lowest_ = nullptr;
  std::size_t bytes_ = 0;
  Block* block_ = nullptr;
  unsigned thread_ = 0;
  uint3 thread_index_{}, block_index_{};
};

/// Whose turn it is. One grid runs at a time.
class Turns {
 public:
  /// The first `count` fibers, which are kept between launches.
  [[nodiscard]] static const std::vector<std::unique_ptr<Fiber>>& fibers(std::size_t count) {
    while (all_.size() < count) all_.push_back(std::make_unique<Fiber>(all_.size()));
    if (ready_.size() < all_.size()) ready_.resize(all_.size());
    first_ready_ = ready_.data();
    return all_;
  }
  /// On the host: gives turns until no fiber can go on.
  static void play() {
    Fiber host;
    host_ = now_ = &host;
    wait();
  }
  /// The fiber can go on.
  [[gnu::no_sanitize_thread]] static void add(Fiber* fiber) { first_ready_[ready_count_++] = fiber; }
  /// Until somebody adds the fiber whose turn it is, or for ever.
  [[gnu::no_sanitize_thread]] static void wait(bool for_ever = false) {
    pauses_ = 0;
    give_turn(for_ever);
  }
  /// Lets others go on, for want of something that one of them may do. False if nobody has done anything else
  /// for a long time.
  [[gnu::no_sanitize_thread]] static bool pause() {
    if (++pauses_ > 1000 * (ready_count_ + 1)) return false;
    add(now_);
    give_turn(false);
    return true;
  }
  /// A fiber's body begins so.
  [[gnu::no_sanitize_thread]] static void begin() { now_->take_turn(); }

  [[nodiscard]] static bool overrun(const void* address) {
    for (const auto& fiber : all_)
      if (fiber->overrun(address)) return true;
    return false;
  }

 private:
  [[gnu::no_sanitize_thread]] static void give_turn(bool for_ever) {
    Fiber* const before = now_;
    now_ = host_;
    if (ready_count_ > 0) {
      const std::size_t drawn = random_below(ready_count_);
      now_ = first_ready_[drawn];
      first_ready_[drawn] = first_ready_[--ready_count_];
    }
    if (now_ != before) before->give_turn(*now_, for_ever);
  }

  inline static std::vector<std::unique_ptr<Fiber>> all_;
  inline static std::vector<Fiber*> ready_;
  inline static Fiber** first_ready_ = nullptr;  // what ready_ holds
  inline static std::size_t ready_count_ = 0;
  inline static std::size_t pauses_ = 0;  // since somebody did anything else
  inline static Fiber* host_ = nullptr;
  inline static Fiber* now_ = nullptr;
};

}  // namespace emulation
