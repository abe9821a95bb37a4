// A block while it runs: where each of its threads is, how threads wait for each other, and who finds out
// when nobody can go on.
//
// Under ThreadSanitizer only what orders a kernel's threads on a device may order them here, or races would
// be hidden. So the barriers synchronise and nothing else does: the book-keeping is relaxed atomics.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "settings.hpp"
#include "vectors.hpp"

namespace emulation {

/// Orders book-keeping: that the kernel's own accesses are not ordered by it is for ThreadSanitizer's eyes
/// only.
inline constexpr auto book_keeping = thread_sanitizer ? std::memory_order_relaxed : std::memory_order_acq_rel;

using Word = std::atomic<std::uint32_t>;
static_assert(sizeof(Word) == 4 && Word::is_always_lock_free, "a futex is 4 bytes");

/// Sleeps while word has this value; may return early.
inline void sleep(Word& word, std::uint32_t value) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
inline void wake_all(Word& word) {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr,
          0);
}

using Site = std::source_location;
[[nodiscard]] inline bool same(const Site& a, const Site& b) {
  return a.line() == b.line() && a.column() == b.column() && std::strcmp(a.file_name(), b.file_name()) == 0;
}

/// Thrown in threads that can go no further because of another's fault.
struct Abandoned {};

/// Threads that meet: all of a block, or all of a warp.
struct Meeting {
  Word generation{0};  // how often all have met
  std::atomic<unsigned> arrived{0};
};

/// One group of copies in the background.
struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
  std::size_t zeros;  // of bytes, at the end
};

struct alignas(64) Thread {
  enum class State : unsigned char { runs, waits, left };
  std::atomic<State> state{State::runs};
  std::atomic<const char*> call{""};  // what it waits in
  std::atomic<Site> site{};
  unsigned block_meetings = 0;
  unsigned warp_meetings = 0;
  bool fenced = false;                    // since its last atomic operation
  std::vector<std::vector<Copy>> groups;  // ended groups that were not waited for, oldest first
  std::vector<Copy> copies;               // of the group that has not ended
  bool waited = false;                    // for the launch before
};

struct alignas(64) Warp {
  static constexpr unsigned lanes = 32;
  Meeting meeting;
  unsigned size = lanes;
  struct Slot {
    std::array<std::uint32_t, 6> words;  // an operand of a shuffle, or of a product
  };
  // of even and odd meetings: nobody writes one before all have read what was there
  std::array<std::array<Slot, lanes>, 2> slots{};
};

/// The threads a..b of a list, as a person would write it: "0-31, 40".
[[nodiscard]] inline std::string ranges(const std::vector<unsigned>& threads) {
  std::string text;
  for (std::size_t i = 0; i < threads.size();) {
    std::size_t end = i;
    while (end + 1 < threads.size() && threads[end + 1] == threads[end] + 1) ++end;
    text += (text.empty() ? "" : ", ") + std::to_string(threads[i]) +
            (end > i ? "-" + std::to_string(threads[end]) : "");
    i = end + 1;
  }
  return text;
}

class Block {
 public:
  Block(std::string (*kernel_name)(const void*), const void* kernel, uint3 index, unsigned threads,
        void* shared, std::size_t shared_bytes)
      : threads_(new Thread[threads]),
        warps_(new Warp[(threads + Warp::lanes - 1) / Warp::lanes]),
        shared_(static_cast<unsigned char*>(shared)),
        shared_bytes_(shared_bytes),
        kernel_name_(kernel_name),
        kernel_(kernel),
        index_(index),
        size_(threads),
        active_(threads) {
    if (threads % Warp::lanes) warps_[threads / Warp::lanes].size = threads % Warp::lanes;
  }

  [[nodiscard]] void* shared() const noexcept { return shared_; }
  [[nodiscard]] bool is_shared(const void* from, std::size_t bytes) const noexcept {
    return from >= shared_ && static_cast<const unsigned char*>(from) + bytes <= shared_ + shared_bytes_;
  }
  [[nodiscard]] unsigned size() const noexcept { return size_; }
  [[nodiscard]] Thread& thread(unsigned i) noexcept { return threads_[i]; }
  [[nodiscard]] Warp& warp_of(unsigned thread) noexcept { return warps_[thread / Warp::lanes]; }
  /// The block's votes in its meetings of even and odd number.
  [[nodiscard]] std::atomic<int>& votes(unsigned meeting) noexcept { return votes_[meeting % 2]; }

  /// Waits for all threads of the block.
  void meet(unsigned self, const char* call, const Site& site) {
    const unsigned number = threads_[self].block_meetings++;
    meet(self, call, site, meeting_, 0, size_,
         [&] { votes(number + 1).store(0, std::memory_order_relaxed); });
  }
  /// Waits for all threads of its warp.
  void meet_warp(unsigned self, const char* call, const Site& site) {
    ++threads_[self].warp_meetings;
    Warp& warp = warp_of(self);
    meet(self, call, site, warp.meeting, self / Warp::lanes * Warp::lanes, warp.size, [] {});
  }

  /// The first sentence stays.
  void fault(const char* sentence) {
    if (!faulty_.exchange(true, std::memory_order_relaxed))
      std::strncpy(sentence_.data(), sentence, sentence_.size() - 1);
  }
  /// After all threads have left.
  [[nodiscard]] std::string sentence() const { return sentence_.data(); }
  [[nodiscard]] bool faulty() const { return faulty_.load(std::memory_order_relaxed); }

