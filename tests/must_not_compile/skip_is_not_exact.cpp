// expect: StochasticDepth: the input of a block with a ReLU after its sum must come from a ReLU
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

using namespace sdepth;
using Block = StochasticDepth<Residual<Conv<8>, BN>, LinearDecay<0.5>>;
#ifdef PASS
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Block, GlobalAvgPool, Linear<10>>;
#else
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, Block, GlobalAvgPool, Linear<10>>;
#endif
static_assert(Net::residual_blocks == 1);
