// The network, and its pictures, that training in bfloat16 is tested with: rounded to nearest, and stochastically.
#pragma once

#include <cstddef>
#include <random>
#include <vector>

#include <sdepth/net.hpp>

namespace bfloat16_network {

using namespace sdepth;

using ReferenceBfloat16 = BasicReference<float, bfloat16>;
template <int C, int Stride = 1, Gating Gates = Gating::per_batch>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C, 3>, BN>, LinearDecay<0.5>, Gates>;
/// Channels that fill no vector, kernels of both kinds, pools, a dropout, and blocks that are skipped.
template <Gating Gates = Gating::per_batch>
using Net = Network<Input<3, 12, 12>, Conv<20>, BN, ReLU, Repeat<2, Drop<20, 1, Gates>>, MaxPool<2>,
                    Dropout<0.2>, Drop<36, 2, Gates>, GlobalAvgPool, Linear<7>>;

inline constexpr int batch = 20;

struct Data {
  std::vector<float> images;
  std::vector<int> labels;
};
template <class Net>
[[nodiscard]] Data some_data() {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  Data data{std::vector<float>(batch * Net::input.size()), {}};
  for (float& number : data.images) number = normal(random);
  for (int n = 0; n < batch; ++n) data.labels.push_back(n % 7);
  return data;
}

}  // namespace bfloat16_network
