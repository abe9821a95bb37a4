// The networks of train, infer and export by name, and the pictures that they are for.
#pragma once

#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/program/named_network.hpp>

namespace programs {

using namespace sdepth::program;

/// In a build for tests alone, what differs from the usual in precision or device is there for the smallest
/// network: the others differ from that in their depth.
#if defined(ONLY_THE_SMALLEST_NETWORK)
inline constexpr bool only_the_smallest = true;
#else
inline constexpr bool only_the_smallest = false;
#endif

/// The shapes of pictures that there are networks for; each stands in a .cpp of its own, so that they compile
/// side by side.
using Gray = sdepth::Input<1, 28, 28>;
using Colour = sdepth::Input<3, 32, 32>;

/// Calls make.operator()<Choice<name, Net>...>() with all of them for pictures of type Image, or with the
/// smallest alone.
template <class Image, int Classes, bool AllDepths = true, class Make>
[[nodiscard]] auto with_resnets(Make&& make) {
  using namespace sdepth;
  using Smallest = Choice<"resnet20", CifarResNet<20, Image, Classes>>;
  if constexpr (AllDepths)
    return make.template operator()<Smallest, Choice<"resnet56", CifarResNet<56, Image, Classes>>,
                                    Choice<"resnet110", CifarResNet<110, Image, Classes>>,
                                    Choice<"resnet152", CifarResNet<152, Image, Classes>>,
                                    Choice<"resnet1202", CifarResNet<1202, Image, Classes>>>();
  else
    return make.template operator()<Smallest>();
}

}  // namespace programs
