// expect: Repeat: the block changes its input's shape, so it cannot be repeated; put the changing block before Repeat
#include <sdepth/network/network.hpp>

using namespace sdepth;
template <int C, int Stride = 1>
using Block = Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>;

#ifdef PASS
using Net = Network<Input<3, 32, 32>, Conv<16>, BN, ReLU, Block<32, 2>, Repeat<2, Block<32>>, GlobalAvgPool,
                    Linear<10>>;
#else
using Net = Network<Input<3, 32, 32>, Conv<16>, BN, ReLU, Repeat<3, Block<32, 2>>, GlobalAvgPool, Linear<10>>;
#endif
static_assert(Net::residual_blocks == 3);
