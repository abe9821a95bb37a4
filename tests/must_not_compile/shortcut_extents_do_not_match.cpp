// expect: Residual: the branch must divide height and width by its stride, rounded up, so that the shortcut can follow it
#include <sdepth/network/network.hpp>

#ifdef PASS
constexpr int padding = 1;
#else
constexpr int padding = 0;
#endif

using namespace sdepth;
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Residual<Conv<8, 3, 1, Bias::none, padding>, BN>,
                    GlobalAvgPool, Linear<10>>;
static_assert(Net::residual_blocks == 1);
