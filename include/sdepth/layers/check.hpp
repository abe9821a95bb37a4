// What a word may refuse, as values (so that they can be tested) and each as one compile error with a
// sentence: its own arguments, and the shape of its input.
#pragma once

#include <concepts>
#include <type_traits>

#include <sdepth/activations/activation.hpp>
#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What is wrong with a word's own arguments.
enum class WordError {
  none,
  input_extents,
  conv_channels,
  conv_kernel,
  conv_stride,
  conv_padding,
  linear_features,
  pooling_extents,
  pooling_padding,
  dropout_probability,
  activation_word,
  activation_derivative_from_output,
  activation_forward,
  activation_derivative,
  activation_not_constant,
  residual_empty,
  residual_block_inside,
  residual_not_a_layer,
  residual_shortcut,
  stochastic_depth_block,
  stochastic_depth_schedule,
  repeat_count,
  repeat_block,
};

/// Says what is wrong with a word. There is one class for each error, not for each word, so an error is said
/// once, however many words have it. And the assertions fail here, not in the word: clang computes nothing
/// more with a class in which one has failed, and would report that, too.
template <WordError Error>
struct CheckedWord {
  static constexpr bool said = true;
  static_assert(Error != WordError::input_extents,
                "Input<C, H, W>: channels, height and width must be positive");
  static_assert(Error != WordError::conv_channels,
                "Conv<Channels, Kernel, Stride>: the number of output channels must be positive");
  static_assert(Error != WordError::conv_kernel,
                "Conv<Channels, Kernel, Stride>: the kernel's extent must be positive");
  static_assert(Error != WordError::conv_stride,
                "Conv<Channels, Kernel, Stride>: the stride must be positive");
  static_assert(Error != WordError::conv_padding,
                "Conv: the padding must be at least 0 and smaller than the kernel");
  static_assert(Error != WordError::linear_features,
                "Linear<Features>: the number of features must be positive");
  static_assert(Error != WordError::pooling_extents, "a pooling layer's window and stride must be positive");
  static_assert(Error != WordError::pooling_padding,
                "a pooling layer's padding must be at least 0 and at most half its window");
  static_assert(Error != WordError::dropout_probability,
                "Dropout<P>: the probability must be at least 0 and below 1");
  static_assert(
      Error != WordError::activation_word,
      "not an Activation: the struct lacks its base; write `struct Name : sdepth::ActivationWord`, see activations/activation.hpp");
  static_assert(
      Error != WordError::activation_derivative_from_output,
      "not an Activation: the struct lacks `static constexpr bool derivative_from_output`; see activations/activation.hpp");
  static_assert(
      Error != WordError::activation_forward,
      "not an Activation: the struct lacks `template <class V> static constexpr V forward(V x)`; see activations/activation.hpp");
  static_assert(
      Error != WordError::activation_derivative,
      "not an Activation: the struct lacks `template <class V> static constexpr V derivative(V number)`; see activations/activation.hpp");
  static_assert(
      Error != WordError::activation_not_constant,
      "not an Activation: forward and derivative must be constexpr, with math::exp, not std::exp, and so on; see core/math.hpp");
  static_assert(Error != WordError::residual_empty, "Residual<...>: the branch needs at least one layer");
  static_assert(
      Error != WordError::residual_block_inside,
      "Residual<...>: a branch cannot contain another Residual, StochasticDepth or Repeat; put the blocks one after the other");
  static_assert(
      Error != WordError::residual_not_a_layer,
      "Residual<layers...>: every argument must be a layer such as Conv<16>, BN or ReLU; a layer of your own is a template that is made "
      "of these; a shortcut goes first into ResidualWith<Shortcut, layers...>, a schedule into StochasticDepth<Block, Schedule>");
  static_assert(
      Error != WordError::residual_shortcut,
      "ResidualWith<Shortcut, layers...>: the first argument must be PoolShortcut, SubsampleShortcut or ProjectionShortcut; without "
      "one write Residual<layers...>");
  static_assert(
      Error != WordError::stochastic_depth_block,
      "StochasticDepth<Block, Schedule>: only a Residual block has a shortcut to take when it is skipped; for several blocks write "
      "Repeat<N, StochasticDepth<Block, Schedule>>");
  static_assert(
      Error != WordError::stochastic_depth_schedule,
      "StochasticDepth<Block, Schedule>: the schedule must be LinearDecay<p_L>, Uniform<p>, FixedGates<b_1, ..., b_L>, or a type of "
      "your own with `static constexpr double survival(int l, int L)`");
  static_assert(Error != WordError::repeat_count, "Repeat<N, Block>: the number of blocks must be positive");
  static_assert(
      Error != WordError::repeat_block,
      "Repeat<N, Block>: the block must be a Residual or a StochasticDepth block; other layers are written one after the other");
};

