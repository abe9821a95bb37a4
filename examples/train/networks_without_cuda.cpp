// Instead of networks_cuda.cu, where there is no CUDA Toolkit.
#include <sdepth/core/error.hpp>

#include "learner.hpp"

namespace programs {

std::unique_ptr<Learner> make_cuda_learner(const sdepth::ImageSet&, const std::string&, const sdepth::TrainingOptions&, bool) {
  sdepth::fail(
      "--device cuda: this program was built without the CUDA Toolkit; install it (nvcc 12.8 or later) and build again, or train with --device cpu");
}

}  // namespace programs
