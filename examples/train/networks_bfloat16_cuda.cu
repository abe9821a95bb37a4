// The networks on a GPU with activations in bfloat16, with and without tensor cores. They compile beside the
// others.
#include <sdepth/cuda.hpp>

#include "networks.hpp"

namespace programs {
namespace {

template <sdepth::Precision P>
Networks in_colour() {
  using Backend = sdepth::Cuda<P, sdepth::bfloat16>;
  if constexpr (only_the_smallest)
    return sdepth::program::networks<Backend, sdepth::program::Choice<"resnet20", sdepth::CifarResNet<20, Colour, 10>>>();
  else
    return all_of({resnets<Backend, Colour, 10>(), resnets<Backend, Colour, 100>()});
}

}  // namespace

Networks cuda_bfloat16_networks() { return all_of({in_colour<sdepth::Precision::float32>(), in_colour<sdepth::Precision::tf32>()}); }

}  // namespace programs
