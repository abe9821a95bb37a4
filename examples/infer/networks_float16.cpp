// The networks with weights in float16, for all pictures that the others are for.
#include "classify_with.hpp"

namespace programs {

Classifiers float16_classifiers() { return classifiers_of<sdepth::float16>(); }

}  // namespace programs
