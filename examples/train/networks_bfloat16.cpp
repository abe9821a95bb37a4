// The networks with activations in bfloat16, for all pictures that the others are for.
#include <sdepth/kernels/cpu/cpu.hpp>

#include "networks.hpp"

namespace programs {

Networks bfloat16_networks() { return all_resnets<sdepth::CpuBfloat16>(); }

}  // namespace programs
