// The networks with weights in float16, for all pictures that the others are for.
#include "networks_with.hpp"

namespace programs {

Classifiers float16_classifiers() { return all_resnet_classifiers<sdepth::float16>(); }

}  // namespace programs
