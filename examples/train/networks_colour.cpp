// The networks for pictures of 3 x 32 x 32: CIFAR-10, SVHN and the synthetic set in 10 classes, CIFAR-100 in
// 100. They differ in the last layer alone.
#include <sdepth/kernels/cpu/cpu.hpp>

#include "networks.hpp"

namespace programs {

Networks colour_networks() {
  return all_of({resnets<sdepth::Cpu<>, Colour, 10>(), resnets<sdepth::Cpu<>, Colour, 100>()});
}

}  // namespace programs
