// The network that is exported and comes back, and pictures for it.
#pragma once

#include <cstddef>
#include <vector>

#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

namespace exported {

using namespace sdepth;

template <int C, int Stride = 1>
using Block = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>, LinearDecay<0.5>>;
/// Blocks 3 and 4 change the shape, by a projection and by a pool.
using Net =
    Network<Input<3, 12, 12>, Conv<8, 3, 1, Bias::learned>, LeakyReLU<>, BN, ReLU, Repeat<3, Block<8>>,
            StochasticDepth<ResidualWith<ProjectionShortcut, Conv<16, 3, 2>, BN, ReLU, Conv<16>, BN>,
                            LinearDecay<0.5>>,
            Block<24, 2>, Repeat<2, Block<24>>, MaxPool<2, 1>, GlobalAvgPool, Linear<5>>;

constexpr int images = 4;
/// Block 1 and the last two are dropped, and of the two that change the shape only the shortcuts run.
inline const std::vector<unsigned char> shorter{1, 0, 1, 0, 0, 0, 0};

}  // namespace exported
