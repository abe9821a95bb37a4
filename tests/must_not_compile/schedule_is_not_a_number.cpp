// expect: StochasticDepth: the schedule gives a survival probability outside [0, 1]
#include <limits>

#include <sdepth/network/network.hpp>

struct Undefined {
  static constexpr double survival(int, int) {
#ifdef PASS
    return 0.5;
#else
    return std::numeric_limits<double>::quiet_NaN();
#endif
  }
};

using namespace sdepth;
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, StochasticDepth<Residual<Conv<8>, BN>, Undefined>,
                    GlobalAvgPool, Linear<10>>;
static_assert(Net::residual_blocks == 1);
