// infer without some blocks: what each block is worth, and error against time for shorter and shorter
// networks.
#pragma once

#include <vector>

#include <sdepth/data/image_set.hpp>
#include <sdepth/train/block_removal.hpp>

#include "classify.hpp"

namespace programs {

/// What a study of depth needs besides a task, whose pictures it is judged by.
struct DepthStudy {
  const sdepth::ImageSet& chosen_by;  // blocks are removed in turn and judged by these
  const sdepth::ImageSet& training;   // norms are estimated again on these
  int points = 0;                     // budgets of the curve, evenly spaced from all blocks down; 0: none
};

/// One budget. Errors are fractions of the task's pictures.
struct DepthPoint {
  int blocks = 0;
  double operations = 0;    // as a fraction of the whole network's
  double milliseconds = 0;  // per picture, with the task's threads and batches of 128; blocks dropped by harm
  double by_survival = 0;
  double by_harm = 0;
  double by_harm_reestimated = 0;  // with BN's statistics estimated again for this depth
};

struct DepthResult {
  std::vector<sdepth::BlockRemoval> removals;
  std::vector<DepthPoint> curve;
};

/// Throws Error where the weights do not fit the network.
using StudyDepth = DepthResult(const Task& task, const DepthStudy& study);
StudyDepth study_gray;        // 1 x 28 x 28, 10 classes
StudyDepth study_colour;      // 3 x 32 x 32, 10 classes
StudyDepth study_colour_100;  // 3 x 32 x 32, 100 classes

}  // namespace programs
