// expect: Residual: a parameter-free shortcut can add channels but not remove them
// expect: Conv: the kernel is larger than the padded input
// expect: Network<Input, layers...>: every argument after Input must be a layer such as Conv<16>, BN or Repeat<3, Block>
// expect: Conv<Channels, Kernel, Stride>: the number of output channels must be positive
// expect: StochasticDepth: the schedule gives a survival probability outside [0, 1]
// expect: to be trained and to predict, the network must end with one number per class; add GlobalAvgPool and Linear<classes>
// expect: to be trained, the network must end with one number per class, but it ends with features; add Linear<classes> at the end, or Conv<classes, 1>
// Networks with a mistake each, used as correct ones are: nothing is said of what follows from the mistake.
#include <sdepth/net.hpp>
#include <sdepth/network/training_memory.hpp>

using namespace sdepth;

template <class Net>
double use(const std::vector<float>& images, const std::vector<int>& labels) {
  Trainer<Net, Reference> trainer({.batch = 4});
  Score score = trainer.step(NHWC<float>{images}, labels);
  trainer.set_survival(Net::survival);
  score = trainer.evaluate(NHWC<float>{images}, labels, keep_blocks<Net>(drop_order_by_survival<Net>(), 1));
  trainer.parameter("conv1.weight") *= 2;
  Inference<Net, Reference> inference(trainer.weights());
  return score.loss + static_cast<double>(inference.predict(NHWC<float>{images})[0]) +
         Net::expected_operations_per_image + static_cast<double>(activation_table<Net>(4).always);
}

// Meant with another p.
struct Above {
#ifdef PASS
  static constexpr double survival(int, int) { return 0.5; }
#else
  static constexpr double survival(int, int) { return 1.5; }
#endif
};
#ifdef PASS
constexpr int channels = 8, side = 8, stem = 8;
template <class Right, class Wrong>
using Either = Right;
#else
constexpr int channels = 4, side = 2, stem = 0;
template <class Right, class Wrong>
using Either = Wrong;
#endif
using In = Input<3, 8, 8>;
template <int C, int Stride = 1>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>, LinearDecay<0.5>>;

double all(const std::vector<float>& images, const std::vector<int>& labels) {
  return use<Network<In, Conv<8>, BN, ReLU, Repeat<2, Drop<channels>>, GlobalAvgPool, Linear<10>>>(images,
                                                                                                   labels) +
         use<Network<Input<3, side, side>, Conv<8, 3, 1, Bias::none, 0>, BN, ReLU, Drop<16, 2>, GlobalAvgPool,
                     Linear<10>>>(images, labels) +
         use<Network<In, Either<ReLU, LinearDecay<0.5>>, Conv<8>, BN, ReLU, Drop<8>, GlobalAvgPool,
                     Linear<10>>>(images, labels) +
         use<Network<In, Conv<stem>, BN, ReLU, Drop<8>, GlobalAvgPool, Linear<10>>>(images, labels) +
         use<Network<In, Conv<8>, ReLU, StochasticDepth<Residual<Conv<8>>, Above>, GlobalAvgPool,
                     Linear<10>>>(images, labels) +
         use<Network<In, Conv<8>, BN, ReLU, Drop<8>, Either<GlobalAvgPool, ReLU>, Either<Linear<10>, ReLU>>>(
             images, labels) +
         // A convolution to classes, then GlobalAvgPool, is a classifier; the features of a block are not.
         use<Network<In, Conv<8>, BN, ReLU, Drop<8>, Either<Conv<10, 1, 1, Bias::learned>, ReLU>,
                     GlobalAvgPool>>(images, labels);
}
