// expect: Network<Input, layers...>: every argument after Input must be a layer such as Conv<16>, BN or Repeat<3, Block>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

using namespace sdepth;
#ifdef PASS
using Third = BN;
#else
using Third = LinearDecay<0.5>;  // a schedule, forgotten outside StochasticDepth
#endif
using Net = Network<Input<3, 8, 8>, Conv<8>, Third, ReLU, GlobalAvgPool, Linear<10>>;
static_assert(Net::residual_blocks == 0);
