// The headers as a source of somebody else's program sees them: with macros of other libraries, with warnings
// that we do not ask for. What is a template is instantiated.
#include <sdepth/net.hpp>

#include <sdepth/data/augment.hpp>
#include <sdepth/data/catalog.hpp>
#include <sdepth/data/loader.hpp>
#include <sdepth/data/synthetic.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/machine_memory.hpp>
#include <sdepth/io/npy.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/program/report.hpp>

namespace {

using namespace sdepth;

template <Gating Gates>
using Drop = StochasticDepth<PreActivation<BN, ReLU, Conv<8>, BN, ReLU, Conv<8>>, Uniform<0.5>, Gates>;
template <Gating Gates>
using PerSample =
    Network<Input<3, 8, 8>, Conv<8>, MaxPool<2>, Repeat<2, Drop<Gates>>, BN, ReLU, GlobalAvgPool, Linear<4>>;
using Net = CifarResNet<14, Input<3, 16, 16>, 4>;

/// What a program does with a network, each member that is a template included.
template <class Network, class Backend>
double uses(const std::vector<float>& images, const std::vector<int>& labels) {
  Trainer<Network, Backend> trainer({.batch = 8, .seed = 1});
  double sum =
      trainer.step(NHWC<float>{images}, labels).loss + trainer.step(NCHW<float>{images}, labels).loss;
  sum += trainer.evaluate(NHWC<float>{images}, labels).loss +
         static_cast<double>(trainer.predict(NHWC<float>{images})[0]);
  Inference<Network, Backend> inference(trainer.weights());
  return sum + static_cast<double>(inference.predict(NHWC<float>{images})[0]);
}

}  // namespace

double uses_of_all(const std::vector<float>& images, const std::vector<int>& labels);
double uses_of_all(const std::vector<float>& images, const std::vector<int>& labels) {
  return uses<Net, Cpu<>>(images, labels) + uses<Net, Reference>(images, labels) +
         uses<PerSample<Gating::per_batch>, BasicReference<double>>(images, labels) +
         uses<PerSample<Gating::per_sample>, Cpu<>>(images, labels);
}

template class sdepth::Trainer<Net, sdepth::Cpu<>>;

#if defined(HAS_MACROS) && (!defined(I) || !defined(Success) || !defined(True) || !defined(index) || \
                            !defined(slots) || !defined(Complex))
#error "a macro that was defined before sdepth's headers is not defined any more behind them"
#endif
