// The networks for pictures of 3 x 32 x 32: CIFAR-10, SVHN and the synthetic set in 10 classes, CIFAR-100 in
// 100.
#include "networks_with.hpp"

namespace programs {

Classifiers colour_classifiers() {
  return all_of({resnet_classifiers<float, Colour, 10>(), resnet_classifiers<float, Colour, 100>()});
}

}  // namespace programs
