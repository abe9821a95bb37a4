// The optimizer's pass over all parameters: one read and write of weights and velocity.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/cpu/vector.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// SgdStep's formula on numbers [first, last).
template <class Arch, bool HasGradient>
void sgd_range(std::size_t first, std::size_t last, const SgdStep& step, float* weights, const float* gradient, float* velocity) {
  const auto decay = static_cast<float>(step.weight_decay), momentum = static_cast<float>(step.momentum),
             rate = static_cast<float>(step.learning_rate);
  // Both rules are w −= rate·(keep·g + push·v): keep 1, push momentum for Nesterov, else keep 0, push 1.
  const float keep = step.nesterov ? 1.0F : 0.0F, push = step.nesterov ? momentum : 1.0F;
  const auto apply = [&](auto w, auto g, auto v, auto constant, auto multiply_add) {
    const auto decayed = multiply_add(constant(decay), w, g);
    v = multiply_add(constant(momentum), v, decayed);
    w = multiply_add(constant(-rate), multiply_add(constant(push), v, constant(keep) * decayed), w);
    return std::pair(w, v);
  };
  std::size_t i = first;
  for (; i + lanes<Arch> <= last; i += lanes<Arch>) {
    const Vector<Arch> g = HasGradient ? load<Arch>(gradient + i) : all<Arch>(0.0F);
    const auto [w, v] = apply(
        load<Arch>(weights + i), g, load<Arch>(velocity + i), [](float x) { return all<Arch>(x); },
        [](const Vector<Arch>& a, const Vector<Arch>& b, const Vector<Arch>& c) { return fma<Arch>(a, b, c); });
    store<Arch>(weights + i, w);
    store<Arch>(velocity + i, v);
  }
  for (; i < last; ++i) {
    const float g = HasGradient ? gradient[i] : 0.0F;
    const auto [w, v] =
        apply(weights[i], g, velocity[i], [](float x) { return x; }, [](float a, float b, float c) { return std::fma(a, b, c); });
    weights[i] = w;
    velocity[i] = v;
  }
}

/// One step on `count` numbers; gradient null: zero.
template <class Arch>
void sgd(Workspace<float>& space, std::size_t count, const SgdStep& step, float* weights, const float* gradient, float* velocity) {
  constexpr std::size_t piece = 16384;  // floats: 64 KiB of each array, a fraction of L2; a multiple of every vector's lanes
  parallel_for(static_cast<int>((count + piece - 1) / piece), space.threads(), [&](int i, int) {
    const std::size_t first = static_cast<std::size_t>(i) * piece, last = std::min(first + piece, count);
    when(gradient, [&](auto has) { sgd_range<Arch, has>(first, last, step, weights, gradient, velocity); });
  });
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
