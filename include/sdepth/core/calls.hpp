// For objects that one call at a time may use: a second call, from another thread or from within the first,
// is told so instead of computing nonsense.
#pragma once

#include <atomic>

#include <sdepth/core/error.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// The calls of one object. It asks nothing of the system, and no thread waits for another.
///
/// Two threads that use an object at once are found where their calls overlap here, and not in general: it is
/// a mistake to do so all the same.
class Calls {
 public:
  Calls() = default;
  Calls(Calls&&) noexcept {}  // who moves an object, moves it between two calls
  Calls& operator=(Calls&&) noexcept { return *this; }

  /// A call, which is over when this is destroyed.
  class Call {
   public:
    explicit Call(std::atomic<bool>& running) noexcept : running_(running) {}
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    ~Call() { running_.store(false, std::memory_order_release); }

   private:
    std::atomic<bool>& running_;
  };
  /// Begins a call. Throws Error with this sentence where another one is not over.
  template <class... Parts>
  [[nodiscard]] Call begin(const Parts&... sentence) {
    if (running_.exchange(true, std::memory_order_acquire)) fail(sentence...);
    return Call(running_);
  }
  /// Whether a call is not over.
  [[nodiscard]] bool running() const noexcept { return running_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> running_{false};
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
