// train: trains one of the CIFAR ResNets on real pictures, by the recipe of the paper or another. All of the
// program is sdepth/program; here are the networks, a .cpp for each shape of pictures, precision and device.
#include <sdepth/program/train.hpp>

#include "networks.hpp"

int main(int argc, char** argv) {
  using namespace programs;
  return sdepth::program::train(argc, argv,
                                {gray_networks(), colour_networks(), bfloat16_networks(), cuda_networks()},
                                {.model = "resnet20", .schedule = "linear"});
}
