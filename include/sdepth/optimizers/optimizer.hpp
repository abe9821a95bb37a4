// What an optimizer is: a type with options, named state, and one formula for all backends. A new one is one
// header of this shape, wherever it stands:
//
//     struct Momentum {
//       static constexpr std::string_view name = "Momentum";                     // for checkpoints
//       struct Options { double learning_rate = 0.1, momentum = 0.9; };
//       static constexpr std::array<std::string_view, 1> state{"momentum"};      // numbers kept for each parameter, 0 at first
//       template <class Options, class Visit>
//       static void each_option(Options& o, Visit visit) { visit("learning_rate", o.learning_rate); visit("momentum", o.momentum); }
//       static std::array<double, 2> factors(const Options& o) { return {o.learning_rate, o.momentum}; }
//       template <class V>
//       static constexpr void update(const std::array<V, 2>& factors, V& weight, V gradient, std::array<V, 1>& kept) {
//         const auto& [rate, momentum] = factors;
//         kept[0] = math::multiply_add(momentum, kept[0], gradient);
//         weight = weight - rate * kept[0];
//       }
//     };
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <tuple>
#include <type_traits>

#include <sdepth/core/error.hpp>
#include <sdepth/core/formula_number.hpp>
#include <sdepth/core/math.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Whether an optimizer's factors depend on how many updates a parameter has had: factors(options, n) for its
/// n-th, from 1 up, in place of factors(options).
template <class Optimizer>
inline constexpr bool counts_updates =
    requires(const typename Optimizer::Options& options) { Optimizer::factors(options, std::uint64_t{1}); };

/// The numbers of one update, the same for all parameters that share options and count.
template <class Optimizer>
[[nodiscard]] auto factors_of(const typename Optimizer::Options& options,
                              [[maybe_unused]] std::uint64_t update) {
  if constexpr (counts_updates<Optimizer>)
    return Optimizer::factors(options, update);
  else
    return Optimizer::factors(options);
}
template <class Optimizer>
using Factors = decltype(factors_of<Optimizer>({}, 1));

template <class Optimizer>
inline constexpr std::size_t state_count = Optimizer::state.size();

struct OptionProbe {
  template <class Value>
  void operator()(std::string_view, Value&) const {}
};

// What follows is asked one after the other, so that the compiler names what is missing.

/// Options with a learning rate, which each_option visits.
template <class O>
concept HasOptimizerOptions = requires(typename O::Options options, const typename O::Options& constant) {
  { options.learning_rate } -> std::same_as<double&>;
  O::each_option(options, OptionProbe{});
  O::each_option(constant, OptionProbe{});
};
/// A name, and the names of what it keeps for each parameter, or none.
template <class O>
concept HasOptimizerState = requires {
  { std::string_view(O::name) };
  { std::string_view(O::state[0]) };
  { O::state.size() } -> std::convertible_to<std::size_t>;
} || requires { requires O::state.size() == 0; };
/// Numbers of a step that are the same for all parameters.
template <class O>
concept HasOptimizerFactors =
    requires(const typename O::Options& options) { factors_of<O>(options, 1).size(); };
/// The formula of one parameter, in vectors of any backend.
template <class O>
concept HasOptimizerUpdate =
    requires(std::array<double, std::tuple_size_v<Factors<O>>> factors, double weight,
             std::array<double, state_count<O>> state) { O::update(factors, weight, 1.0, state); };

/// An optimizer: see the example above.
template <class O>
concept Optimizer =
    HasOptimizerOptions<O> && HasOptimizerState<O> && HasOptimizerFactors<O> && HasOptimizerUpdate<O>;

/// Compiles an optimizer's formula for a number that stands for any. What it computes is not asked for:
/// std::exp, say, is no constant expression for every compiler, which would be said besides.
template <class O>
consteval bool is_update_formula(bool compute = false) {
  if constexpr (Optimizer<O>) {
    if (!compute) return true;
    std::array<math::FormulaNumber, std::tuple_size_v<Factors<O>>> factors{};
    std::array<math::FormulaNumber, state_count<O>> kept{};
    math::FormulaNumber weight;
    O::update(factors, weight, math::FormulaNumber(), kept);
  }
  return true;
}
/// Whether no two of an optimizer's states have the same name.
template <class O>
consteval bool state_names_differ() {
  if constexpr (HasOptimizerState<O>)
    for (std::size_t i = 0; i < O::state.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (std::string_view(O::state[i]) == std::string_view(O::state[j])) return false;
  return true;
}

/// Says in a sentence what a type lacks to be an optimizer.
template <class O>
struct CheckedOptimizer {
  static constexpr bool said = true;
  static_assert(
      HasOptimizerOptions<O>,
      "an optimizer has a type Options with `double learning_rate`, and each_option(options, visit), which calls visit(name, value) for each "
      "of them; see sdepth/optimizers/optimizer.hpp");
  static_assert(
      HasOptimizerState<O>,
      "an optimizer has a name and says what it keeps for each parameter: static constexpr std::array<std::string_view, N> state{\"…\"}; "
      "see sdepth/optimizers/optimizer.hpp");
  static_assert(
      HasOptimizerFactors<O>,
      "an optimizer turns its options into the numbers of an update: std::array<double, K> factors(options), or factors(options, n) for a "
      "parameter's n-th update; see sdepth/optimizers/optimizer.hpp");
  static_assert(
      HasOptimizerUpdate<O>,
      "an optimizer has one formula for every number type V: template <class V> static constexpr void update(const std::array<V, K>& factors, "
      "V& weight, V gradient, std::array<V, N>& kept); see sdepth/optimizers/optimizer.hpp");
  static_assert(state_names_differ<O>(),
                "an optimizer's states have names of their own, by which checkpoints store and restore them");
  static_assert(is_update_formula<O>());
};

/// Throws Error naming the option unless it is a number from 0 to the largest float: kernels compute with
/// floats.
inline void check_rate(std::string_view option, double rate) {
  if (!(0 <= rate && rate <= static_cast<double>(std::numeric_limits<float>::max())))
    fail("options: ", option, " is ", rate, ", expected a finite float that is not negative");
}
/// Throws Error naming the option unless it lies in [0, 1): the weight of what was, in an average that must
/// end.
inline void check_decay_rate(std::string_view option, double rate) {
  if (!(0 <= rate && rate < 1))
    fail("options: ", option, " is ", rate, ", expected a number from 0 up to, but not including, 1");
}
/// Throws Error naming the first of an optimizer's options that nothing can be trained with.
template <class O>
void check_options(const typename O::Options& options) {
  O::each_option(options, [](std::string_view option, const auto& value) {
    if constexpr (std::is_same_v<decltype(value), const double&>) check_rate(option, value);
  });
  if constexpr (requires { O::check(options); }) O::check(options);
}

}  // namespace sdepth::inline SDEPTH_ISA
