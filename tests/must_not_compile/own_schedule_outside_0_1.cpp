// expect: StochasticDepth: the schedule gives a survival probability outside [0, 1]; check its survival(l, L) for every l from 1 to L
#include <sdepth/network/network.hpp>

// A user's schedule, wrong at the last block only.
struct Falling {
  static constexpr double survival(int l, int L) {
#ifdef PASS
    return 1.0 - static_cast<double>(l) / L;
#else
    return 1.0 - 1.5 * (l == L ? 1.0 : 0.1);
#endif
  }
};

using namespace sdepth;
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU,
                    Repeat<3, StochasticDepth<Residual<Conv<8>, BN>, Falling>>, GlobalAvgPool, Linear<10>>;
static_assert(Net::residual_blocks == 3);
