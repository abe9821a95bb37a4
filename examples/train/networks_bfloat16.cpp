// The networks with activations in bfloat16, for all pictures that the others are for.
#include <sdepth/kernels/cpu/cpu.hpp>

#include "learner_of.hpp"

namespace programs {
namespace {

template <class Image, int Classes>
std::unique_ptr<Learner> make(const std::string& model, const sdepth::TrainingOptions& options) {
  return make_learner<Image, Classes, sdepth::Cpu<xsimd::default_arch, sdepth::cpu::Fastest, sdepth::bfloat16>>(model, options);
}

}  // namespace

std::unique_ptr<Learner> make_bfloat16_learner(const sdepth::ImageSet& pictures, const std::string& model,
                                               const sdepth::TrainingOptions& options) {
  return for_pictures<MakeLearner>(pictures, make<Gray, 10>, make<Colour, 10>, make<Colour, 100>)(model, options);
}

}  // namespace programs
