// Pre-activation ResNets: BN and ReLU before each convolution, nothing after the sum, so that shortcuts lead
// from the stem to the head.
#pragma once

#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/models/imagenet_resnet.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// BN–ReLU–3×3, twice. Where the shape changes, `Shortcut` is of the block's input, before its first BN.
template <class Shortcut, int Channels, int Stride = 1>
using PreActivationBasicBlock =
    PreActivationWith<Shortcut, BN, ReLU, Conv<Channels, 3, Stride>, BN, ReLU, Conv<Channels>>;

/// BN–ReLU–1×1, BN–ReLU–3×3 with the stride, BN–ReLU–1×1, with a quarter of the channels inside.
template <class Shortcut, int Channels, int Stride = 1>
using PreActivationBottleneck = PreActivationWith<Shortcut, BN, ReLU, Conv<Channels / 4, 1>, BN, ReLU,
                                                  Conv<Channels / 4, 3, Stride>, BN, ReLU, Conv<Channels, 1>>;

/// The CIFAR ResNet of 6N + 2 layers with pre-activation blocks and the paper's shortcuts. Parameters as of
/// CifarResNetOf. Source: He et al., "Identity Mappings in Deep Residual Networks", ECCV 2016.
template <class Image, int Classes, int BlocksPerGroup, class Schedule = LinearDecay<0.5>,
          Gating Gates = Gating::per_batch>
struct PreActivationCifarResNetOf {
  static_assert(BlocksPerGroup >= 2,
                "PreActivationCifarResNet: a group needs at least 2 blocks, so a network at least 14 layers");
  static constexpr int n = BlocksPerGroup >= 2 ? BlocksPerGroup : 2;
  template <int Channels, int Stride = 1>
  using Block = StochasticDepth<PreActivationBasicBlock<PoolShortcut, Channels, Stride>, Schedule, Gates>;
  using type = Network<Image, Conv<16>, Repeat<n, Block<16>>,   //
                       Block<32, 2>, Repeat<n - 1, Block<32>>,  //
                       Block<64, 2>, Repeat<n - 1, Block<64>>, BN, ReLU, GlobalAvgPool, Linear<Classes>>;
};
/// The same by its number of layers.
template <int Layers, class Image = Input<3, 32, 32>, int Classes = 10, class Schedule = LinearDecay<0.5>,
          Gating Gates = Gating::per_batch>
using PreActivationCifarResNet =
    typename PreActivationCifarResNetOf<Image, Classes, CifarBlocksPerGroup<Layers>::value, Schedule,
                                        Gates>::type;

/// The ImageNet ResNet of given layers with pre-activation blocks; the shortcut is a 1×1 convolution with a
/// BN where the shape changes.
template <class Image, int Classes, ResNetLayers Layers, int Width, class Schedule, Gating Gates>
struct PreActivationImageNetResNetOf {
  template <int Channels, int Stride = 1>
  using Block =
      StochasticDepth<PreActivationBasicBlock<ProjectionShortcut, Channels, Stride>, Schedule, Gates>;
  using type = Network<Image, Conv<Width, 7, 2>, BN, ReLU, MaxPool<3, 2, 1>,              //
                       Repeat<Layers.layer1, Block<Width>>,                               //
                       Block<2 * Width, 2>, Repeat<Layers.layer2 - 1, Block<2 * Width>>,  //
                       Block<4 * Width, 2>, Repeat<Layers.layer3 - 1, Block<4 * Width>>,  //
                       Block<8 * Width, 2>, Repeat<Layers.layer4 - 1, Block<8 * Width>>, BN, ReLU,
                       GlobalAvgPool, Linear<Classes>>;
};
template <class Image, int Classes, ResNetLayers Layers, int Width, class Schedule, Gating Gates>
  requires(Layers.bottlenecks)
struct PreActivationImageNetResNetOf<Image, Classes, Layers, Width, Schedule, Gates> {
  template <int Channels, int Stride = 1>
  using Block =
      StochasticDepth<PreActivationBottleneck<ProjectionShortcut, 4 * Channels, Stride>, Schedule, Gates>;
  using type = Network<Image, Conv<Width, 7, 2>, BN, ReLU, MaxPool<3, 2, 1>,              //
                       Block<Width>, Repeat<Layers.layer1 - 1, Block<Width>>,             //
                       Block<2 * Width, 2>, Repeat<Layers.layer2 - 1, Block<2 * Width>>,  //
                       Block<4 * Width, 2>, Repeat<Layers.layer3 - 1, Block<4 * Width>>,  //
                       Block<8 * Width, 2>, Repeat<Layers.layer4 - 1, Block<8 * Width>>, BN, ReLU,
                       GlobalAvgPool, Linear<Classes>>;
};

/// The ImageNet ResNet of 18, 34, 50, 101 or 152 layers with pre-activation blocks. Parameters as of
/// ImageNetResNet; tensors are named like its, and the norm behind the last block is bn2. Source: He et al.,
/// "Identity Mappings in Deep Residual Networks", ECCV 2016; the stem as in the authors' fb.resnet.torch,
/// preresnet.lua.
template <int Layers, class Image = Input<3, 224, 224>, int Classes = 1000, class Schedule = LinearDecay<0.5>,
          Gating Gates = Gating::per_batch>
struct PreActivationImageNetResNet
    : WithTorchvisionNames<typename PreActivationImageNetResNetOf<
                               Image, Classes, CheckedResNetLayers<Layers>::value, 64, Schedule, Gates>::type,
                           CheckedResNetLayers<Layers>::value> {};

}  // namespace sdepth::inline SDEPTH_ISA
