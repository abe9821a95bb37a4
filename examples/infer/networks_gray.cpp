// The networks for gray pictures of 28 x 28 pixels in 10 classes: Fashion-MNIST.
#include "networks_with.hpp"

namespace programs {

Classifiers gray_classifiers() { return resnet_classifiers<float, Gray, 10>(); }

}  // namespace programs
