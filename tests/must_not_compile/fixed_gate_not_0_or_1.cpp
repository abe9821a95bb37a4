// expect: FixedGates<b_1, ..., b_L>: every gate must be 0 (closed) or 1 (open)
#include <sdepth/schedule/fixed_gates.hpp>

#ifdef PASS
static_assert(sdepth::FixedGates<1, 0>::count == 2);
#else
static_assert(sdepth::FixedGates<1, 2>::count == 2);
#endif
