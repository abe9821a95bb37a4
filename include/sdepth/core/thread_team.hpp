// The threads that help a calling thread through its parallel loops. They wait for work a few microseconds
// without sleeping, then sleep.
#pragma once

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <sdepth/core/clock.hpp>
#include <sdepth/core/config.hpp>
#include <sdepth/core/signal_mask.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The indices [0, count) of one parallel loop, handed out one by one to the threads that ask for them.
///
/// A thread has to take an index before it may look at the loop's body: so the caller need not wait for
/// helpers that come late, only for indices that were taken.
class LoopIndices {
 public:
  /// Begins loop number `loop`. Every index of the one before must have been taken.
  void begin(std::uint32_t loop, int count) noexcept {
    count_ = count;
    left_.store(std::uint64_t{loop} << 32 | static_cast<std::uint32_t>(count), std::memory_order_release);
  }
  /// An index of loop number `loop`; −1 where none is left, or another loop has begun.
  [[nodiscard]] int take(std::uint32_t loop) noexcept {
    std::uint64_t left = left_.load(std::memory_order_acquire);
    while (left >> 32 == loop && static_cast<std::uint32_t>(left) > 0)
      if (left_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel, std::memory_order_acquire))
        return count_ - static_cast<int>(static_cast<std::uint32_t>(left));
    return -1;
  }

 private:
  // upper half: the loop's number; lower half: how many indices are left
  std::atomic<std::uint64_t> left_{0};
  int count_ = 0;
};

/// Waits until `done(value)`: for `patience` while watching, which costs a processor but no time, then
/// asleep, which leaves the processor to others.
///
/// Parts of a step take tens to hundreds of microseconds and their ends lie close together, so most waits end
/// while watching (measured: see docs/speed.md).
template <class T, class Done>
T wait_for(const std::atomic<T>& value, const Done& done) noexcept {
  // ns: about as long as a part of a step takes, so that most waits for the last part end awake
  constexpr std::int64_t patience = 80'000;
  constexpr int looks = 16;  // between two looks at the clock: about half a microsecond
  T now = value.load(std::memory_order_acquire);
  for (const std::int64_t end = nanoseconds() + patience; !done(now) && nanoseconds() < end;)
    for (int look = 0; look < looks && !done(now); ++look) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
      now = value.load(std::memory_order_acquire);
    }
  for (; !done(now); now = value.load(std::memory_order_acquire)) value.wait(now, std::memory_order_acquire);
  return now;
}

/// The helpers of one calling thread. They are started when a loop first needs them, and end with the caller.
///
/// Helpers compute in the caller's floating-point environment (rounding, flush to zero), so that results do
/// not depend on who computes. In a child process after fork() the helpers do not exist; it starts its own.
class ThreadTeam {
 public:
  ThreadTeam() = default;
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  ~ThreadTeam() {
    if (process_ == getpid()) stop();
    inside_loop() = true;  // what the thread still destroys runs its loops alone
  }

  /// The team of the calling thread.
  [[nodiscard]] static ThreadTeam& mine() {
    static thread_local ThreadTeam team;
    return team;
  }
  /// Whether the calling thread is inside a parallel loop: loops within do not divide their work again. Nor
  /// do those of a thread whose team has ended, of objects that are destroyed after it, static ones among
  /// them.
  [[nodiscard]] static bool& inside_loop() noexcept {
    static thread_local bool inside = false;
    return inside;
  }

  /// Calls body(index, thread) for each index in [0, count) on the caller (thread 0) and up to `helpers`
  /// helpers (threads 1, 2, …) of its team. Without helpers on the caller alone, in order. All that does not
  /// depend on the body is compiled once, and the body once.
  template <class Body>
  static void run(int count, int helpers, const Body& body) {
    ThreadTeam* team = helpers == 0 ? nullptr : begin(count, helpers, compute<Body>, &body);
    const int done = compute<Body>(team, &body, team ? team->take() : count > 0 ? 0 : -1, 0, count);
    if (team) team->end(done);
  }

 private:
  /// One thread, and what it is called by; on a cache line of its own, because it watches it.
  struct alignas(64) Helper {
    ThreadTeam* team = nullptr;
    int thread = 0;
    std::uint32_t seen = 0;                // the number of the last loop that it knows of
    std::atomic<std::uint32_t> called{0};  // that of the last loop to which it was called
    pthread_t handle{};

