// A whole training on the device against the CPU's: the same network type, gates and numbers; graphs, failures, and what never happens twice.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include <sdepth/cuda.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/norm_estimate.hpp>

namespace sdepth {
namespace {

template <int C, int Stride = 1>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>, LinearDecay<0.5>>;
/// Identity blocks, one that changes the shape, a gated trunk of every kind of stage that ResNets have.
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Repeat<2, Drop<8>>, Drop<16, 2>, Drop<16>, GlobalAvgPool, Linear<5>>;
/// A projection shortcut, pools, biases, a branch without a BN at its end.
using Zoo = Network<Input<3, 9, 9>, Conv<6, 3, 2, Bias::learned>, ReLU, MaxPool<2, 1>, ProjectionBlock, GlobalAvgPool, Linear<5>>;

}  // namespace
}  // namespace sdepth
