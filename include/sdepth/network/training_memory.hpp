// What a training step keeps for its backward pass, as a distribution over the gates: for saying before a run whether it fits into memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/network/memory.hpp>
#include <sdepth/network/network.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Numbers that an image's activations keep. Blocks whose images have gates of their own count as always open: some image nearly always survives.
struct ActivationTable {
  std::size_t always = 0;              // stem, head, and of each block what its shortcut needs
  std::vector<std::size_t> when_open;  // [residual blocks], besides
  std::size_t largest = 0;             // the largest tensor
};

template <class Net>
struct ActivationTableOf;
template <class Input_, class... Words>
struct ActivationTableOf<Network<Input_, Words...>> {
  using Net = Network<Input_, Words...>;

  /// @param lanes  to which channels are padded: Backend::lanes
  [[nodiscard]] static ActivationTable table(int lanes) {
    const ActivationSizes all = ActivationPlan<typename Net::Layers, Net::input>::sizes(lanes);
    ActivationTable result{all.kept + padded_size(Net::output, lanes), {}, all.largest};
    const auto visit = [&]<class Word, Shape In>(std::type_identity<Word>, std::integral_constant<Shape, In>) {
      using Block = typename BlockTraits<Word>::Block;
      if constexpr (Net::sound && !std::is_void_v<Block>) {
        constexpr auto count = static_cast<std::size_t>(BlockTraits<Word>::count);
        const std::size_t shortcut = Block::identity_shortcut(In) ? 0 : padded_size(In, lanes) + padded_size(Block::output(In), lanes);
        const std::size_t one = ActivationPlan<Word, In>::sizes(lanes).kept / count;
        const bool skips = Net::gating[result.when_open.size()] == Gating::per_batch;
        result.when_open.insert(result.when_open.end(), count, skips ? one - shortcut : 0);
        if (skips) result.always -= count * (one - shortcut);
      }
    };
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (visit(std::type_identity<Words>{}, std::integral_constant<Shape, Net::shapes[Index]>{}), ...);
    }(std::index_sequence_for<Words...>{});
    return result;
  }
};

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
/// A normal variable is above its mean and six deviations in one of 10⁹ draws, the paper's longest run has 2·10⁵ steps. @param survival  [residual blocks]
[[nodiscard]] inline ActivationBytes activation_bytes(const ActivationTable& table, std::span<const double> survival, int batch,
                                                      std::size_t bytes_per_number = sizeof(float)) {
  if (survival.size() != table.when_open.size())
    fail("survival table: expected ", table.when_open.size(), " probabilities, one for each residual block, found ", survival.size());
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
