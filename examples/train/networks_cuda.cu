// The networks on a GPU, for all pictures that the others are for.
#include <sdepth/cuda.hpp>

#include "learner_of.hpp"

namespace programs {
namespace {

template <class Image, int Classes, sdepth::Precision P>
std::unique_ptr<Learner> make_on_gpu(const std::string& model, const sdepth::TrainingOptions& options) {
  return make_learner<Image, Classes, sdepth::Cuda<P>>(model, options);
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