    void call(std::uint32_t loop) noexcept {
      called.store(loop, std::memory_order_release);
      called.notify_one();
    }
  };

  using Compute = int(ThreadTeam*, const void* body, int index, int thread, int count) noexcept;

  /// Calls the helpers of the calling thread's team to a loop.
  [[gnu::noinline]] static ThreadTeam* begin(int count, int helpers, Compute* of_body, const void* body) {
    ThreadTeam& team = mine();
    team.begin_loop(count, std::min(helpers, team.start(helpers)), of_body, body);
    return &team;
  }
  void begin_loop(int count, int helpers, Compute* of_body, const void* body) {
    compute_ = of_body;
    body_ = body;
    count_ = count;
    std::fegetenv(&environment_);
    open_.store(count, std::memory_order_relaxed);
    indices_.begin(++loop_, count);
    for (int helper = 0; helper < helpers; ++helper) helpers_[static_cast<std::size_t>(helper)]->call(loop_);
    inside_loop() = true;
  }
  /// The caller has computed so many indices, and finds no more: waits for those that helpers still compute.
  [[gnu::noinline]] void end(int done) {
    inside_loop() = false;
    if (open_.fetch_sub(done, std::memory_order_acq_rel) != done)
      wait_for(open_, [](int open) { return open == 0; });
  }

  /// An index of the running loop, or −1.
  [[nodiscard, gnu::noinline]] int take() noexcept { return indices_.take(loop_); }

  /// Starts helpers until there are `wanted`; returns how many there are, fewer where the system refuses.
  int start(int wanted) {
    if (process_ != getpid()) {  // the first loop, or the first after a fork
      helpers_.clear();
      process_ = getpid();
    }
    const auto there = [this] { return static_cast<int>(helpers_.size()); };
    if (there() >= wanted) return there();
    const WithoutSignals none;
    while (there() < wanted) {
      auto helper = std::make_unique<Helper>();
      helper->team = this;
      helper->thread = there() + 1;
      helper->seen = helper->called = loop_;
      if (pthread_create(&helper->handle, nullptr, help, helper.get()) != 0) break;
      helpers_.push_back(std::move(helper));
    }
    return there();
  }
  void stop() noexcept {
    stopping_ = true;
    ++loop_;
    for (const auto& helper : helpers_) helper->call(loop_);
    for (const auto& helper : helpers_) pthread_join(helper->handle, nullptr);
  }

  static void* help(void* thread) noexcept {
    Helper& helper = *static_cast<Helper*>(thread);
    ThreadTeam& team = *helper.team;
    inside_loop() = true;
    while (true) {
      helper.seen =
          wait_for(helper.called, [before = helper.seen](std::uint32_t now) { return now != before; });
      if (team.stopping_) return nullptr;
      const int index = team.indices_.take(helper.seen);
      if (index < 0) continue;  // too late: the others have everything
      std::fesetenv(&team.environment_);
      const int done = team.compute_(&team, team.body_, index, helper.thread, team.count_);
      if (team.open_.fetch_sub(done, std::memory_order_acq_rel) == done) team.open_.notify_one();
    }
  }
  /// Computes `index` and then whatever indices the team has left, or without one those up to `count`;
  /// returns how many that were. A body that throws ends the program.
  template <class Body>
  [[gnu::noinline]] static int compute(ThreadTeam* team, const void* body, int index, int thread,
                                       int count) noexcept {
    int done = 0;
    for (; index >= 0; ++done) {
      (*static_cast<const Body*>(body))(index, thread);
      index = team ? team->take() : index + 1 < count ? index + 1 : -1;
    }
    return done;
  }

  pid_t process_ = 0;  // in which the helpers were started
  std::vector<std::unique_ptr<Helper>> helpers_;
  std::atomic<bool> stopping_{false};

  // The loop that is running. Helpers read it only while they hold an index of it.
  std::uint32_t loop_ = 0;
  Compute* compute_ = nullptr;
  const void* body_ = nullptr;
  int count_ = 0;
  std::fenv_t environment_{};
  alignas(64) LoopIndices indices_;
  alignas(64) std::atomic<int> open_{0};  // indices that have not been computed
};

}  // namespace sdepth::inline SDEPTH_ISA
