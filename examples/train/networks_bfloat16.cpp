// The networks with activations in bfloat16, for all pictures that the others are for.
#include <sdepth/program/bfloat16.hpp>

#include "networks.hpp"

namespace programs {

Networks bfloat16_networks() { return all_resnets<CpuBfloat16>(); }

}  // namespace programs
