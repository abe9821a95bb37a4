// expect: Residual: a parameter-free shortcut can add channels but not remove them; use ProjectionShortcut
#include <sdepth/network/network.hpp>

using namespace sdepth;
#ifdef PASS
using Block = ResidualWith<ProjectionShortcut, Conv<8>, BN>;
#else
using Block = Residual<Conv<8>, BN>;
#endif

using Net = Network<Input<3, 8, 8>, Conv<16>, BN, ReLU, Block, GlobalAvgPool, Linear<10>>;
static_assert(Net::residual_blocks == 1);
