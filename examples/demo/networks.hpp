// The one network of the demonstration, for gray pictures of Fashion-MNIST and the coloured ones of the
// procedural set.
#pragma once

#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/program/named_network.hpp>

using ForFashionMnist =
    sdepth::program::Choice<"resnet20", sdepth::CifarResNet<20, sdepth::Input<1, 28, 28>, 10>>;
using ForProcedural =
    sdepth::program::Choice<"resnet20", sdepth::CifarResNet<20, sdepth::Input<3, 32, 32>, 10>>;

/// The program's two halves, in a .cpp each: they compile side by side.
int train_network(int argc, char** argv);
int use_network(int argc, char** argv);
