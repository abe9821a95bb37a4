// AdamW: steps scaled by running averages of the gradient and its square, with weight decay beside them
// instead of in the gradient.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include <sdepth/core/math.hpp>
#include <sdepth/optimizers/optimizer.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// AdamW as PyTorch defines it (torch.optim.AdamW), in a parameter's n-th update:
///
///     w −= learning_rate·weight_decay·w
///     m = beta1·m + (1 − beta1)·g;   v = beta2·v + (1 − beta2)·g²
///     w −= learning_rate · (m/(1 − beta1ⁿ)) / (√(v/(1 − beta2ⁿ)) + epsilon)
///
/// A block that was skipped: with SkipUpdate::as_code its g is 0: m and v shrink, n goes on, and w still
/// moves by m and the decay. With SkipUpdate::frozen its w, m, v and n stay as they are, so the corrections
/// by n are those of the updates that the block has really had.
///
/// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, algorithm 2.
struct AdamW {
  static constexpr std::string_view name = "AdamW";
  struct Options {
    double learning_rate = 1e-3;
    double beta1 = 0.9;
    double beta2 = 0.999;
    double epsilon = 1e-8;
    double weight_decay = 1e-2;
  };
  static constexpr std::array<std::string_view, 2> state{"exp_avg", "exp_avg_sq"};

  template <class Options, class Visit>
  static void each_option(Options& o, Visit visit) {
    visit("learning_rate", o.learning_rate);
    visit("beta1", o.beta1);
    visit("beta2", o.beta2);
    visit("epsilon", o.epsilon);
    visit("weight_decay", o.weight_decay);
  }
  static void check(const Options& o) {
    check_decay_rate("beta1", o.beta1);
    check_decay_rate("beta2", o.beta2);
    if (!(static_cast<float>(o.epsilon) > 0))
      fail("options: epsilon is ", o.epsilon,
           ", expected a float above 0: what is divided by may be 0 without it");
  }
  static std::array<double, 8> factors(const Options& o, std::uint64_t update) {
    const auto n = static_cast<double>(update);
    const double correction1 = 1 - std::pow(o.beta1, n), correction2 = 1 - std::pow(o.beta2, n);
    return {1 - o.learning_rate * o.weight_decay,
            o.beta1,
            1 - o.beta1,
            o.beta2,
            1 - o.beta2,
            -o.learning_rate / correction1,
            1 / std::sqrt(correction2),
            o.epsilon};
  }
  template <class V>
  SDEPTH_INLINE static constexpr void update(const std::array<V, 8>& factors, V& weight, V gradient,
                                             std::array<V, 2>& kept) {
    const auto& [keep, beta1, rest1, beta2, rest2, step, correction, epsilon] = factors;
    kept[0] = math::multiply_add(beta1, kept[0], rest1 * gradient);
    kept[1] = math::multiply_add(beta2, kept[1], rest2 * gradient * gradient);
    weight = math::multiply_add(step, kept[0] / math::multiply_add(math::sqrt(kept[1]), correction, epsilon),
                                keep * weight);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
