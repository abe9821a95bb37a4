// The order of an epoch's records: a pure function of (seed, epoch), so that a resumed run sees what the
// stopped one would have seen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/philox.hpp>
#include <sdepth/data/random_stream.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Writes the records 0 … count − 1 in the order of epoch `epoch` to `order`: a Fisher–Yates shuffle, every
/// order equally likely. Throws Error for a negative count.
inline void shuffled_order(std::vector<int>& order, int count, std::uint64_t seed, int epoch) {
  if (count < 0) fail("the order of ", count, " records was asked for, expected 0 or more");
  order.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  RandomStream random(seed, Purpose::shuffle, static_cast<std::uint64_t>(epoch));
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[random.below(static_cast<std::uint32_t>(left))]);
}

}  // namespace sdepth::inline SDEPTH_ISA
