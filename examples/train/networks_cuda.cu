// The networks on a GPU, for all pictures that the others are for.
#include <sdepth/cuda.hpp>

#include "networks.hpp"

namespace programs {
namespace {

template <sdepth::Precision P>
Networks on_gpu() {
  using Backend = sdepth::Cuda<P>;
  // A build for tests alone, without a GPU: nothing of this runs, and the other networks differ from this one in their depth.
#if defined(ONLY_THE_SMALLEST_NETWORK)
  using namespace sdepth;
  return all_of({networks<Backend, Choice<"resnet20", CifarResNet<20, Gray, 10>>, Choice<"resnet20", CifarResNet<20, Colour, 10>>,
                          Choice<"resnet20", CifarResNet<20, Colour, 100>>>()});
#else
  return all_resnets<Backend>();
#endif
}

}  // namespace

Networks cuda_networks() {
  Networks all = all_of({on_gpu<sdepth::Precision::float32>(), on_gpu<sdepth::Precision::tf32>()});
  for (sdepth::program::Trainable& network : all) network.check_device = [] { static_cast<void>(sdepth::cuda_device()); };
  return all;
}

}  // namespace programs
