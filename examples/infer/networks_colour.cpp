// The networks for pictures of 3 x 32 x 32: CIFAR-10, SVHN and the synthetic set in 10 classes, CIFAR-100 in
// 100.
#include "classify_with.hpp"
#include "depth_with.hpp"

namespace programs {

std::vector<float> classify_colour(const Task& task) { return classify_by_name<Colour, 10>(task); }
std::vector<float> classify_colour_100(const Task& task) { return classify_by_name<Colour, 100>(task); }
DepthResult study_colour(const Task& task, const DepthStudy& study) {
  return study_by_name<Colour, 10>(task, study);
}
DepthResult study_colour_100(const Task& task, const DepthStudy& study) {
  return study_by_name<Colour, 100>(task, study);
}

}  // namespace programs
