// expect: Uniform<p>: the survival probability must lie in [0, 1]
#include <sdepth/schedule/schedules.hpp>

#ifdef PASS
static_assert(sdepth::Uniform<0.0>::survival(1, 2) == 0.0);
#else
static_assert(sdepth::Uniform<-0.25>::survival(1, 2) == -0.25);
#endif
