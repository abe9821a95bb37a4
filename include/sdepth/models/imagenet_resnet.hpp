// The ImageNet ResNets, with torchvision's architecture and names of tensors: its weights load as they are,
// and it loads ours.
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// How many blocks stand in the four layers (torchvision's word for a group of blocks of one width), and of
/// which kind they are.
struct ResNetLayers {
  int layer1 = 2, layer2 = 2, layer3 = 2, layer4 = 2;
  bool bottlenecks = false;

  [[nodiscard]] constexpr bool sound() const noexcept {
    return layer1 > 1 && layer2 > 1 && layer3 > 1 && layer4 > 1;
  }
};

/// The layers of the ResNets of 18, 34, 50, 101 and 152 layers. Source: He et al., CVPR 2016, table 1.
[[nodiscard]] constexpr ResNetLayers resnet_layers(int layers) noexcept {
  switch (layers) {
    case 18:
      return {2, 2, 2, 2, false};
    case 34:
      return {3, 4, 6, 3, false};
    case 50:
      return {3, 4, 6, 3, true};
    case 101:
      return {3, 4, 23, 3, true};
    case 152:
      return {3, 8, 36, 3, true};
    default:
      return {0, 0, 0, 0, false};
  }
}

/// Two 3×3 convolutions; the shortcut is a 1×1 convolution where the shape changes. Stride 2 in the first
/// block of a layer.
template <int Channels, int Stride = 1>
using ProjectedBasicBlock =
    ResidualWith<ProjectionShortcut, Conv<Channels, 3, Stride>, BN, ReLU, Conv<Channels>, BN>;

/// 1×1, 3×3 and 1×1 convolutions, with a quarter of the channels inside. The stride is the 3×3 convolution's,
/// as torchvision has it (its "ResNet v1.5"; the paper's is the first convolution's).
template <int Channels, int Stride = 1>
using Bottleneck = ResidualWith<ProjectionShortcut, Conv<Channels / 4, 1>, BN, ReLU,
                                Conv<Channels / 4, 3, Stride>, BN, ReLU, Conv<Channels, 1>, BN>;

/// torchvision's name of one of the network's tensors: `layer2.0.conv1.weight` for `blocks.3.conv1.weight`,
/// `downsample.0` for `shortcut.conv`.
[[nodiscard]] inline std::string torchvision_name(const ResNetLayers& layers, const std::string& name) {
  const std::string ours = "blocks.";
  if (!name.starts_with(ours)) return name;
  std::size_t end = 0;
  int block = std::stoi(name.substr(ours.size()), &end), layer = 1;
  for (const int count : {layers.layer1, layers.layer2, layers.layer3}) {
    if (block < count) break;
    block -= count;
    ++layer;
  }
  std::string rest = name.substr(ours.size() + end);
  if (const std::string conv = ".shortcut.conv"; rest.starts_with(conv))
    rest.replace(0, conv.size(), ".downsample.0");
  if (const std::string bn = ".shortcut.bn"; rest.starts_with(bn))
    rest.replace(0, bn.size(), ".downsample.1");
  return "layer" + std::to_string(layer) + "." + std::to_string(block) + rest;
}

/// A network whose tensors have torchvision's names.
template <class Net, ResNetLayers Layers>
struct WithTorchvisionNames : Net {
  [[nodiscard]] static std::vector<ParameterInfo> parameters(int lanes) {
    std::vector<ParameterInfo> tensors = Net::parameters(lanes);
    for (ParameterInfo& tensor : tensors) tensor.name = torchvision_name(Layers, tensor.name);
    return tensors;
  }
};

