// expect: LinearDecay<p_L>: the survival probability of the last block must lie in [0, 1]
#include <sdepth/schedule/schedules.hpp>

#ifdef PASS
static_assert(sdepth::LinearDecay<0.5>::survival(2, 2) == 0.5);
#else
static_assert(sdepth::LinearDecay<1.5>::survival(2, 2) == 1.5);
#endif
