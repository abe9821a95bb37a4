// The first word of a network: the shape of one image.
#pragma once

#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Images of `Channels` × `Height` × `Width`.
template <int Channels, int Height, int Width>
struct Input {
  static_assert(Channels > 0 && Height > 0 && Width > 0, "Input<C, H, W>: channels, height and width must be positive");
  static constexpr Shape shape{Channels, Height, Width};
};

}  // namespace sdepth::inline SDEPTH_ISA
