// The first word of a network: the shape of one image.
#pragma once

#include <sdepth/layers/check.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Images of `Channels` × `Height` × `Width`.
template <int Channels, int Height, int Width>
struct Input {
  static constexpr WordError error =
      Channels > 0 && Height > 0 && Width > 0 ? WordError::none : WordError::input_extents;
  static constexpr bool sound = error == WordError::none;
  static_assert(CheckedWord<error>::said);

  static constexpr Shape shape{Channels, Height, Width};
};

template <class Word>
inline constexpr bool is_input = false;
template <int Channels, int Height, int Width>
inline constexpr bool is_input<Input<Channels, Height, Width>> = true;
template <class Word>
inline constexpr bool is_sound_input = false;
template <int Channels, int Height, int Width>
inline constexpr bool is_sound_input<Input<Channels, Height, Width>> = Input<Channels, Height, Width>::sound;

}  // namespace sdepth::inline SDEPTH_ISA
