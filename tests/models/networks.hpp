// The narrow ResNets that the oracles imagenet_*.safetensors and odd_extents.safetensors were made with.
#pragma once

#include <sdepth/models/imagenet_resnet.hpp>
#include <sdepth/models/preactivation_resnet.hpp>

#include "../train/pytorch.hpp"

namespace pytorch {

/// Strides divide neither 45 nor 37, nor most of what comes after.
using OddImage = Input<3, 45, 37>;
template <template <class, int, ResNetLayers, int, class, Gating> class Family, ResNetLayers Layers>
using Narrow =
    WithTorchvisionNames<typename Family<OddImage, 10, Layers, 4, LinearDecay<0.5>, Gating::per_batch>::type,
                         Layers>;

struct NarrowBasic : Narrow<ImageNetResNetOf, ResNetLayers{2, 2, 3, 2, false}> {};
struct NarrowBottleneck : Narrow<ImageNetResNetOf, ResNetLayers{2, 3, 2, 2, true}> {};
struct NarrowPreActivation : Narrow<PreActivationImageNetResNetOf, ResNetLayers{2, 2, 2, 2, false}> {};

/// The net of models.py's OddExtents: every kind of shortcut where the stride leaves a remainder.
using OddExtents =
    Network<Input<3, 30, 25>, Conv<8, 3, 2, Bias::none, 0>, BN, ReLU,
            Drop<ResidualWith<ProjectionShortcut, Conv<8, 3, 2>, BN, ReLU, Conv<8>, BN>>,
            Drop<Residual<Conv<12, 3, 2>, BN, ReLU, Conv<12>, BN>>,
            Drop<ResidualWith<SubsampleShortcut, Conv<16, 5, 2>, BN>>, GlobalAvgPool, Linear<10>>;

}  // namespace pytorch
