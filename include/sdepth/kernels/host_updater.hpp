// Passes over all parameters on the host, by segments: an optimizer's, and what is done with gradients before
// it.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Runs of segments that are treated alike are one call of Backend::update.
template <class Backend>
class HostUpdater {
 public:
  using T = typename Backend::Scalar;
  /// @param segments  in order of their offsets, without gaps
  HostUpdater(std::span<const ParameterSegment> segments, std::size_t blocks)
      : segments_(segments.begin(), segments.end()), open_(blocks) {}

  /// The gates of the gradients: those of (seed, step), as the caller drew them, or the caller's own. @param
  /// open  [blocks], 1 where a block ran
  void take_drawn_gates(typename Backend::Context&, std::uint64_t, std::uint64_t, std::span<const double>,
                        std::span<const std::uint8_t> open) {
    open_.assign(open.begin(), open.end());
  }
  void take_gates(typename Backend::Context&, std::span<const std::uint8_t> open) {
    open_.assign(open.begin(), open.end());
  }

  /// Rule::update on every parameter. Those of closed blocks have a gradient of zero; @param frozen  they
  /// stay as they are
  /// @param factors  [1] for all segments, or [segments]
  template <class Rule, std::size_t K>
  void update(typename Backend::Context& context, std::span<const std::array<double, K>> factors, bool frozen,
              T* weights, const T* gradients, const std::array<T*, Rule::state.size()>& states) const {
    const auto factors_of = [&](std::size_t i) -> const std::array<double, K>& {
      return factors[factors.size() > 1 ? i : 0];
    };
    for (std::size_t i = 0; i < segments_.size();) {
      const bool ran = open(segments_[i]), never = segments_[i].block == ParameterSegment::never;
      const std::array<double, K>& of_run = factors_of(i);
      const std::size_t first = segments_[i].offset;
      std::size_t last = first;
      for (; i < segments_.size() && open(segments_[i]) == ran &&
             (segments_[i].block == ParameterSegment::never) == never && factors_of(i) == of_run;
           ++i)
        last = segments_[i].offset + segments_[i].size;
      if (never || (!ran && frozen)) continue;
      std::array<T*, Rule::state.size()> of_states{};
      for (std::size_t s = 0; s < of_states.size(); ++s) of_states[s] = states[s] + first;
      Backend::template update<Rule>(context, last - first, of_run, weights + first,
                                     ran ? gradients + first : nullptr, of_states);
    }
  }

  /// √Σ g² over the parameters that have a gradient, summed in double over fixed parts, whatever the number
  /// of threads.
  [[nodiscard]] double norm(typename Backend::Context& context, const T* gradients) {
    constexpr std::size_t piece = 16384;
    std::vector<Piece> pieces;
    for (const ParameterSegment& segment : segments_)
      for (std::size_t at = 0; open(segment) && at < segment.size; at += piece)
        pieces.push_back({segment.offset + at, std::min(piece, segment.size - at), 0});
    parallel_for(static_cast<int>(pieces.size()), context.threads(), [&](int i, int) {
      Piece& mine = pieces[static_cast<std::size_t>(i)];
      std::array<double, 8> sums{};  // side by side: one sum would wait for each addition
      for (std::size_t j = 0; j < mine.size; ++j) {
        const auto g = static_cast<double>(gradients[mine.first + j]);
        sums[j % sums.size()] += g * g;
      }
      for (const double sum : sums) mine.sum += sum;
    });
    double sum = 0;
    for (const Piece& one : pieces) sum += one.sum;
    return std::sqrt(sum);
  }

 private:
  struct Piece {
    std::size_t first = 0, size = 0;
    double sum = 0;
  };
  [[nodiscard]] bool open(const ParameterSegment& segment) const {
    return segment.block == -1 || (segment.block >= 0 && open_[static_cast<std::size_t>(segment.block)] != 0);
  }

  std::vector<ParameterSegment> segments_;
  std::vector<std::uint8_t> open_;
};

}  // namespace sdepth::inline SDEPTH_ISA
