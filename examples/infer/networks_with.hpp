// The same with the networks' types.
#pragma once

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/program/classifier_of.hpp>

#include "networks.hpp"

namespace programs {

/// The networks of all names for pictures of one shape and number of classes.
template <class Weight, class Image, int Classes>
[[nodiscard]] Classifiers resnet_classifiers() {
  constexpr bool all_depths = std::is_same_v<Weight, float> || !only_the_smallest;
  return with_resnets<Image, Classes, all_depths>(
      []<class... Entries>() { return classifiers<sdepth::Cpu<>, Weight, Entries...>(); });
}
/// And for all three kinds of pictures.
template <class Weight>
[[nodiscard]] Classifiers all_resnet_classifiers() {
  return all_of({resnet_classifiers<Weight, Gray, 10>(), resnet_classifiers<Weight, Colour, 10>(),
                 resnet_classifiers<Weight, Colour, 100>()});
}

}  // namespace programs
