// expect: the stride must divide the input's height and width; choose an input whose extents are multiples of all strides
#include <sdepth/network/network.hpp>

#ifdef PASS
constexpr int extent = 32;
#else
constexpr int extent = 33;
#endif

using namespace sdepth;
using Net =
    Network<Input<3, extent, extent>, Conv<16>, BN, ReLU, Residual<Conv<32, 3, 2>, BN, ReLU, Conv<32>, BN>, GlobalAvgPool, Linear<10>>;
static_assert(Net::residual_blocks == 1);
