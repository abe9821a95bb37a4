// The mistakes that can be made in a row of words, each as one compile error with a sentence, after which the
// compiler has nothing else to say.
#pragma once

#include <array>
#include <cstddef>

#include <sdepth/network/rules.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// What is wrong with a row of words.
enum class NetworkError {
  none,
  no_input,
  no_layers,
  not_a_layer,  // IsLayer says it, of the word
  word,         // Checked has said it, or the schedule
  shape,        // Accepts says it, of the word and its input
  fixed_gates,
  survival_unknown,
  survival_outside,
  skip_not_exact,
};

/// The mistakes that can be found without asking a word.
template <class Input_, class... Words>
inline constexpr NetworkError words_error =
    !is_input<Input_>                                     ? NetworkError::no_input
    : sizeof...(Words) == 0                               ? NetworkError::no_layers
    : !(is_layer<Words> && ...)                           ? NetworkError::not_a_layer
    : !(is_sound_input<Input_> && ... && is_sound<Words>) ? NetworkError::word
                                                          : NetworkError::none;

/// The first mistake in a row of words: each rule is asked only where those before it hold.
template <NetworkError WordsError, class Input_, class... Words>
constexpr NetworkError network_error() {
  constexpr auto blocks = static_cast<std::size_t>((0 + ... + BlockTraits<Words>::count));
  constexpr int L = (0 + ... + stochastic_count<Words>);
  if constexpr (WordsError != NetworkError::none)
    return WordsError;
  else if constexpr (!shapes_fit<Input_, Words...>())
    return NetworkError::shape;
  else if constexpr (!(has_sound_schedule<Words> && ...))
    return NetworkError::word;
  else if constexpr (!fixed_gates_fit<L, Words...>())
    return NetworkError::fixed_gates;
  else if constexpr (!ConstantSurvival<blocks, L, Words...>)
    return NetworkError::survival_unknown;
  else if constexpr (!are_probabilities(survival_of<blocks, L, Words...>))
    return NetworkError::survival_outside;
  else
    return skips_are_exact<Words...>() ? NetworkError::none : NetworkError::skip_not_exact;
}

/// Says what is wrong with a network, once for each kind of mistake; see CheckedWord.
template <NetworkError Error>
struct CheckedNetwork {
  static constexpr bool said = true;
  static_assert(
      Error != NetworkError::no_input,
      "Network<Input, layers...>: the first argument must be the shape of an image, Input<channels, height, width>");
  static_assert(Error != NetworkError::no_layers,
                "Network<Input, layers...>: a network needs at least one layer");
  static_assert(
      Error != NetworkError::fixed_gates,
      "FixedGates<b_1, ..., b_L>: the number of gates must be L, the number of StochasticDepth blocks in the network");
  static_assert(
      Error != NetworkError::survival_unknown,
      "StochasticDepth: the compiler cannot compute the schedule's probabilities; its survival(l, L) must be constexpr, with a value "
      "for every l from 1 to L");
  static_assert(
      Error != NetworkError::survival_outside,
      "StochasticDepth: the schedule gives a survival probability outside [0, 1]; check its survival(l, L) for every l from 1 to L");
  static_assert(
      Error != NetworkError::skip_not_exact,
      "StochasticDepth: the input of a block with a ReLU after its sum must come from a ReLU, or skipping the block would not be the "
      "identity; put a ReLU before it, or use PreActivation, as for every other activation");
};

/// Asserts that `Word` is a layer; the compiler's "in instantiation of" line names it.
template <class Word>
struct IsLayer {
  static_assert(
      is_layer<Word>,
      "Network<Input, layers...>: every argument after Input must be a layer such as Conv<16>, BN or Repeat<3, Block>; a layer of "
      "your own is a template that is made of these");
};

/// Instantiates IsLayer or Accepts for the first word that makes the mistake and for no other. Never called:
/// deducing its return type instantiates it.
template <NetworkError Error, std::array Shapes, std::size_t Index, class... Words>
  requires(Error != NetworkError::not_a_layer && Error != NetworkError::shape)
auto report_mistake() {}
template <NetworkError Error, std::array Shapes, std::size_t Index, class First, class... Rest>
  requires(Error == NetworkError::not_a_layer || Error == NetworkError::shape)
auto report_mistake() {
  if constexpr (lacks_of_activation<First>() != WordError::none)
    static_cast<void>(CheckedWord<lacks_of_activation<First>()>{});
  else if constexpr (!is_layer<First>)
    static_cast<void>(IsLayer<First>{});
  else if constexpr (Error == NetworkError::shape && First::check(Shapes[Index]) != ShapeError::none)
    static_cast<void>(Accepts<First, Shapes[Index]>{});
  else
    report_mistake<Error, Shapes, Index + 1, Rest...>();
}

}  // namespace sdepth::inline SDEPTH_ISA::detail