/// The network of given layers: a 7×7 convolution of stride 2 and a pool, then the blocks, which halve the
/// extents three times. Layer i has Width·2^(i−1) channels inside its blocks, and of bottlenecks four times
/// as many between them.
template <class Image, int Classes, ResNetLayers Layers, int Width, class Schedule, Gating Gates>
struct ImageNetResNetOf {
  template <int Channels, int Stride = 1>
  using Block = StochasticDepth<ProjectedBasicBlock<Channels, Stride>, Schedule, Gates>;
  using type = Network<Image, Conv<Width, 7, 2>, BN, ReLU, MaxPool<3, 2, 1>,              //
                       Repeat<Layers.layer1, Block<Width>>,                               //
                       Block<2 * Width, 2>, Repeat<Layers.layer2 - 1, Block<2 * Width>>,  //
                       Block<4 * Width, 2>, Repeat<Layers.layer3 - 1, Block<4 * Width>>,  //
                       Block<8 * Width, 2>, Repeat<Layers.layer4 - 1, Block<8 * Width>>, GlobalAvgPool,
                       Linear<Classes>>;
};
/// The first block of layer 1 changes the number of channels, too.
template <class Image, int Classes, ResNetLayers Layers, int Width, class Schedule, Gating Gates>
  requires(Layers.bottlenecks)
struct ImageNetResNetOf<Image, Classes, Layers, Width, Schedule, Gates> {
  template <int Channels, int Stride = 1>
  using Block = StochasticDepth<Bottleneck<4 * Channels, Stride>, Schedule, Gates>;
  using type = Network<Image, Conv<Width, 7, 2>, BN, ReLU, MaxPool<3, 2, 1>,              //
                       Block<Width>, Repeat<Layers.layer1 - 1, Block<Width>>,             //
                       Block<2 * Width, 2>, Repeat<Layers.layer2 - 1, Block<2 * Width>>,  //
                       Block<4 * Width, 2>, Repeat<Layers.layer3 - 1, Block<4 * Width>>,  //
                       Block<8 * Width, 2>, Repeat<Layers.layer4 - 1, Block<8 * Width>>, GlobalAvgPool,
                       Linear<Classes>>;
};

/// The layers of a ResNet by its number of layers, or a compile error that lists them.
template <int Layers>
struct CheckedResNetLayers {
  static_assert(resnet_layers(Layers).sound(), "ResNets of ImageNet have 18, 34, 50, 101 or 152 layers");
  static constexpr ResNetLayers value =
      resnet_layers(Layers).sound() ? resnet_layers(Layers) : ResNetLayers{};
};

/// The ResNet of ImageNet with 18, 34, 50, 101 or 152 layers and stochastic depth: ImageNetResNet<152> is the
/// paper's.
///
///     using Net = ImageNetResNet<50, Input<3, 224, 224>, 37>;  // 37 classes of one's own
///
/// @tparam Image     Input<C, H, W> of any extents from 32 on; what strides do not divide is rounded up
/// @tparam Schedule  survival probabilities, replaceable at run time (Trainer::set_survival); Uniform<1.0> is
///                   the constant-depth network
/// @tparam Gates     a gate for the batch, as in the paper, or one for each image, as torchvision's
///                   stochastic_depth(mode="row")
/// Source: He et al., CVPR 2016; Huang et al., ECCV 2016, section 4; torchvision/models/resnet.py.
template <int Layers, class Image = Input<3, 224, 224>, int Classes = 1000, class Schedule = LinearDecay<0.5>,
          Gating Gates = Gating::per_batch>
struct ImageNetResNet
    : WithTorchvisionNames<typename ImageNetResNetOf<Image, Classes, CheckedResNetLayers<Layers>::value, 64,
                                                     Schedule, Gates>::type,
                           CheckedResNetLayers<Layers>::value> {};

/// torchvision's resnet18 … resnet152: constant depth, 3 × 224 × 224, 1,000 classes.
using ResNet18 = ImageNetResNet<18, Input<3, 224, 224>, 1000, Uniform<1.0>>;
using ResNet34 = ImageNetResNet<34, Input<3, 224, 224>, 1000, Uniform<1.0>>;
using ResNet50 = ImageNetResNet<50, Input<3, 224, 224>, 1000, Uniform<1.0>>;
using ResNet101 = ImageNetResNet<101, Input<3, 224, 224>, 1000, Uniform<1.0>>;
using ResNet152 = ImageNetResNet<152, Input<3, 224, 224>, 1000, Uniform<1.0>>;

}  // namespace sdepth::inline SDEPTH_ISA
