// Copies from global to shared memory in the background: they arrive when they are waited for, and no
// earlier. Until then the destination is poison.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "block.hpp"

/// Copies bytes − zeros bytes and fills up with zeros. 4, 8 or 16 bytes, on such boundaries.
inline void __pipeline_memcpy_async(void* to, const void* from, std::size_t bytes, std::size_t zeros = 0) {
  using emulation::fail;
  if (bytes != 4 && bytes != 8 && bytes != 16)
    fail("an asynchronous copy is of 4, 8 or 16 bytes, not of " + std::to_string(bytes) + ".");
  if (zeros > bytes) fail("an asynchronous copy fills up with more bytes than it has.");
  const auto misaligned = [bytes](const void* address) {
    return reinterpret_cast<std::uintptr_t>(address) % bytes != 0;
  };
  if (misaligned(to))
    fail("an asynchronous copy of " + std::to_string(bytes) +
         " bytes goes to an address that is no multiple of so many.");
  if (misaligned(from))
    fail("an asynchronous copy of " + std::to_string(bytes) +
         " bytes comes from an address that is no multiple of so many.");
  if (!emulation::this_block->is_shared(to, bytes))
    fail("an asynchronous copy goes to outside of the block's shared memory.");
  std::memset(to, emulation::poison_byte, bytes);
  emulation::self().copies.push_back({to, from, bytes, zeros});
}

inline void __pipeline_commit() {
  emulation::Thread& thread = emulation::self();
  thread.groups.push_back(std::exchange(thread.copies, {}));
}

/// Waits for all but the last `later` groups of this thread.
inline void __pipeline_wait_prior(std::size_t later) {
  auto& groups = emulation::self().groups;
  if (groups.size() <= later) return;
  const auto end = groups.end() - static_cast<std::ptrdiff_t>(later);
  for (auto group = groups.begin(); group != end; ++group)
    for (const emulation::Copy& copy : *group) {
      std::memcpy(copy.to, copy.from, copy.bytes - copy.zeros);
      std::memset(static_cast<unsigned char*>(copy.to) + copy.bytes - copy.zeros, 0, copy.zeros);
    }
  groups.erase(groups.begin(), end);
}
