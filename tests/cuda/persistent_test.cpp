// Blocks of one shape in one launch: the bits of the launches it stands for, whatever is skipped.
#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include <sdepth/cuda.hpp>
#include <sdepth/layers/blocks.hpp>

namespace sdepth::test::persistent_test {
namespace {

template <int C, int Stride = 1>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>, LinearDecay<0.5>>;
using Net = Network<Input<3, 4, 4>, Conv<32>, BN, ReLU, Repeat<9, Drop<32>>, Drop<64, 2>, Repeat<2, Drop<64>>,
                    GlobalAvgPool, Linear<5>>;
using Device = Cuda<>;
constexpr int batch = 5;

static_assert(cuda::has_runs({{64, 8, 8}, 64, 3, 1, 1}) && cuda::has_runs({{32, 16, 16}, 32, 3, 1, 1}));
static_assert(!cuda::has_runs({{16, 32, 32}, 16, 3, 1, 1}) && !cuda::has_runs({{32, 16, 16}, 64, 3, 2, 1}) &&
              !cuda::has_runs({{64, 8, 8}, 64, 1, 1, 0}));

struct Twins {
  Twins() { persistent.walk().context().use_persistent_blocks(true); }
  void step(const std::vector<std::uint8_t>& gates, int images = batch) {
    std::vector<float> values(static_cast<std::size_t>(images) * Net::input.size());
    std::vector<int> labels(static_cast<std::size_t>(images));
    for (float& value : values)
      value = static_cast<float>((seed_ = seed_ * 1664525U + 1013904223U) >> 8U) * 0x1p-24F - 0.5F;
    for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<int>(i % 5);
    CHECK(persistent.step(NHWC<float>{values}, labels, gates).loss ==
          plain.step(NHWC<float>{values}, labels, gates).loss);
  }
  [[nodiscard]] static TrainingOptions options() {
    TrainingOptions all;
    all.batch = batch;
    all.threads = 1;
    return all;
  }
  [[nodiscard]] static std::vector<float> state(Trainer<Net, Device>& trainer) {
    const auto& weights = std::as_const(*trainer.weights());
    std::vector<float> all(weights.parameters().data(),
                           weights.parameters().data() + weights.parameters().size());
    all.insert(all.end(), weights.running().data(), weights.running().data() + weights.running().size());
    return all;
  }
  Trainer<Net, Device> persistent{options()}, plain{options()};

 private:
  std::uint32_t seed_ = 1;
};

TEST_CASE(
    "a run of blocks in one launch has the bits of its launches, with blocks skipped and images missing") {
  Twins twins;
#if !defined(__CUDACC__)
  constexpr int most = cuda::ConvForwardRunOperands<float>::most;
  static_assert(4 <= most && most < 18);
  const auto cooperative_launches_of = [&](const std::vector<std::uint8_t>& gates, int images = batch) {
    const std::size_t before = emulation::counts().cooperative_launches;
    twins.step(gates, images);
    return emulation::counts().cooperative_launches - before;
  };
#else
  const auto cooperative_launches_of = [&](const std::vector<std::uint8_t>& gates, int images = batch) {
    twins.step(gates, images);
    return std::size_t{gates[10] + gates[11] ? 3U : gates[0] ? 1U : 0U};
  };
#endif
  CHECK(cooperative_launches_of({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}) == 3);     // 18 and 4 stages
  CHECK(cooperative_launches_of({1, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0}, 3) == 1);  // 6 and none
  CHECK(cooperative_launches_of({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) == 0);
  CHECK(cooperative_launches_of({1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1}, 1) == 3);
  CHECK(Twins::state(twins.persistent) == Twins::state(twins.plain));
}

#if !defined(__CUDACC__)
TEST_CASE("where its blocks are not all on the device at the same time, every block is launched as ever") {
  const emulation::Settings before = emulation::settings();
  emulation::settings().blocks_on_multiprocessor = 0;
  Twins twins;
  const std::size_t launches = emulation::counts().cooperative_launches;
  twins.step({1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK(emulation::counts().cooperative_launches == launches);
  CHECK(Twins::state(twins.persistent) == Twins::state(twins.plain));
  emulation::settings() = before;
}
#endif

}  // namespace
}  // namespace sdepth::test::persistent_test
