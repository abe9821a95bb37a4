// The networks of train, in a .cpp for each shape of pictures, precision and device: they compile side by
// side.
#pragma once

#include <sdepth/program/networks.hpp>

#include "../shared/networks.hpp"

namespace programs {

Networks gray_networks();           // 1 x 28 x 28, 10 classes
Networks colour_networks();         // 3 x 32 x 32, 10 or 100 classes
Networks bfloat16_networks();       // the same three with activations in bfloat16
Networks cuda_networks();           // and on a GPU; empty where the program is built without the CUDA Toolkit
Networks cuda_bfloat16_networks();  // those of them with activations in bfloat16: for 3 x 32 x 32 pictures

/// The networks of all names for pictures of one shape and number of classes.
template <class Backend, class Image, int Classes, bool AllDepths = true>
[[nodiscard]] Networks resnets() {
  return with_resnets<Image, Classes, AllDepths>(
      []<class... Entries>() { return networks<Backend, Entries...>(); });
}

/// And for all three, on another backend than the usual one.
template <class Backend>
[[nodiscard]] Networks all_resnets() {
  constexpr bool all_depths = !only_the_smallest;
  return all_of({resnets<Backend, Gray, 10, all_depths>(), resnets<Backend, Colour, 10, all_depths>(),
                 resnets<Backend, Colour, 100, all_depths>()});
}

}  // namespace programs
