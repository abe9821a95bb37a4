// A block while it runs: where each of its threads is, how threads wait for each other, and what is said when
// nobody can go on.
//
// Under ThreadSanitizer only what orders a kernel's threads on a device may order them here, or races would
// be hidden. So the barriers synchronise and nothing else does: the book-keeping is out of its sight.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include "fibers.hpp"
#include "settings.hpp"
#include "vectors.hpp"

namespace emulation {

using Site = std::source_location;

/// Where a thread waits: in which call.
struct Place {
  const char* call = "";
  Site site{};
};
[[nodiscard]] inline bool same(const Place& a, const Place& b) {
  if (a.call == b.call && std::memcmp(&a.site, &b.site, sizeof(Site)) == 0) return true;
  return std::strcmp(a.call, b.call) == 0 && a.site.line() == b.site.line() &&
         a.site.column() == b.site.column() && std::strcmp(a.site.file_name(), b.site.file_name()) == 0;
}

/// Thrown in threads that can go no further because of another's fault.
struct Abandoned {};

/// Threads that meet: all of a block, or all of a warp.
struct Meeting {
  unsigned arrived = 0;
  Place place;                  // of the first
  bool one_place = true;        // so far
  char releases{}, acquires{};  // addresses of what comes before, and after, that all have met
};

/// One group of copies in the background.
struct Copy {
  void* to;
  const void* from;
  std::size_t bytes;
  std::size_t zeros;  // of bytes, at the end
};

struct Thread {
  Fiber* fiber = nullptr;
  enum class State : unsigned char { runs, waits, left };
  State state = State::runs;
  Place place;
  unsigned block_meetings = 0;
  unsigned warp_meetings = 0;
  bool fenced = false;                    // since its last atomic operation
  std::vector<std::vector<Copy>> groups;  // ended groups that were not waited for, oldest first
  std::vector<Copy> copies;               // of the group that has not ended
  bool waited = false;                    // for the launch before
};

struct Warp {
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

/// A kernel with its operands.
struct Call {
  const void* kernel;
  void (*invoke)(const void* kernel, const void* operands);
  const void* operands;
  std::string (*name_of)(const void* kernel);
};

class Block {
 public:
  Block(const Call& call, uint3 index, dim3 threads, void* shared, std::size_t shared_bytes)
      : size_(threads.x * threads.y * threads.z),
        threads_(new Thread[size_]),
        warps_(new Warp[(size_ + Warp::lanes - 1) / Warp::lanes]),
        shared_(static_cast<unsigned char*>(shared)),
        shared_bytes_(shared_bytes),
        call_(call),
        index_(index),
        extents_(threads) {
    if (size_ % Warp::lanes) warps_[size_ / Warp::lanes].size = size_ % Warp::lanes;
  }
  /// Every thread can take its turn, thread i in a fiber from number `first_fiber` on: which one is another in
  /// each block, for what one fiber does is in order.
  void begin(std::size_t first_fiber, std::size_t shift) {
    const auto& fibers = Turns::fibers(first_fiber + size_);
    for (unsigned i = 0; i < size_; ++i) {
      threads_[i].fiber = fibers[first_fiber + (i + shift) % size_].get();
      threads_[i].fiber->begin(
          body, this, i, {i % extents_.x, i / extents_.x % extents_.y, i / extents_.x / extents_.y}, index_);
      Turns::add(threads_[i].fiber);
    }
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
    if (!is_last_to_meet(threads_[self], {call, site}, meeting_, size_)) return;
    votes(number + 1).store(0, std::memory_order_relaxed);
    go_on(meeting_, &threads_[0], size_, threads_[self]);
  }
  /// Waits for all threads of its warp.
  void meet_warp(unsigned self, const char* call, const Site& site) {
    ++threads_[self].warp_meetings;
    Warp& warp = warp_of(self);
    Thread* const first = &threads_[self / Warp::lanes * Warp::lanes];
    if (is_last_to_meet(threads_[self], {call, site}, warp.meeting, warp.size))
      go_on(warp.meeting, first, warp.size, threads_[self]);
  }

