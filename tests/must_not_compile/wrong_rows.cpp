// expect: Network<Input, layers...>: the first argument must be the shape of an image, Input<channels, height, width>
// expect: Network<Input, layers...>: a network needs at least one layer
// expect: Network<Input, layers...>: every argument after Input must be a layer such as Conv<16>, BN or Repeat<3, Block>
// expect: StochasticDepth: the compiler cannot compute the schedule's probabilities; its survival(l, L) must be constexpr
// expect: CifarResNet: a group needs at least 2 blocks, so a network at least 14 layers
// expect: CifarResNet<Layers>: the number of layers must be 6 N + 2, such as 20, 56 or 110
// A network for each mistake that a row of words can have.
#include <sdepth/models/cifar_resnet.hpp>

using namespace sdepth;

// Has what a layer is asked for, but no stages.
struct Swish {
  static constexpr ShapeError check(Shape) { return ShapeError::none; }
  static constexpr Shape output(Shape in) { return in; }
};
struct AtRunTime {
#ifdef PASS
  static constexpr double survival(int l, int L) { return 1.0 / (l + L); }
#else
  static double survival(int l, int L) { return 1.0 / (l + L); }
#endif
};
#ifdef PASS
template <class Right, class Wrong>
using Either = Right;
constexpr int shallow = 14, odd = 20;
#else
template <class Right, class Wrong>
using Either = Wrong;
constexpr int shallow = 8, odd = 21;
#endif

using In = Input<3, 8, 8>;
using Drop = StochasticDepth<Residual<Conv<8>, BN>, LinearDecay<0.5>>;
template <class... Networks>
constexpr bool all = ((Networks::residual_blocks >= 0 && Networks::parameter_count > 0) && ...);

static_assert(all<Either<Network<In, Conv<8>, BN, ReLU, Drop, Linear<10>>,
                         Network<Conv<8>, BN, ReLU, Drop, Linear<10>>>>);
static_assert(all<Either<Network<In, Linear<10>>, Network<In>>>);
static_assert(all<Network<In, Either<ReLU, Swish>, Conv<8>, BN, ReLU, Repeat<3, Drop>, Either<ReLU, int>,
                          GlobalAvgPool, Linear<10>>>);
static_assert(all<Network<In, Conv<8>, BN, ReLU, Repeat<3, StochasticDepth<Residual<Conv<8>>, AtRunTime>>,
                          Linear<10>>>);
static_assert(all<CifarResNet<shallow>>);
static_assert(all<CifarResNet<odd>>);
