// Stochastic gradient descent with momentum, the default optimizer and the paper's.
#pragma once

#include <array>
#include <string_view>

#include <sdepth/core/math.hpp>
#include <sdepth/optimizers/optimizer.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// SGD as PyTorch defines it (torch.optim.SGD, dampening 0):
///
///     g += weight_decay·w;   m = momentum·m + g;   w −= learning_rate·(nesterov ? g + momentum·m : m)
///
/// A block that was skipped: with SkipUpdate::as_code its g begins as 0, so weight decay and momentum go on
/// to move it; with SkipUpdate::frozen its weights and momentum stay as they are.
struct SGD {
  static constexpr std::string_view name = "SGD";
  struct Options {
    double learning_rate = 0.1;
    double momentum = 0.9;
    double weight_decay = 1e-4;
    bool nesterov = true;
  };
  static constexpr std::array<std::string_view, 1> state{"momentum"};

  template <class Options, class Visit>
  static void each_option(Options& o, Visit visit) {
    visit("learning_rate", o.learning_rate);
    visit("momentum", o.momentum);
    visit("weight_decay", o.weight_decay);
    visit("nesterov", o.nesterov);
  }
  /// Both rules are w −= rate·(keep·g + push·m): keep 1, push momentum for Nesterov, else keep 0, push 1.
  static std::array<double, 5> factors(const Options& o) {
    return {o.weight_decay, o.momentum, o.learning_rate, o.nesterov ? 1.0 : 0.0,
            o.nesterov ? o.momentum : 1.0};
  }
  template <class V>
  SDEPTH_INLINE static constexpr void update(const std::array<V, 5>& factors, V& weight, V gradient,
                                             std::array<V, 1>& kept) {
    const auto& [decay, momentum, rate, keep, push] = factors;
    const V decayed = math::multiply_add(decay, weight, gradient);
    kept[0] = math::multiply_add(momentum, kept[0], decayed);
    weight = math::multiply_add(-rate, math::multiply_add(push, kept[0], keep * decayed), weight);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
