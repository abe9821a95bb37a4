// expect: images: wrap the numbers, which do not say their order themselves: step(NHWC<float>{images}, labels), or NCHW
#include <vector>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/train/block_removal.hpp>

using namespace sdepth;
using Net = Network<Input<3, 8, 8>, Conv<4>, ReLU, GlobalAvgPool, Linear<10>>;

void run(const Weights<Net, Reference>& weights, const std::vector<float>& images,
         const std::vector<int>& labels) {
#ifdef PASS
  (void)score_at_depth(weights, {}, NHWC<float>{images}, labels);
#else
  (void)score_at_depth(weights, {}, images, labels);
#endif
}
