// Depth at inference: which residual blocks of a trained network run. A network that was trained with
// stochastic depth bears losing some of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/exactly.hpp>
#include <sdepth/schedule/gates.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The residual blocks that run. Only blocks in a StochasticDepth may be dropped: there the network's rules
/// make a block without its branch exactly its shortcut.
///
///     const DepthPlan plan = keep_blocks<Net>(drop_order_by_survival<Net>(), 40);
///     FoldedWeights<Net, Cpu<>> shorter(weights, {}, Scaling::test, plan);
struct DepthPlan {
  std::vector<std::uint8_t> keep;  // [residual blocks], 1: runs, 0: dropped; empty: every block runs
};

/// Whether a plan may drop the block: it stands in a StochasticDepth, and its gate is not the compiler's.
template <class Net>
[[nodiscard]] constexpr bool may_drop(int block) noexcept {
  return Net::stochastic[static_cast<std::size_t>(block)] && !Net::fixed[static_cast<std::size_t>(block)];
}

/// The plan with one entry for each block; what FixedGates closes never runs.
/// Throws Error where it has more or fewer, or drops a block that always runs.
template <class Net>
[[nodiscard]] std::vector<std::uint8_t> gates_of(const DepthPlan& plan) {
  constexpr auto blocks = static_cast<std::size_t>(Net::residual_blocks);
  if (!plan.keep.empty() && plan.keep.size() != blocks)
    fail("depth plan: expected ", blocks, " entries, one for each residual block, found ", plan.keep.size(),
         "; is it another network's?");
  std::vector<std::uint8_t> gates(blocks, std::uint8_t{1});
  for (std::size_t block = 0; block < blocks; ++block) {
    const bool keep = plan.keep.empty() || plan.keep[block] != 0;
    if (!keep && !Net::stochastic[block])
      fail("depth plan: block ", block,
           " is dropped but stands outside StochasticDepth, so the network was never trained without it");
    const bool closed = Net::fixed[block] && Net::survival[block] <= 0;
    if (!keep && Net::fixed[block] && !closed)
      fail("depth plan: block ", block, " is dropped but its FixedGates opens it for ever; close it there");
    gates[block] = keep && !closed;
  }
  return gates;
}

/// How many residual blocks run.
template <class Net>
[[nodiscard]] int blocks_kept(const DepthPlan& plan) {
  const std::vector<std::uint8_t> gates = gates_of<Net>(plan);
  return static_cast<int>(gates.size()) -
         static_cast<int>(std::count(gates.begin(), gates.end(), std::uint8_t{0}));
}

/// Floating-point operations of one image's pass through what runs, counted as Network::operations_per_image:
/// shortcuts, stem and head always run.
template <class Net>
[[nodiscard]] double operations_of(const DepthPlan& plan) {
  const std::vector<std::uint8_t> gates = gates_of<Net>(plan);
  double sum = Net::operations_per_image;
  for (std::size_t block = 0; block < gates.size(); ++block)
    if (!gates[block]) sum -= Net::branch_operations[block];
  return sum;
}

/// The blocks that may be dropped, those first that survived the fewest training steps; of equals the deepest
/// first.
/// @param survival  [residual blocks], the probabilities of training; empty: the network's own
template <class Net>
[[nodiscard]] std::vector<int> drop_order_by_survival(std::span<const double> survival = {}) {
  if (survival.empty()) survival = Net::survival;
  check_survival(survival, static_cast<std::size_t>(Net::residual_blocks));
  std::vector<int> order;
  for (int block = 0; block < Net::residual_blocks; ++block)
    if (may_drop<Net>(block)) order.push_back(block);
  std::sort(order.begin(), order.end(), [&](int a, int b) {
    const double p = survival[static_cast<std::size_t>(a)], q = survival[static_cast<std::size_t>(b)];
    return p < q || (exactly(p, q) && a > b);
  });
  return order;
}

/// Every block but the first `dropped` of an order. Throws Error where the order names a block twice, or one
/// that may not be dropped.
template <class Net>
[[nodiscard]] DepthPlan drop_first(std::span<const int> order, int dropped) {
  DepthPlan plan{gates_of<Net>({})};
  for (const int block : order.first(static_cast<std::size_t>(dropped))) {
    if (block < 0 || block >= Net::residual_blocks)
      fail("drop order: found block ", block, ", expected numbers from 0 to ", Net::residual_blocks - 1);
    std::uint8_t& keep = plan.keep[static_cast<std::size_t>(block)];
    if (!keep) fail("drop order: block ", block, " stands in it twice, or never runs");
    keep = 0;
  }
  return {gates_of<Net>(plan)};
}

/// The plan that keeps `blocks` residual blocks and drops the others in the given order. Throws Error where
/// that is more than the network has, or less than are left when the whole order is dropped.
template <class Net>
[[nodiscard]] DepthPlan keep_blocks(std::span<const int> order, int blocks) {
  const int most = blocks_kept<Net>({}), fewest = most - static_cast<int>(order.size());
  if (blocks < fewest || blocks > most)
    fail("depth plan: expected between ", fewest, " and ", most, " residual blocks to keep, found ", blocks);
  return drop_first<Net>(order, most - blocks);
}

/// The plan that drops blocks in the given order until no more than `fraction` of the whole network's
/// operations are left. Throws Error where the fraction lies outside (0, 1], or below what is left when the
/// whole order is dropped.
template <class Net>
[[nodiscard]] DepthPlan keep_operations(std::span<const int> order, double fraction) {
  if (!(fraction > 0 && fraction <= 1))
    fail("depth plan: expected a fraction of the operations in (0, 1], found ", fraction);
  const double whole = operations_of<Net>({});
  for (int dropped = 0; dropped <= static_cast<int>(order.size()); ++dropped) {
    DepthPlan plan = drop_first<Net>(order, dropped);
    if (operations_of<Net>(plan) / whole <= fraction) return plan;
  }
  fail("depth plan: ", fraction, " of the operations cannot be reached, since without all ", order.size(),
       " blocks of the order ",
       operations_of<Net>(drop_first<Net>(order, static_cast<int>(order.size()))) / whole, " are left");
}

}  // namespace sdepth::inline SDEPTH_ISA
