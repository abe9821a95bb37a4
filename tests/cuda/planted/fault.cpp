// A kernel fails in the first of two tests, under the main program of the tests on a device: both must be
// reported as failed, with the reason, and the program must come to its end, whatever was alive when the
// device was lost.
#include <doctest/doctest.h>

#include <vector>

#include <sdepth/cuda.hpp>
#include <sdepth/layers/blocks.hpp>

namespace sdepth::test {
namespace {

struct Numbers {
  float* out = nullptr;
  friend bool operator==(const Numbers&, const Numbers&) = default;
};
template <int dummy>
__global__ void never_meets(const Numbers) {
  if (threadIdx.x == 0) __syncthreads();
}

TEST_CASE("a kernel fails while a trainer, an upload and a step are alive") {
  emulation::settings().sticky = true;
  using Net = Network<Input<3, 4, 4>, Conv<8>, BN, ReLU, Repeat<2, Residual<Conv<8>, BN, ReLU, Conv<8>, BN>>,
                      GlobalAvgPool, Linear<4>>;
  TrainingOptions options;
  options.batch = 2;
  options.threads = 1;
  Trainer<Net, Cuda<>> trainer(options);
  const std::vector<float> images(2 * Net::input.size());
  const std::vector<int> labels(2);
  const auto started = trainer.start(NHWC<float>{images}, labels);
  std::vector<float> numbers(100);
  trainer.walk().context().launch({}, never_meets<0>, cuda::Grid{.threads = 2}, Numbers{numbers.data()});
  static_cast<void>(trainer.finish(started));
}

TEST_CASE("another test comes later") {
  const std::vector<float> memory(100000);
  cuda::Context context;
  context.synchronize();
}

}  // namespace
}  // namespace sdepth::test
