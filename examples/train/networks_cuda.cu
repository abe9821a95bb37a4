// The networks on a GPU, for all pictures that the others are for.
#include <sdepth/cuda.hpp>
#include <sdepth/program/together.hpp>

#include "networks.hpp"

namespace programs {
namespace {

template <sdepth::Precision P>
Networks on_gpu() {
  return all_resnets<sdepth::Cuda<P>>();
}

}  // namespace

Networks cuda_networks() {
  Networks all = all_of({on_gpu<sdepth::Precision::float32>(), on_gpu<sdepth::Precision::tf32>(), cuda_bfloat16_networks()});
  for (sdepth::program::Trainable& network : all)
    network.check_device = [] {
      // of several processes each has a device of its own
      sdepth::use_cuda_device(sdepth::program::process_of_machine());
      static_cast<void>(sdepth::cuda_device());
    };
  return all;
}

}  // namespace programs
