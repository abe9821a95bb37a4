// The work of infer: pictures through a network, of which only the name is known.
#pragma once

#include <string>
#include <vector>

#include <sdepth/data/image_set.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/schedule/scaling.hpp>

namespace programs {

/// Everything that decides the logits.
struct Task {
  std::string model;
  const sdepth::SafeTensors& weights;
  std::string where;             // the weights' file, for messages
  std::vector<double> survival;  // [residual blocks]
  sdepth::Scaling scaling = sdepth::Scaling::test;
  const sdepth::ImageSet& pictures;
  sdepth::Normalization normalization;
  int threads = 1;
};

/// Logits [N, classes] in the order of the pictures. Throws Error where the weights do not fit the network.
using Classify = std::vector<float>(const Task& task);
Classify classify_gray;        // 1 x 28 x 28, 10 classes
Classify classify_colour;      // 3 x 32 x 32, 10 classes
Classify classify_colour_100;  // 3 x 32 x 32, 100 classes

/// The same three with weights in 16 bits.
struct Classifiers {
  Classify* gray = nullptr;
  Classify* colour = nullptr;
  Classify* colour_100 = nullptr;
};
[[nodiscard]] Classifiers float16_classifiers();
[[nodiscard]] Classifiers bfloat16_classifiers();

}  // namespace programs
