// The headers as a source of somebody else's program sees them: with macros of other libraries, with warnings that we do not ask for. What is a template is
// instantiated.
#include <sdepth/net.hpp>

#include <sdepth/data/augment.hpp>
#include <sdepth/data/catalog.hpp>
#include <sdepth/data/loader.hpp>
#include <sdepth/data/synthetic.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/io/csv.hpp>
#include <sdepth/io/machine_memory.hpp>
#include <sdepth/io/npy.hpp>
#include <sdepth/io/report.hpp>
#include <sdepth/io/weights.hpp>

namespace {

using namespace sdepth;

template <Gating Gates>
using Drop = StochasticDepth<PreActivation<BN, ReLU, Conv<8>, BN, ReLU, Conv<8>>, Uniform<0.5>, Gates>;
template <Gating Gates>
using PerSample = Network<Input<3, 8, 8>, Conv<8>, MaxPool<2>, Repeat<2, Drop<Gates>>, BN, ReLU, GlobalAvgPool, Linear<4>>;
using Net = CifarResNet<14, Input<3, 16, 16>, 4>;

}  // namespace

template class sdepth::Trainer<Net, sdepth::Cpu<>>;
template class sdepth::Trainer<Net, sdepth::Reference>;
template class sdepth::Trainer<PerSample<Gating::per_batch>, sdepth::BasicReference<double>>;
template class sdepth::Trainer<PerSample<Gating::per_sample>, sdepth::Cpu<>>;
template class sdepth::Inference<Net, sdepth::Cpu<>>;

#if defined(HAS_MACROS) && (!defined(I) || !defined(Success) || !defined(True) || !defined(index) || !defined(slots) || !defined(Complex))
#error "a macro that was defined before sdepth's headers is not defined any more behind them"
#endif
