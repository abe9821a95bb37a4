// The networks for gray pictures of 28 x 28 pixels in 10 classes: Fashion-MNIST.
#include "classify_with.hpp"
#include "depth_with.hpp"

namespace programs {

std::vector<float> classify_gray(const Task& task) { return classify_by_name<Gray, 10>(task); }
DepthResult study_gray(const Task& task, const DepthStudy& study) {
  return study_by_name<Gray, 10>(task, study);
}

}  // namespace programs
