// expect: FixedGates<b_1, ..., b_L>: the number of gates must be L, the number of StochasticDepth blocks in the network
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/fixed_gates.hpp>

using namespace sdepth;

#ifdef PASS
using Gates = FixedGates<1, 0, 1>;
#else
using Gates = FixedGates<1, 0>;
#endif
using Net = Network<Input<3, 8, 8>, Conv<8>, ReLU, Repeat<3, StochasticDepth<Residual<Conv<8>, BN>, Gates>>,
                    Linear<2>>;
static_assert(Net::residual_blocks == 3);
