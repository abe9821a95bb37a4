// What makes a row of words a network: every word fits its input, every schedule gives probabilities, every
// skip is exact.
#pragma once

#include <array>
#include <cstddef>
#include <numeric>
#include <tuple>
#include <type_traits>

#include <sdepth/layers/blocks.hpp>
#include <sdepth/layers/check.hpp>
#include <sdepth/layers/dropout.hpp>
#include <sdepth/layers/input.hpp>
#include <sdepth/layers/linear.hpp>
#include <sdepth/layers/pool.hpp>
#include <sdepth/schedule/fixed_gates.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// The shape before each word of a network and after the last. After a mistake they are a guess at what was
/// meant, never empty, so that nothing fails but the mistake.
template <class Input_, class... Words>
constexpr std::array<Shape, sizeof...(Words) + 1> network_shapes() {
  const auto positive = [](int number) { return number > 0 ? number : 1; };
  const auto not_empty = [&](Shape shape) {
    return Shape{positive(shape.channels), positive(shape.height), positive(shape.width)};
  };
  std::array<Shape, sizeof...(Words) + 1> all{};
  if constexpr (is_input<Input_>) all[0] = Input_::shape;
  all[0] = not_empty(all[0]);
  std::size_t i = 0;
  const auto visit = [&]<class Word>(std::type_identity<Word>) {
    all[i + 1] = all[i];
    if constexpr (is_sound<Word>) all[i + 1] = not_empty(Word::output(all[i]));
    ++i;
  };
  (visit(std::type_identity<Words>{}), ...);
  return all;
}

/// True where every word accepts its input.
template <class Input_, class... Words>
constexpr bool shapes_fit() {
  const auto shapes = network_shapes<Input_, Words...>();
  std::size_t i = 0;
  return ((Words::check(shapes[i++]) == ShapeError::none) && ...);
}

/// False for a word with a schedule that is none, or one with a wrong argument; it has said so itself.
template <class Word>
inline constexpr bool has_sound_schedule = std::is_void_v<typename BlockTraits<Word>::Schedule> ||
                                           is_sound_schedule<typename BlockTraits<Word>::Schedule>;

template <class Word>
inline constexpr bool is_stochastic_word =
    is_block<Word> && !std::is_void_v<typename BlockTraits<Word>::Schedule>;

/// How many StochasticDepth blocks stand in one word.
template <class Word>
inline constexpr int stochastic_count = is_stochastic_word<Word> ? BlockTraits<Word>::count : 0;

/// True for blocks whose gates are compile-time constants.
template <class Word>
inline constexpr bool has_fixed_gates = is_fixed_gates<typename BlockTraits<Word>::Schedule>;

/// StochasticDepth blocks before word Index of a row, if that has fixed gates, which are looked up by it; 0
/// otherwise.
template <std::size_t Index, class... Words>
inline constexpr int stochastic_before = [] {
  if (!has_fixed_gates<std::tuple_element_t<Index, std::tuple<Words...>>>) return 0;
  constexpr std::array<int, sizeof...(Words)> counts{stochastic_count<Words>...};
  return std::accumulate(counts.begin(), counts.begin() + Index, 0);
}();

/// True where every FixedGates has a gate for each of the L StochasticDepth blocks.
template <int L, class... Words>
constexpr bool fixed_gates_fit() {
  const auto fits = []<class Word>(std::type_identity<Word>) {
    if constexpr (has_fixed_gates<Word>) return BlockTraits<Word>::Schedule::count == L;
    return true;
  };
  return (fits(std::type_identity<Words>{}) && ...);
}

template <class Word>
inline constexpr bool is_linear = false;
template <int Features, Bias HasBias>
inline constexpr bool is_linear<Linear<Features, HasBias>> = true;

/// True for words whose output is not negative where their input is not.
template <class Word>
inline constexpr bool keeps_sign = std::is_same_v<Word, GlobalAvgPool>;
template <int Window, int Stride, int Padding>
inline constexpr bool keeps_sign<AvgPool<Window, Stride, Padding>> = true;
template <int Window, int Stride, int Padding>
inline constexpr bool keeps_sign<MaxPool<Window, Stride, Padding>> = true;

