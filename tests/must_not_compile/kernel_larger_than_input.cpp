// expect: Conv: the kernel is larger than the padded input; use a smaller kernel, or pool less before this layer
#include <sdepth/network/network.hpp>

#ifdef PASS
constexpr int extent = 7;
#else
constexpr int extent = 4;
#endif

using namespace sdepth;
using Net =
    Network<Input<3, extent, extent>, Conv<8, 7, 1, Bias::none, 0>, BN, ReLU, GlobalAvgPool, Linear<10>>;
static_assert(Net::parameter_count > 0);
