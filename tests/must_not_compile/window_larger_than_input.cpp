// expect: a pooling window must fit into the padded input
#include <sdepth/network/network.hpp>

#ifdef PASS
constexpr int window = 8;
#else
constexpr int window = 16;
#endif

using namespace sdepth;
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, AvgPool<window>, Linear<10>>;
static_assert(Net::parameter_count > 0);