  /// The first sentence stays.
  void fault(const char* sentence) {
    if (!faulty_.exchange(true, std::memory_order_relaxed))
      std::strncpy(sentence_.data(), sentence, sentence_.size() - 1);
  }
  /// After all threads have left.
  [[nodiscard]] std::string sentence() const { return sentence_.data(); }
  [[nodiscard]] bool faulty() const { return faulty_.load(std::memory_order_relaxed); }

  /// On the host, when no thread can go on: sends away those that would wait for ever. False if all have left.
  [[nodiscard]] bool send_away() {
    bool any = false;
    for (unsigned i = 0; i < size_; ++i) {
      if (threads_[i].state != Thread::State::waits) continue;
      if (!any) fault((where() + ": " + places() + "; all threads must reach the same one.").c_str());
      any = true;
    }
    for (unsigned i = 0; any && i < size_; ++i)
      if (threads_[i].state == Thread::State::waits) Turns::add(threads_[i].fiber);
    return any;
  }

  [[nodiscard]] std::string where() const {
    return "kernel " + call_.name_of(call_.kernel) + ", block (" + std::to_string(index_.x) + ", " +
           std::to_string(index_.y) + ", " + std::to_string(index_.z) + ")";
  }

  /// What comes before all threads, and after them.
  inline static char begins{}, ends{};

 private:
  /// What a fiber does with its turns.
  [[gnu::no_sanitize_thread]] static void body() {
    Turns::begin();
    acquire(&begins);
    this_block->run();
    this_block->threads_[this_thread].state = Thread::State::left;
    release(&ends);
    Turns::wait(true);
  }
  void run() {
    try {
      call_.invoke(call_.kernel, call_.operands);
    } catch (const Abandoned&) {
    } catch (const std::exception& error) {
      fault(error.what());
    }
  }

  /// Waits. Or true, at once, for the last: it lets the others go on.
  [[nodiscard]] bool is_last_to_meet(Thread& me, const Place& place, Meeting& meeting, unsigned count) {
    if (faulty()) throw Abandoned{};
    release(&meeting.releases);
    if (arrive(me, place, meeting, count)) {
      acquire(&meeting.releases);
      return true;
    }
    Turns::wait();
    acquire(&meeting.acquires);
    if (faulty()) throw Abandoned{};
    return false;
  }
  [[gnu::no_sanitize_thread]] static bool arrive(Thread& me, const Place& place, Meeting& meeting,
                                                 unsigned count) {
    me.place = place;
    me.state = Thread::State::waits;
    if (meeting.arrived++ == 0) meeting.place = place;
    meeting.one_place = meeting.one_place && same(place, meeting.place);
    return meeting.arrived == count && meeting.one_place;
  }
  [[gnu::no_sanitize_thread]] static void go_on(Meeting& meeting, Thread* first, unsigned count,
                                                Thread& last) {
    release(&meeting.acquires);
    meeting.arrived = 0;
    for (Thread* thread = first; thread != first + count; ++thread) {
      thread->state = Thread::State::runs;
      if (thread != &last) Turns::add(thread->fiber);
    }
  }

  /// Which threads are where, those of one place together.
  [[nodiscard]] std::string places() {
    std::vector<std::pair<std::string, std::vector<unsigned>>> groups;
    for (unsigned i = 0; i < size_; ++i) {
      std::string place;  // empty: has left
      if (threads_[i].state == Thread::State::waits) {
        const Site& site = threads_[i].place.site;
        place = std::string(threads_[i].place.call) + " in " + site.file_name() + ":" +
                std::to_string(site.line()) + ":" + std::to_string(site.column());
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

  unsigned size_;
  std::unique_ptr<Thread[]> threads_;
  std::unique_ptr<Warp[]> warps_;
  Meeting meeting_;
  std::array<std::atomic<int>, 2> votes_{};
  unsigned char* shared_;
  std::size_t shared_bytes_;
  Call call_;
  uint3 index_;
  dim3 extents_;
  std::atomic<bool> faulty_{false};
  std::array<char, 1000> sentence_{};
};

[[nodiscard]] inline Thread& self() { return this_block->thread(this_thread); }
[[noreturn]] inline void fail(const std::string& what) {
  throw Fault(this_block->where() + ", thread " + std::to_string(this_thread) + ": " + what);
}

/// The block's dynamic shared memory.
[[nodiscard]] inline void* shared_memory() { return this_block->shared(); }

}  // namespace emulation
