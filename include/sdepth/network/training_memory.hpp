// What a training step keeps for its backward pass, as a distribution over the gates: for saying before a run
// whether it fits into memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/network/network.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Numbers that an image's activations keep. Blocks whose images have gates of their own count as always
/// open: some image nearly always survives.
struct ActivationTable {
  std::size_t always = 0;              // stem, head, and of each block what its shortcut needs
  std::vector<std::size_t> when_open;  // [residual blocks], besides
  std::size_t largest = 0;             // the largest tensor
};

/// The table of a network. @param lanes  to which channels are padded: Backend::lanes
template <class Net>
[[nodiscard]] ActivationTable activation_table(int lanes) {
  const detail::ActivationSizes all = Net::Stages::activations(lanes);
  ActivationTable result{all.kept + detail::padded_size(Net::output, lanes), {}, all.largest};
  Net::Stages::for_each([&]<class Stage>(std::type_identity<Stage>) {
    if constexpr (Stage::blocks > 0) {
      constexpr auto count = static_cast<std::size_t>(Stage::blocks);
      constexpr bool skips = Stage::gating == Gating::per_batch;
      const std::size_t shortcut =
          Stage::identity ? 0
                          : detail::padded_size(Stage::in, lanes) + detail::padded_size(Stage::out, lanes);
      const std::size_t when_open = skips ? Stage::block_activations(lanes).kept - shortcut : 0;
      result.when_open.insert(result.when_open.end(), count, when_open);
      result.always -= count * when_open;
    }
  });
  return result;
}

/// Bytes of activations of a training step.
struct ActivationBytes {
  double all_open = 0;  // every block open: what constant depth takes in each step
  double mean = 0;      // over the gates
  double likely = 0;    // mean and six standard deviations: no run is long enough to see more
};

/// The gates are independent, b_l ~ Bernoulli(p_l), so with a_l bytes kept by an open block
///
///     mean = always + Σ p_l a_l,   variance = Σ p_l (1 − p_l) a_l²,   likely = mean + 6 √variance, at most all open
///
/// A normal variable is above its mean and six deviations in one of 10⁹ draws, the paper's longest run has
/// 2·10⁵ steps. @param survival  [residual blocks]
[[nodiscard]] inline ActivationBytes activation_bytes(const ActivationTable& table,
                                                      std::span<const double> survival, int batch,
                                                      std::size_t bytes_per_number = sizeof(float)) {
  if (survival.size() != table.when_open.size())
    fail("survival table: expected ", table.when_open.size(),
         " probabilities, one for each residual block, found ", survival.size());
  const double unit = static_cast<double>(batch) * static_cast<double>(bytes_per_number);
  double all = static_cast<double>(table.always), mean = all, variance = 0;
  for (std::size_t block = 0; block < survival.size(); ++block) {
    const double kept = static_cast<double>(table.when_open[block]), p = survival[block];
    all += kept;
    mean += p * kept;
    variance += p * (1 - p) * kept * kept;
  }
  return {unit * all, unit * mean, unit * std::min(all, mean + 6 * std::sqrt(variance))};
}

}  // namespace sdepth::inline SDEPTH_ISA
