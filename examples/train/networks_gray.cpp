// The networks for gray pictures of 28 x 28 pixels in 10 classes: Fashion-MNIST.
#include <sdepth/kernels/cpu/cpu.hpp>

#include "networks.hpp"

namespace programs {

Networks gray_networks() { return resnets<sdepth::Cpu<>, Gray, 10>(); }

}  // namespace programs
