// expect: StochasticDepth<Block, Schedule>: only a Residual block has a shortcut to take when it is skipped
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

using namespace sdepth;
#ifdef PASS
using Block = StochasticDepth<Residual<Conv<8>>, LinearDecay<0.5>>;
#else
using Block = StochasticDepth<Conv<8>, LinearDecay<0.5>>;
#endif
static_assert(sizeof(Block) == 1);
