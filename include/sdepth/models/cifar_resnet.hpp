// The CIFAR ResNets of the paper: 6N + 2 layers in three groups of N blocks, each block in a StochasticDepth.
#pragma once

#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// f_l of the CIFAR ResNets: two 3×3 convolutions. Stride 2 in the first of a group.
template <int Channels, int Stride = 1, class Shortcut = PoolShortcut>
using BasicBlock = ResidualWith<Shortcut, Conv<Channels, 3, Stride>, BN, ReLU, Conv<Channels>, BN>;

/// A ResNet of 6·`BlocksPerGroup` + 2 layers with 16, 32 and 64 channels.
///
/// @tparam Image     Input<C, H, W>, H and W divisible by 4
/// @tparam Schedule  survival probabilities, replaceable at run time (Trainer::set_survival); Uniform<1.0> is
///                   the constant-depth network
/// @tparam Gates     a gate for the batch, as in the paper, or one for each image
/// @tparam Shortcut  where the shape changes; SubsampleShortcut is option A of public CIFAR ResNets, whose
///                   weights load by their names
/// Source: He et al., CVPR 2016, section 4.2; Huang et al., ECCV 2016, section 4.
template <class Image, int Classes, int BlocksPerGroup, class Schedule = LinearDecay<0.5>,
          Gating Gates = Gating::per_batch, class Shortcut = PoolShortcut>
struct CifarResNetOf {
  static_assert(BlocksPerGroup >= 2,
                "CifarResNet: a group needs at least 2 blocks, so a network at least 14 layers");
  // behind that error, nothing may be wrong
  static constexpr int n = BlocksPerGroup >= 2 ? BlocksPerGroup : 2;
  template <int Channels, int Stride = 1>
  using Block = StochasticDepth<BasicBlock<Channels, Stride, Shortcut>, Schedule, Gates>;
  using type = Network<Image, Conv<16>, BN, ReLU,               //
                       Repeat<n, Block<16>>,                    //
                       Block<32, 2>, Repeat<n - 1, Block<32>>,  //
                       Block<64, 2>, Repeat<n - 1, Block<64>>, GlobalAvgPool, Linear<Classes>>;
};

/// N of a ResNet of 6N + 2 layers.
template <int Layers>
struct CifarBlocksPerGroup {
  static_assert(Layers < 14 || (Layers - 2) % 6 == 0,
                "CifarResNet<Layers>: the number of layers must be 6 N + 2, such as 20, 56 or 110");
  static constexpr int value = (Layers - 2) / 6;
};

/// The same by its number of layers: CifarResNet<110> is the paper's.
template <int Layers, class Image = Input<3, 32, 32>, int Classes = 10, class Schedule = LinearDecay<0.5>,
          Gating Gates = Gating::per_batch, class Shortcut = PoolShortcut>
using CifarResNet = typename CifarResNetOf<Image, Classes, CifarBlocksPerGroup<Layers>::value, Schedule,
                                           Gates, Shortcut>::type;

}  // namespace sdepth::inline SDEPTH_ISA
