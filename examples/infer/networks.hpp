// The networks of infer, those of train, in a .cpp for each shape of pictures and precision: they compile
// side by side.
#pragma once

#include <sdepth/program/classifier.hpp>

#include "../shared/networks.hpp"

namespace programs {

Classifiers gray_classifiers();      // 1 x 28 x 28, 10 classes
Classifiers colour_classifiers();    // 3 x 32 x 32, 10 or 100 classes
Classifiers float16_classifiers();   // the same three with weights in float16
Classifiers bfloat16_classifiers();  // and in bfloat16

}  // namespace programs
