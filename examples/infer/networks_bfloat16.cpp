// The networks with weights in bfloat16, for all pictures that the others are for.
#include "classify_with.hpp"

namespace programs {

Classifiers bfloat16_classifiers() { return classifiers_of<sdepth::bfloat16>(); }

}  // namespace programs