template <double P>
inline constexpr bool keeps_sign<Dropout<P>> = true;

/// Whether a word's output is known not to be negative, given whether its input is.
template <class Word>
constexpr bool not_negative_after(bool input_not_negative) {
  if constexpr (is_block<Word>) return std::is_same_v<typename BlockTraits<Word>::Block::AfterSum, ReLU>;
  return std::is_same_v<Word, ReLU> || (keeps_sign<Word> && input_not_negative);
}

/// A skipped block with an activation after its sum is that activation of the shortcut's value. That is the
/// value itself, an alias, only for a ReLU of numbers that are not negative: other activations change what
/// they have once made.
template <class... Words>
constexpr bool skips_are_exact() {
  bool not_negative = false, exact = true;
  const auto visit = [&]<class Word>(std::type_identity<Word>) {
    if constexpr (is_stochastic_word<Word>) {
      using AfterSum = typename BlockTraits<Word>::Block::AfterSum;
      if (activates<AfterSum> && !(std::is_same_v<AfterSum, ReLU> && not_negative)) exact = false;
    }
    not_negative = not_negative_after<Word>(not_negative);
  };
  (visit(std::type_identity<Words>{}), ...);
  return exact;
}

/// The survival probability of every residual block of `Words`, L blocks of which are stochastic; the others
/// always run.
template <std::size_t Blocks, int L, class... Words>
constexpr std::array<double, Blocks> survival_table() {
  std::array<double, Blocks> table{};
  std::size_t block = 0;
  int l = 0;
  const auto visit = [&]<class Word>(std::type_identity<Word>) {
    using Schedule = typename BlockTraits<Word>::Schedule;
    for (int i = 0; i < BlockTraits<Word>::count; ++i) {
      if constexpr (is_schedule<Schedule>)
        table[block++] = Schedule::survival(++l, L);
      else
        table[block++] = 1.0;
    }
  };
  (visit(std::type_identity<Words>{}), ...);
  return table;
}

/// For each residual block of `Words` what `of_word` says of its word.
template <std::size_t Blocks, class... Words>
constexpr std::array<bool, Blocks> block_table(const std::array<bool, sizeof...(Words)>& of_word) {
  std::array<bool, Blocks> table{};
  std::size_t block = 0, word = 0;
  const auto visit = [&](int count, bool value) {
    for (int i = 0; i < count; ++i) table[block++] = value;
  };
  (visit(BlockTraits<Words>::count, of_word[word++]), ...);
  return table;
}

/// The gating of every residual block of `Words`.
template <std::size_t Blocks, class... Words>
constexpr std::array<Gating, Blocks> gating_table() {
  std::array<Gating, Blocks> table{};
  std::size_t block = 0;
  const auto visit = [&](int count, Gating gating) {
    for (int i = 0; i < count; ++i) table[block++] = gating;
  };
  (visit(BlockTraits<Words>::count, BlockTraits<Words>::gating), ...);
  return table;
}

/// True where the compiler can compute the survival table.
template <std::size_t Blocks, int L, class... Words>
concept ConstantSurvival =
    requires { typename std::bool_constant<(survival_table<Blocks, L, Words...>(), true)>; };

/// The survival table, or where the compiler cannot compute it, 1 for every block.
template <std::size_t Blocks, int L, class... Words>
constexpr std::array<double, Blocks> survival_table_or_ones() {
  if constexpr (ConstantSurvival<Blocks, L, Words...>) return survival_table<Blocks, L, Words...>();
  std::array<double, Blocks> ones{};
  ones.fill(1.0);
  return ones;
}
/// The same, computed once.
template <std::size_t Blocks, int L, class... Words>
inline constexpr std::array<double, Blocks> survival_of = survival_table_or_ones<Blocks, L, Words...>();

/// True where all are probabilities.
template <std::size_t Blocks>
constexpr bool are_probabilities(const std::array<double, Blocks>& table) {
  for (const double p : table)
    if (!(0.0 <= p && p <= 1.0)) return false;
  return true;
}

}  // namespace sdepth::inline SDEPTH_ISA::detail
