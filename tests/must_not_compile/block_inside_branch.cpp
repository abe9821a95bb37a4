// expect: a branch cannot contain another Residual
#include <sdepth/network/network.hpp>

using namespace sdepth;

#ifdef PASS
using Net = Network<Input<3, 8, 8>, Conv<8>, ReLU, Residual<Conv<8>, BN>, Residual<Conv<8>, BN>>;
#else
using Net = Network<Input<3, 8, 8>, Conv<8>, ReLU, Residual<Residual<Conv<8>, BN>, Conv<8>, BN>>;
#endif
static_assert(Net::residual_blocks > 0);
