// Barriers of a block and of a warp.
#pragma once

#include "block.hpp"

inline void __syncthreads(const emulation::Site& site = emulation::Site::current()) {
  emulation::this_block->meet(emulation::this_thread, "__syncthreads", site);
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFU,
                       const emulation::Site& site = emulation::Site::current()) {
  if (mask != 0xFFFFFFFFU) emulation::fail("__syncwarp of a part of a warp is not emulated.");
  emulation::this_block->meet_warp(emulation::this_thread, "__syncwarp", site);
}

/// How many threads of the block say yes; whether any does; whether all do.
inline int __syncthreads_count(int yes, const emulation::Site& site = emulation::Site::current()) {
  emulation::Block& block = *emulation::this_block;
  std::atomic<int>& votes = block.votes(emulation::self().block_meetings);
  if (yes) votes.fetch_add(1, std::memory_order_relaxed);
  block.meet(emulation::this_thread, "__syncthreads_count, _or or _and", site);
  return votes.load(std::memory_order_relaxed);
}
inline int __syncthreads_or(int yes, const emulation::Site& site = emulation::Site::current()) {
  return __syncthreads_count(yes, site) > 0;
}
inline int __syncthreads_and(int yes, const emulation::Site& site = emulation::Site::current()) {
  return __syncthreads_count(yes, site) == static_cast<int>(emulation::this_block->size());
}
