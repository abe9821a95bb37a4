// The networks of two programs that are disassembled. CLOSED is 1 or 0: with and without blocks whose gates
// are closed at compile time. Their branch has 24 channels inside, as nothing else has. Both networks have a
// closed block that changes the shape; its branch has 40 inside.
#pragma once

#include <vector>

#include <sdepth/net.hpp>

namespace disassembled {

using namespace sdepth;

template <int Inside, int Channels, class Schedule>
using Block = StochasticDepth<Residual<Conv<Inside>, BN, ReLU, Conv<Channels>, BN>, Schedule>;
template <class Schedule>
using Down = StochasticDepth<Residual<Conv<40, 3, 2>, BN, ReLU, Conv<32>, BN>, Schedule>;

/// Two blocks whose gates are drawn, one that is always open, one that is always closed, then `More`.
template <class Gates, class... More>
using NetWith = Network<Input<3, 16, 16>, Conv<16>, BN, ReLU, Repeat<2, Block<16, 16, LinearDecay<0.5>>>,
                        Block<16, 16, Gates>, Down<Gates>, More..., GlobalAvgPool, Linear<10>>;
#if CLOSED
using Gates = FixedGates<1, 1, 1, 0, 0, 0, 0, 0>;
using Net = NetWith<Gates, Repeat<3, Block<24, 32, Gates>>, Block<24, 32, Gates>>;
#else
using Net = NetWith<FixedGates<1, 1, 1, 0>>;
#endif

/// A whole training step, in a file of its own: what is inlined into it must not depend on what else its file
/// holds.
Score training_step(Trainer<Net, Cpu<>>& trainer, const std::vector<float>& images,
                    const std::vector<int>& labels);

}  // namespace disassembled
