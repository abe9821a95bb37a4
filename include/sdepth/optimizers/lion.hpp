// Lion: every weight moves by the same distance, in the direction of an interpolated momentum's sign.
#pragma once

#include <array>
#include <string_view>

#include <sdepth/core/math.hpp>
#include <sdepth/optimizers/optimizer.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Lion, with decoupled weight decay:
///
///     w −= learning_rate·(sign(beta1·m + (1 − beta1)·g) + weight_decay·w);   then m = beta2·m + (1 − beta2)·g
///
/// Its learning rate is 3 to 10 times smaller than AdamW's, its weight decay as many times larger.
///
/// A block that was skipped: with SkipUpdate::as_code its g is 0, so it moves on by the sign of m, a whole
/// step however small m has become, and m shrinks. With SkipUpdate::frozen its w and m stay as they are.
///
/// Source: Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, algorithm 2.
struct Lion {
  static constexpr std::string_view name = "Lion";
  struct Options {
    double learning_rate = 1e-4;
    double beta1 = 0.9;
    double beta2 = 0.99;
    double weight_decay = 0;
  };
  static constexpr std::array<std::string_view, 1> state{"exp_avg"};

  template <class Options, class Visit>
  static void each_option(Options& o, Visit visit) {
    visit("learning_rate", o.learning_rate);
    visit("beta1", o.beta1);
    visit("beta2", o.beta2);
    visit("weight_decay", o.weight_decay);
  }
  static void check(const Options& o) {
    check_decay_rate("beta1", o.beta1);
    check_decay_rate("beta2", o.beta2);
  }
  static std::array<double, 6> factors(const Options& o) {
    return {
        1 - o.learning_rate * o.weight_decay, -o.learning_rate, o.beta1, 1 - o.beta1, o.beta2, 1 - o.beta2};
  }
  template <class V>
  SDEPTH_INLINE static constexpr void update(const std::array<V, 6>& factors, V& weight, V gradient,
                                             std::array<V, 1>& kept) {
    const auto& [keep, step, beta1, rest1, beta2, rest2] = factors;
    const V direction = math::sign(math::multiply_add(beta1, kept[0], rest1 * gradient));
    weight = math::multiply_add(step, direction, keep * weight);
    kept[0] = math::multiply_add(beta2, kept[0], rest2 * gradient);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
