// Threads that play the threads of blocks, kept between launches: making 256 threads takes longer than most
// kernels here.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "block.hpp"

namespace emulation {

class Pool {
 public:
  /// Threads that wake up together.
  static constexpr unsigned team_size = 32;

  [[nodiscard]] static Pool& the() {
    static Pool pool;
    return pool;
  }
  ~Pool() {
    body_.store(nullptr, std::memory_order_relaxed);
    for (auto& team : teams_) start(*team);
    for (std::thread& thread : threads_) thread.join();
  }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Calls body(context, i) in count threads, i = 0 … count − 1, and waits for them: in the pool's threads
  /// from number `first` on, a multiple of team_size. What the caller did comes before what they do. What
  /// they did does not come before what follows, in the eyes of ThreadSanitizer, until settle is called: so
  /// the blocks of a grid are not ordered.
  void run(unsigned first, unsigned count, void (*body)(void*, unsigned), void* context) {
    while (threads_.size() < first + count) hire();
    body_.store(body, std::memory_order_relaxed);
    context_.store(context, std::memory_order_relaxed);
    first_.store(first, std::memory_order_relaxed);
    end_.store(first + count, std::memory_order_relaxed);
    std::uint32_t called = 0;
    for (unsigned i = first; i < first + count; i += team_size) called += teams_[i / team_size]->members;
    busy_.store(called, std::memory_order_relaxed);
    for (unsigned i = first; i < first + count; i += team_size) start(*teams_[i / team_size]);
    constexpr auto order = thread_sanitizer ? std::memory_order_relaxed : std::memory_order_acquire;
    for (std::uint32_t now = 0; (now = busy_.load(order)) != 0;) sleep(busy_, now);
  }
  void settle() { static_cast<void>(busy_.load(std::memory_order_acquire)); }

 private:
  Pool() = default;

  struct alignas(64) Team {
    Word round{0};
    unsigned members = 0;
  };

  void hire() {
    const auto number = static_cast<unsigned>(threads_.size());
    if (number % team_size == 0) teams_.push_back(std::make_unique<Team>());
    Team& team = *teams_.back();
    ++team.members;
    threads_.emplace_back([this, number, &team, round = team.round.load()]() mutable {
      while (true) {
        while (team.round.load(std::memory_order_relaxed) == round) sleep(team.round, round);
        static_cast<void>(team.round.load(std::memory_order_acquire));
        ++round;
        const auto body = body_.load(std::memory_order_relaxed);
        if (!body) return;
        if (number < end_.load(std::memory_order_relaxed))
          body(context_.load(std::memory_order_relaxed), number - first_.load(std::memory_order_relaxed));
        if (busy_.fetch_sub(1, std::memory_order_release) == 1) wake_all(busy_);
      }
    });
  }
  static void start(Team& team) {
    team.round.fetch_add(1, std::memory_order_release);
    wake_all(team.round);
  }

  std::vector<std::unique_ptr<Team>> teams_;
  std::vector<std::thread> threads_;
  std::atomic<void (*)(void*, unsigned)> body_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<unsigned> first_{0};
  std::atomic<unsigned> end_{0};
  Word busy_{0};
};

}  // namespace emulation
