// The networks of train and infer by name, and the pictures that they are for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/program/choices.hpp>

namespace programs {

using namespace sdepth::program;

inline const std::vector<std::string> model_names = {"resnet20", "resnet56", "resnet110", "resnet152",
                                                     "resnet1202"};

/// In a build for tests alone, what differs from the usual in precision or device is there for the smallest
/// network: the others differ from that in their depth.
#if defined(ONLY_THE_SMALLEST_NETWORK)
inline constexpr bool only_the_smallest = true;
#else
inline constexpr bool only_the_smallest = false;
#endif

/// Calls make.operator()<Net>() with the network of that name, for pictures of type Image. The only place
/// where a name becomes a type.
template <class Image, int Classes, bool AllDepths = true, class Make>
[[nodiscard]] auto with_network(std::string_view model, Make&& make) {
  using namespace sdepth;
  if (model == "resnet20") return make.template operator()<CifarResNet<20, Image, Classes>>();
  if constexpr (AllDepths) {
    if (model == "resnet56") return make.template operator()<CifarResNet<56, Image, Classes>>();
    if (model == "resnet110") return make.template operator()<CifarResNet<110, Image, Classes>>();
    if (model == "resnet152") return make.template operator()<CifarResNet<152, Image, Classes>>();
    if (model == "resnet1202") return make.template operator()<CifarResNet<1202, Image, Classes>>();
  }
  fail("there is no model named ", model, "; choose resnet20, resnet56, resnet110, resnet152 or resnet1202");
}

/// The shapes that with_network is compiled for; each stands in a .cpp of its own, so that they compile side
/// by side.
using Gray = sdepth::Input<1, 28, 28>;
using Colour = sdepth::Input<3, 32, 32>;

/// Of the functions of these .cpp files the one for such pictures. Throws Error where there is none.
template <class Function>
[[nodiscard]] Function* for_pictures(const sdepth::ImageSet& pictures, Function* gray, Function* colour,
                                     Function* colour_100) {
  const sdepth::Shape shape = pictures.shape, gray_shape = Gray::shape, colour_shape = Colour::shape;
  if (shape == gray_shape && pictures.classes == 10) return gray;
  if (shape == colour_shape && pictures.classes == 10) return colour;
  if (shape == colour_shape && pictures.classes == 100) return colour_100;
  sdepth::fail(
      pictures.name, " has pictures of ", shape.channels, " x ", shape.height, " x ", shape.width, " in ",
      pictures.classes,
      " classes, for which this program has no network; it has them for 1 x 28 x 28 and 3 x 32 x 32 in 10 classes, and 3 x 32 x 32 in 100");
}

}  // namespace programs
