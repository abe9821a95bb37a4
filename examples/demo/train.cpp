#include <sdepth/program/train.hpp>

#include "networks.hpp"

int train_network(int argc, char** argv) {
  return sdepth::program::train<ForFashionMnist, ForProcedural>(argc, argv);
}
