// A pass over parameters: one read and write of weights and of what an optimizer keeps for each.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>

#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/cpu/vector.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Rule::update on numbers [first, last).
template <class Arch, class Rule, bool HasGradient, std::size_t K, std::size_t N>
void update_range(std::size_t first, std::size_t last, const std::array<float, K>& factors, float* weights,
                  const float* gradient, const std::array<float*, N> states) {
  using V = Vector<Arch>;
  const std::array<V, K> all_lanes =
      std::apply([](auto... factor) { return std::array<V, K>{all<Arch>(factor)...}; }, factors);
  std::size_t i = first;
  for (; i + lanes<Arch> <= last; i += lanes<Arch>) {
    V w = load<Arch>(weights + i);
    std::array<V, N> state;
    for (std::size_t s = 0; s < N; ++s) state[s] = load<Arch>(states[s] + i);
    Rule::update(all_lanes, w, HasGradient ? load<Arch>(gradient + i) : all<Arch>(0.0F), state);
    store<Arch>(weights + i, w);
    for (std::size_t s = 0; s < N; ++s) store<Arch>(states[s] + i, state[s]);
  }
  for (; i < last; ++i) {
    std::array<float, N> state{};
    for (std::size_t s = 0; s < N; ++s) state[s] = states[s][i];
    Rule::update(factors, weights[i], HasGradient ? gradient[i] : 0.0F, state);
    for (std::size_t s = 0; s < N; ++s) states[s][i] = state[s];
  }
}

/// Rule::update on `count` numbers; gradient null: zero. Its formula is computed in float: factors are
/// rounded first.
template <class Arch, class Rule, std::size_t K, std::size_t N>
void update(Workspace<float>& context, std::size_t count, const std::array<double, K>& factors,
            float* weights, const float* gradient, const std::array<float*, N>& states) {
  std::array<float, K> rounded{};
  std::transform(factors.begin(), factors.end(), rounded.begin(),
                 [](double factor) { return static_cast<float>(factor); });
  // floats: 64 KiB of each array, a fraction of L2; a multiple of every vector's lanes
  constexpr std::size_t piece = 16384;
  parallel_for(static_cast<int>((count + piece - 1) / piece), context.threads(), [&](int i, int) {
    const std::size_t first = static_cast<std::size_t>(i) * piece, last = std::min(first + piece, count);
    when(gradient,
         [&](auto has) { update_range<Arch, Rule, has>(first, last, rounded, weights, gradient, states); });
  });
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