  /// The thread does no more.
  void leave(unsigned self) {
    threads_[self].state.store(Thread::State::left, std::memory_order_relaxed);
    if (stops()) nobody_runs();
  }

  [[nodiscard]] std::string where() const {
    return "kernel " + kernel_name_(kernel_) + ", block (" + std::to_string(index_.x) + ", " +
           std::to_string(index_.y) + ", " + std::to_string(index_.z) + ")";
  }

 private:
  template <class Before>
  void meet(unsigned self, const char* call, const Site& site, Meeting& meeting, unsigned first,
            unsigned count, Before before_all_go) {
    if (faulty()) throw Abandoned{};
    Thread& me = threads_[self];
    me.call.store(call, std::memory_order_relaxed);
    me.site.store(site, std::memory_order_relaxed);
    me.state.store(Thread::State::waits, std::memory_order_relaxed);
    const std::uint32_t generation = meeting.generation.load(std::memory_order_relaxed);
    // Whoever arrives releases, the last acquires all: under ThreadSanitizer each costs time in proportion to
    // the number of threads.
    const bool last = meeting.arrived.fetch_add(1, std::memory_order_release) + 1 == count;
    if (last) static_cast<void>(meeting.arrived.load(std::memory_order_acquire));
    if (last && all_at(first, count, call, site)) {
      before_all_go();
      for (unsigned i = first; i < first + count; ++i)
        threads_[i].state.store(Thread::State::runs, std::memory_order_relaxed);
      meeting.arrived.store(0, std::memory_order_relaxed);
      active_.fetch_add(count - 1, book_keeping);
      meeting.generation.store(generation + 1, std::memory_order_release);
      wake_all(meeting.generation);
      return;
    }
    if (stops()) nobody_runs();
    while (meeting.generation.load(std::memory_order_relaxed) == generation)
      sleep(meeting.generation, generation);
    static_cast<void>(meeting.generation.load(std::memory_order_acquire));
    if (faulty()) throw Abandoned{};
  }

  [[nodiscard]] bool all_at(unsigned first, unsigned count, const char* call, const Site& site) {
    for (unsigned i = first; i < first + count; ++i)
      if (std::strcmp(threads_[i].call.load(std::memory_order_relaxed), call) != 0 ||
          !same(threads_[i].site.load(std::memory_order_relaxed), site))
        return false;
    return true;
  }

  /// One thread less that could go on. True if it was the last.
  [[nodiscard]] bool stops() { return active_.fetch_sub(1, book_keeping) == 1; }

  /// Called by the thread that stopped last: either all have left, or those that wait would wait for ever and
  /// are sent away.
  void nobody_runs() {
    unsigned waiting = 0;
    for (unsigned i = 0; i < size_; ++i)
      waiting += threads_[i].state.load(std::memory_order_relaxed) == Thread::State::waits;
    if (waiting == 0) return;
    fault((where() + ": " + places() + "; all threads must reach the same one.").c_str());
    active_.fetch_add(waiting, book_keeping);
    send_away(meeting_);
    for (unsigned i = 0; i < size_; i += Warp::lanes) send_away(warp_of(i).meeting);
  }
  static void send_away(Meeting& meeting) {
    meeting.generation.fetch_add(1, std::memory_order_relaxed);
    wake_all(meeting.generation);
  }

  /// Which threads are where, those of one place together.
  [[nodiscard]] std::string places() {
    std::vector<std::pair<std::string, std::vector<unsigned>>> groups;
    for (unsigned i = 0; i < size_; ++i) {
      std::string place;  // empty: has left
      if (threads_[i].state.load(std::memory_order_relaxed) == Thread::State::waits) {
        const Site site = threads_[i].site.load(std::memory_order_relaxed);
        place = std::string(threads_[i].call.load(std::memory_order_relaxed)) + " in " + site.file_name() +
                ":" + std::to_string(site.line()) + ":" + std::to_string(site.column());
      }
      auto group = groups.begin();
      while (group != groups.end() && group->first != place) ++group;
      if (group == groups.end()) group = groups.insert(group, {place, {}});
      group->second.push_back(i);
    }
    std::string text;
    for (const auto& [place, threads] : groups) {
      const bool one = threads.size() == 1;
      text += (text.empty() ? "" : ", ") + std::string(one ? "thread " : "threads ") + ranges(threads);
      text += place.empty() ? (one ? " has left" : " have left") : (one ? " waits at " : " wait at ") + place;
    }
    return text;
  }

  std::unique_ptr<Thread[]> threads_;
  std::unique_ptr<Warp[]> warps_;
  Meeting meeting_;
  std::array<std::atomic<int>, 2> votes_{};
  unsigned char* shared_;
  std::size_t shared_bytes_;
  std::string (*kernel_name_)(const void*);
  const void* kernel_;
  uint3 index_;
  unsigned size_;
  std::atomic<unsigned> active_;  // threads that neither wait nor have left
  std::atomic<bool> faulty_{false};
  std::array<char, 1000> sentence_{};
};

/// The block and number of the thread that asks.
inline constinit thread_local Block* this_block = nullptr;
inline constinit thread_local unsigned this_thread = 0;

[[nodiscard]] inline Thread& self() { return this_block->thread(this_thread); }
[[noreturn]] inline void fail(const std::string& what) {
  throw Fault(this_block->where() + ", thread " + std::to_string(this_thread) + ": " + what);
}

/// The block's dynamic shared memory.
[[nodiscard]] inline void* shared_memory() { return this_block->shared(); }

}  // namespace emulation
