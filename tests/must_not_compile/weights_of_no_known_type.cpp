// expect: Inference: folded weights are stored as the backend's own numbers (float), as bfloat16 or as float16
#include <vector>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/run/inference.hpp>

using namespace sdepth;
using Net = Network<Input<3, 8, 8>, Conv<4>, ReLU, GlobalAvgPool, Linear<10>>;

#ifdef PASS
using Weight = float16;
#else
using Weight = short;
#endif
std::vector<float> run(Inference<Net, Reference, Weight>& inference, const std::vector<float>& images) {
  return inference.predict(NHWC<float>{images});
}
