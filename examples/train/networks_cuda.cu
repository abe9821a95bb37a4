// The networks on a GPU, for all pictures that the others are for.
#include <sdepth/cuda.hpp>

#include "networks.hpp"

namespace programs {

Networks cuda_networks() {
  Networks all = all_of({all_resnets<sdepth::Cuda<>>(), all_resnets<sdepth::Cuda<sdepth::Precision::tf32>>()});
  for (sdepth::program::Trainable& network : all) network.check_device = [] { static_cast<void>(sdepth::cuda_device()); };
  return all;
}

}  // namespace programs
