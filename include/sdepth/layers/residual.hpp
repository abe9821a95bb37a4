// The residual block as a word: a branch of words, a shortcut around it, and what follows the sum.
#pragma once

#include <type_traits>

#include <sdepth/activations/relu.hpp>
#include <sdepth/layers/check.hpp>
#include <sdepth/layers/pointwise.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// How many input pixels a word steps over per output pixel: 1 for words without a stride.
template <class Word>
[[nodiscard]] constexpr int stride_of() noexcept {
  if constexpr (requires { Word::stride; }) return Word::stride;
  return 1;
}

/// Words one after the other: the shape rules of a residual branch.
template <class... Words>
struct Chain {
  [[nodiscard]] static constexpr ShapeError check(Shape in) noexcept {
    ShapeError error = ShapeError::none;
    ((error = error == ShapeError::none ? Words::check(in) : error, in = Words::output(in)), ...);
    return error;
  }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept {
    ((in = Words::output(in)), ...);
    return in;
  }
  static constexpr int stride = (1 * ... * stride_of<Words>());
};

/// Shortcut of the paper's program since 2017: average over s × s pixels where the branch has stride s, new
/// channels zero; no parameters.
struct PoolShortcut {};
/// Shortcut behind the paper's numbers ("option A"): every s-th pixel, new channels zero; no parameters.
struct SubsampleShortcut {};
/// 1×1 convolution with the branch's stride, then BN, where the branch changes the shape; the identity where
/// it does not ("option B").
struct ProjectionShortcut {};

template <class Word>
inline constexpr bool is_shortcut =
    std::is_same_v<Word, PoolShortcut> || std::is_same_v<Word, SubsampleShortcut> ||
    std::is_same_v<Word, ProjectionShortcut>;

/// True for words that are residual blocks or have one inside.
template <class Word>
inline constexpr bool is_block = false;

template <class Shortcut, class... Branch>
inline constexpr WordError residual_error =
    !is_shortcut<Shortcut>                                 ? WordError::residual_shortcut
    : sizeof...(Branch) == 0                               ? WordError::residual_empty
    : (is_block<Branch> || ...)                            ? WordError::residual_block_inside
    : lacks_of_activations<Branch...>() != WordError::none ? lacks_of_activations<Branch...>()
    : !(is_layer<Branch> && ...)                           ? WordError::residual_not_a_layer
                                                           : WordError::none;

/// H = AfterSum( branch(x) + shortcut(x) ). Use Residual, ResidualWith, PreActivation or PreActivationWith
/// below.
template <class Shortcut_, class AfterSum_, class... Branch>
struct BasicResidual {
  static constexpr WordError error = residual_error<Shortcut_, Branch...>;
  static constexpr bool sound = error == WordError::none && (is_sound<Branch> && ...);
  static_assert(CheckedWord<error>::said);

  using Shortcut = Shortcut_;
  using AfterSum = AfterSum_;
  using Words = Chain<Branch...>;
  static constexpr bool projects = std::is_same_v<Shortcut, ProjectionShortcut>;

  /// True where the shortcut is the input itself, so that a skipped block is an alias.
  [[nodiscard]] static constexpr bool identity_shortcut(Shape in) noexcept { return output(in) == in; }
  /// How many input pixels per output pixel, in each direction. Where that is no whole number, the branch's
  /// stride: the shortcut's last pixels are then of what is left, as in PyTorch of a 1x1 convolution, of
  /// every s-th row and column, and of AvgPool2d(s, ceil_mode=True).
  [[nodiscard]] static constexpr int shortcut_stride(Shape in) noexcept {
    const Shape out = output(in);
    const bool whole = in.height % out.height == 0 && in.width % out.width == 0 &&
                       in.height / out.height == in.width / out.width;
    return whole ? in.height / out.height : Words::stride;
  }

  [[nodiscard]] static constexpr ShapeError check(Shape in) noexcept {
    if (const ShapeError inside = Words::check(in); inside != ShapeError::none) return inside;
    const Shape out = output(in);
    if (out.height <= 0 || out.width <= 0) return ShapeError::shortcut_extents_do_not_match;
    const int stride = shortcut_stride(in);
    if (out.height != (in.height + stride - 1) / stride || out.width != (in.width + stride - 1) / stride)
      return ShapeError::shortcut_extents_do_not_match;
    if (!projects && out.channels < in.channels) return ShapeError::shortcut_loses_channels;
    return ShapeError::none;
  }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return Words::output(in); }
};

template <class Shortcut, class AfterSum, class... Branch>
inline constexpr bool is_block<BasicResidual<Shortcut, AfterSum, Branch...>> = true;
template <class Shortcut, class AfterSum, class... Branch>
inline constexpr bool is_layer<BasicResidual<Shortcut, AfterSum, Branch...>> = true;

/// The paper's block: H = ReLU( branch(x) + x ), with the shortcut PoolShortcut where the shape changes.
///
///     Residual<Conv<16>, BN, ReLU, Conv<16>, BN>
///
/// Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
template <class... Branch>
using Residual = BasicResidual<PoolShortcut, ReLU, Branch...>;

/// The same with another shortcut: PoolShortcut, SubsampleShortcut or ProjectionShortcut.
template <class Shortcut, class... Branch>
using ResidualWith = BasicResidual<Shortcut, ReLU, Branch...>;

/// H = branch(x) + x, for branches of BN–ReLU–Conv. Source: He et al., "Identity Mappings in Deep Residual
/// Networks", ECCV 2016.
template <class... Branch>
using PreActivation = BasicResidual<PoolShortcut, NoActivation, Branch...>;

/// The same with another shortcut.
template <class Shortcut, class... Branch>
using PreActivationWith = BasicResidual<Shortcut, NoActivation, Branch...>;

}  // namespace sdepth::inline SDEPTH_ISA
