// What a layer may refuse about its input, as a value (so that it can be tested) and as one compile error with a sentence.
#pragma once

#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Why a layer does not accept an input shape.
enum class ShapeError {
  none,
  kernel_larger_than_input,
  extent_not_divisible_by_stride,
  window_larger_than_input,
  shortcut_loses_channels,
  shortcut_extents_do_not_match,
  block_changes_shape_in_repeat,
};

/// Asserts that `Layer` accepts an input of shape `In`; the compiler's "in instantiation of" line names both.
template <class Layer, Shape In>
struct Accepts {
  static constexpr ShapeError error = Layer::check(In);
  static_assert(error != ShapeError::kernel_larger_than_input,
                "Conv: the kernel is larger than the padded input; use a smaller kernel, or pool less before this layer");
  static_assert(error != ShapeError::extent_not_divisible_by_stride,
                "the stride must divide the input's height and width; choose an input whose extents are multiples of all strides");
  static_assert(error != ShapeError::window_larger_than_input,
                "a pooling window must fit into the padded input, and its padding must be at most half the window");
  static_assert(
      error != ShapeError::shortcut_loses_channels,
      "Residual: a parameter-free shortcut can add channels but not remove them; use ProjectionShortcut for a branch with fewer channels");
  static_assert(
      error != ShapeError::shortcut_extents_do_not_match,
      "Residual: the branch must divide height and width by one whole number, so that the shortcut can follow it; check padding and strides");
  static_assert(error != ShapeError::block_changes_shape_in_repeat,
                "Repeat: the block changes its input's shape, so it cannot be repeated; put the changing block before Repeat");
};

}  // namespace sdepth::inline SDEPTH_ISA
