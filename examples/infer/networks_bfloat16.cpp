// The networks with weights in bfloat16, for all pictures that the others are for.
#include "networks_with.hpp"

namespace programs {

Classifiers bfloat16_classifiers() { return all_resnet_classifiers<sdepth::bfloat16>(); }

}  // namespace programs
