// Atomic operations on global and shared memory, and fences. Integers only: sums of floats by atomics would
// not be the same twice.
#pragma once

#include <atomic>
#include <utility>

#include "block.hpp"

/// What this thread wrote before its next atomic operation is there for whoever sees that operation's result.
/// ThreadSanitizer knows no fences, so it is the operation that releases, and only if there was a fence since
/// the last one: a kernel that forgets the fence is found.
inline void __threadfence() { emulation::self().fenced = true; }
inline void __threadfence_block() { emulation::self().fenced = true; }

namespace emulation {

[[nodiscard]] inline std::memory_order order_of_atomic() {
  const bool fenced = std::exchange(self().fenced, false);
  return fenced ? std::memory_order_acq_rel : std::memory_order_acquire;
}

/// What was there, before change(that) came in its place.
template <class T, class Change>
T update(T* at, Change change) {
  const std::atomic_ref<T> atomic(*at);
  const std::memory_order order = order_of_atomic();
  T old = atomic.load(std::memory_order_relaxed);
  while (!atomic.compare_exchange_weak(old, change(old), order, std::memory_order_relaxed)) {
  }
  return old;
}

/// Reads a counter that only grows until it is `least` or beyond; what was written before it was counted is
/// then there.
inline void wait_for_count(const unsigned* counter, unsigned least) {
  const std::atomic_ref<unsigned> atomic(*const_cast<unsigned*>(counter));
  while (static_cast<int>(atomic.load(std::memory_order_acquire) - least) < 0)
    if (!Turns::pause())
      fail("waits for a count of " + std::to_string(least) +
           " that nobody reaches: are all blocks of the grid on the device?");
}

}  // namespace emulation

inline int atomicAdd(int* at, int by) {
  return std::atomic_ref<int>(*at).fetch_add(by, emulation::order_of_atomic());
}
inline unsigned atomicAdd(unsigned* at, unsigned by) {
  return std::atomic_ref<unsigned>(*at).fetch_add(by, emulation::order_of_atomic());
}
inline unsigned atomicSub(unsigned* at, unsigned by) {
  return std::atomic_ref<unsigned>(*at).fetch_sub(by, emulation::order_of_atomic());
}
inline int atomicExch(int* at, int value) {
  return std::atomic_ref<int>(*at).exchange(value, emulation::order_of_atomic());
}
inline unsigned atomicExch(unsigned* at, unsigned value) {
  return std::atomic_ref<unsigned>(*at).exchange(value, emulation::order_of_atomic());
}
inline unsigned atomicOr(unsigned* at, unsigned bits) {
  return std::atomic_ref<unsigned>(*at).fetch_or(bits, emulation::order_of_atomic());
}
inline unsigned atomicAnd(unsigned* at, unsigned bits) {
  return std::atomic_ref<unsigned>(*at).fetch_and(bits, emulation::order_of_atomic());
}
inline int atomicMax(int* at, int value) {
  return emulation::update(at, [value](int old) { return old > value ? old : value; });
}
inline unsigned atomicMax(unsigned* at, unsigned value) {
  return emulation::update(at, [value](unsigned old) { return old > value ? old : value; });
}
inline int atomicMin(int* at, int value) {
  return emulation::update(at, [value](int old) { return old < value ? old : value; });
}
inline unsigned atomicMin(unsigned* at, unsigned value) {
  return emulation::update(at, [value](unsigned old) { return old < value ? old : value; });
}
/// Counts from 0 to last and begins again.
inline unsigned atomicInc(unsigned* at, unsigned last) {
  return emulation::update(at, [last](unsigned old) { return old >= last ? 0U : old + 1; });
}
inline unsigned atomicCAS(unsigned* at, unsigned expected, unsigned value) {
  std::atomic_ref<unsigned>(*at).compare_exchange_strong(expected, value, emulation::order_of_atomic(),
                                                         std::memory_order_acquire);
  return expected;
}
