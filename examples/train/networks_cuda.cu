// The networks on a GPU, for all pictures that the others are for.
#include <sdepth/cuda.hpp>

#include "learner_of.hpp"

namespace programs {
namespace {

template <class Image, int Classes, sdepth::Precision P>
std::unique_ptr<Learner> make_on_gpu(const std::string& model, const sdepth::TrainingOptions& options) {
  // A build for tests alone, without a GPU: nothing of this runs, and the other networks differ from this one in their depth.
#if defined(ONLY_THE_SMALLEST_NETWORK)
  using Smallest = sdepth::CifarResNet<20, Image, Classes>;
  if (model != "resnet20") sdepth::fail("--device cuda: this build for tests has resnet20 alone; build the preset `release` for ", model);
  return std::make_unique<LearnerOf<Smallest, sdepth::Cuda<P>>>(options);
#else
  return make_learner<Image, Classes, sdepth::Cuda<P>>(model, options);
#endif
}
template <sdepth::Precision P>
MakeLearner* make_for(const sdepth::ImageSet& pictures) {
  return for_pictures<MakeLearner>(pictures, make_on_gpu<Gray, 10, P>, make_on_gpu<Colour, 10, P>, make_on_gpu<Colour, 100, P>);
}

}  // namespace

std::unique_ptr<Learner> make_cuda_learner(const sdepth::ImageSet& pictures, const std::string& model,
                                           const sdepth::TrainingOptions& options, bool tf32) {
  static_cast<void>(sdepth::cuda_device());  // says so where there is none, before anything else does
  return (tf32 ? make_for<sdepth::Precision::tf32>(pictures) : make_for<sdepth::Precision::float32>(pictures))(model, options);
}

}  // namespace programs