/// True for the words that may stand behind Input in a network. They are listed, and not asked what they can
/// do: to ask a word with a mistake is an error again.
template <class Word>
inline constexpr bool is_layer = false;

/// True for a layer that can be asked: its own arguments are right, and those of the layers inside it.
template <class Word>
inline constexpr bool is_sound = false;
template <class Word>
  requires is_layer<Word>
inline constexpr bool is_sound<Word> = Word::sound;

/// A struct that was meant as an activation, whether or not it is one.
template <class Word>
concept MeantAsActivation = std::derived_from<Word, ActivationWord> || requires {
  Word::derivative_from_output;
} || requires { Word::forward(1.0); } || requires { Word::derivative(1.0); };

/// What a struct that is no layer lacks to be the activation that it was meant as; none where it was not
/// meant as one.
template <class Word>
consteval WordError lacks_of_activation() {
  if constexpr (is_layer<Word> || !MeantAsActivation<Word>)
    return WordError::none;
  else if constexpr (!std::derived_from<Word, ActivationWord>)
    return WordError::activation_word;
  else if constexpr (!requires {
                       { Word::derivative_from_output } -> std::convertible_to<bool>;
                     })
    return WordError::activation_derivative_from_output;
  else if constexpr (!requires {
                       { Word::forward(1.0) } -> std::same_as<double>;
                     })
    return WordError::activation_forward;
  else if constexpr (!requires {
                       { Word::derivative(1.0) } -> std::same_as<double>;
                     })
    return WordError::activation_derivative;
  else
    return WordError::activation_not_constant;
}

/// That of the first of these words that lacks something.
template <class... Words>
consteval WordError lacks_of_activations() {
  WordError first = WordError::none;
  static_cast<void>(((first = lacks_of_activation<Words>(), first != WordError::none) || ...));
  return first;
}

/// Asserts that `Layer` accepts an input of shape `In`; the compiler's "in instantiation of" line names both.
template <class Layer, Shape In>
struct Accepts {
  static constexpr ShapeError error = Layer::check(In);
  static_assert(
      error != ShapeError::kernel_larger_than_input,
      "Conv: the kernel is larger than the padded input; use a smaller kernel, or pool less before this layer");
  static_assert(
      error != ShapeError::window_larger_than_input,
      "a pooling window must fit into the padded input, and its padding must be at most half the window");
  static_assert(
      error != ShapeError::shortcut_loses_channels,
      "Residual: a parameter-free shortcut can add channels but not remove them; use ProjectionShortcut for a branch with fewer channels");
  static_assert(
      error != ShapeError::shortcut_extents_do_not_match,
      "Residual: the branch must divide height and width by its stride, rounded up, so that the shortcut can follow it; check padding and strides");
  static_assert(
      error != ShapeError::block_changes_shape_in_repeat,
      "Repeat: the block changes its input's shape, so it cannot be repeated; put the changing block before Repeat");
};

}  // namespace sdepth::inline SDEPTH_ISA
