// The networks of train, in a .cpp for each shape of pictures, precision and device: they compile side by
// side.
#pragma once

#include <sdepth/program/networks.hpp>

#include "../shared/networks.hpp"

namespace programs {

Networks gray_networks();      // 1 x 28 x 28, 10 classes
Networks colour_networks();    // 3 x 32 x 32, 10 or 100 classes
Networks bfloat16_networks();  // the same three with activations in bfloat16
Networks cuda_networks();      // and on a GPU; empty where the program is built without the CUDA Toolkit

/// The networks of all names for pictures of one shape and number of classes.
template <class Backend, class Image, int Classes>
[[nodiscard]] Networks resnets() {
  using namespace sdepth;
  return networks<Backend, Choice<"resnet20", CifarResNet<20, Image, Classes>>,
                  Choice<"resnet56", CifarResNet<56, Image, Classes>>,
                  Choice<"resnet110", CifarResNet<110, Image, Classes>>,
                  Choice<"resnet152", CifarResNet<152, Image, Classes>>,
                  Choice<"resnet1202", CifarResNet<1202, Image, Classes>>>();
}

/// And for all three, on another backend than the usual one.
template <class Backend>
[[nodiscard]] Networks all_resnets() {
  if constexpr (only_the_smallest) {
    using namespace sdepth;
    return networks<Backend, Choice<"resnet20", CifarResNet<20, Gray, 10>>,
                    Choice<"resnet20", CifarResNet<20, Colour, 10>>,
                    Choice<"resnet20", CifarResNet<20, Colour, 100>>>();
  }
  return all_of(
      {resnets<Backend, Gray, 10>(), resnets<Backend, Colour, 10>(), resnets<Backend, Colour, 100>()});
}

}  // namespace programs
