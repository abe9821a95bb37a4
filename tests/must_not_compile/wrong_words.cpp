// expect: Input<C, H, W>: channels, height and width must be positive
// expect: Conv<Channels, Kernel, Stride>: the kernel's extent must be positive
// expect: Conv<Channels, Kernel, Stride>: the stride must be positive
// expect: Conv: the padding must be at least 0 and smaller than the kernel
// expect: Linear<Features>: the number of features must be positive
// expect: a pooling layer's window and stride must be positive
// expect: a pooling layer's padding must be at least 0 and at most half its window
// expect: Dropout<P>: the probability must be at least 0 and below 1
// expect: Residual<...>: the branch needs at least one layer
// expect: Residual<layers...>: every argument must be a layer such as Conv<16>, BN or ReLU
// expect: ResidualWith<Shortcut, layers...>: the first argument must be PoolShortcut, SubsampleShortcut or ProjectionShortcut
// expect: StochasticDepth<Block, Schedule>: only a Residual block has a shortcut to take when it is skipped; for several blocks write Repeat<N,
// expect: StochasticDepth<Block, Schedule>: the schedule must be
// expect: Repeat<N, Block>: the number of blocks must be positive
// expect: Repeat<N, Block>: the block must be a Residual or a StochasticDepth block
// expect: LinearDecay<p_L>: the survival probability of the last block must lie in [0, 1]
// expect: Uniform<p>: the survival probability must lie in [0, 1]
// expect: FixedGates<b_1, ..., b_L>: every gate must be 0 (closed) or 1 (open)
// expect: Early<Schedule, E>, Late<Schedule, E>, WarmUp<Schedule, E>: the first argument must be a schedule, such as LinearDecay<0.5>
// expect: Early<Schedule, E>, Late<Schedule, E>, WarmUp<Schedule, E>: E must be a fraction of the run, from 0 to 1
// A network for each mistake that a word can have, some in several words: each mistake is said once.
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/over_time.hpp>
#include <sdepth/schedule/schedules.hpp>

using namespace sdepth;

struct WholeNumbers {
  static constexpr int survival(int l, int L) { return 1 - l / L; }
};
#ifdef PASS
template <class Right, class Wrong>
using Either = Right;
constexpr int zero = 1, minus = 1, two = 1;
constexpr double p = 0.5, below = 0;
#else
template <class Right, class Wrong>
using Either = Wrong;
constexpr int zero = 0, minus = -1, two = 2;
constexpr double p = 1.5, below = -0.1;
#endif

template <int C>
using Block = Residual<Conv<C>, BN>;
template <int Channels, class... Words>
using Net = Network<Input<3, 8, 8>, Conv<Channels>, BN, ReLU, Words..., GlobalAvgPool, Linear<10>>;
template <class... Networks>
constexpr bool all =
    ((Networks::residual_blocks >= 0 && Networks::parameter_count > 0 && Networks::output.pixels() == 1) &&
     ...);

static_assert(all<Network<Input<3, minus, 8>, Conv<4>, GlobalAvgPool, Linear<10>>>);
static_assert(all<Net<4, Residual<Conv<4, zero>>, Residual<Conv<8, zero>>>>);
static_assert(all<Net<4, Repeat<2, Residual<Conv<4, 3, zero>>>, Residual<Conv<8, 3, minus>>>>);
static_assert(all<Net<4, Conv<4, 3, 1, Bias::none, minus>>>);
static_assert(all<Net<4, Linear<zero>>, Net<4, Linear<minus>>>);
static_assert(all<Net<4, MaxPool<zero>>, Net<4, AvgPool<2, minus>>>);
static_assert(all<Net<4, AvgPool<2, 2, two>>>);
static_assert(all<Net<4, Dropout<p>, Residual<Conv<4>, Dropout<p>>>>);
static_assert(all<Net<4, Either<Residual<Conv<4>>, Residual<>>>>);
static_assert(all<Net<4, Residual<Conv<4>, Either<BN, Uniform<0.5>>>,
                      Residual<Either<BN, ProjectionShortcut>, Conv<4>>>>);
static_assert(all<Net<4, Either<Residual<Conv<4>, BN>, ResidualWith<Conv<4>, BN>>>>);
static_assert(all<Net<4, Either<Block<4>, StochasticDepth<Repeat<2, Block<4>>, Uniform<0.5>>>,
                      Either<Block<4>, StochasticDepth<LinearDecay<0.5>, Block<4>>>>>);
static_assert(all<Net<4, Repeat<2, StochasticDepth<Block<4>, Either<LinearDecay<0.5>, WholeNumbers>>>,
                      Either<Block<4>, StochasticDepth<Block<4>>>>>);
static_assert(
    all<Net<4, Repeat<zero, Block<4>>>, Net<4, Repeat<minus, StochasticDepth<Block<4>, LinearDecay<0.5>>>>>);
static_assert(all<Net<4, Repeat<2, Either<Block<4>, Conv<4>>>>,
                  Net<4, Repeat<2, Either<Block<4>, Repeat<2, Block<4>>>>>>);
static_assert(all<Net<4, Repeat<3, StochasticDepth<Block<4>, LinearDecay<p>>>,
                      StochasticDepth<Block<8>, LinearDecay<p>>>>);
static_assert(all<Net<4, Repeat<3, StochasticDepth<Block<4>, Uniform<p>>>>>);
static_assert(all<Net<4, Repeat<2, StochasticDepth<Block<4>, FixedGates<1, two>>>>>);
static_assert(all<Net<4, Repeat<2, StochasticDepth<Block<4>, Early<Either<LinearDecay<0.5>, Block<4>>, 0.5>>>,
                      StochasticDepth<Block<4>, WarmUp<Either<Uniform<0.5>, double>, 0.5>>>>);
static_assert(all<Net<4, StochasticDepth<Block<4>, Late<LinearDecay<0.5>, p>>,
                      StochasticDepth<Block<4>, Early<Uniform<0.5>, below>>>>);
static_assert(all<Net<4, StochasticDepth<Block<4>, Early<WarmUp<LinearDecay<p>, 0.5>, 0.5>>>>);
