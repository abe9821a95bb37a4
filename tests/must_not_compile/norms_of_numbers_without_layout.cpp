// expect: images: wrap the numbers, which do not say their order themselves: step(NHWC<float>{images}, labels), or NCHW
#include <vector>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/train/norm_estimate.hpp>

using namespace sdepth;
using Net = Network<Input<3, 8, 8>, Conv<4>, ReLU, GlobalAvgPool, Linear<10>>;

void run(Weights<Net, Reference>& weights, const std::vector<float>& images) {
#ifdef PASS
  reestimate_norms(weights, NHWC<float>{images});
#else
  reestimate_norms(weights, images);
#endif
}
