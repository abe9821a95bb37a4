#include <sdepth/program/infer.hpp>

#include "networks.hpp"

int use_network(int argc, char** argv) {
  return sdepth::program::infer<ForFashionMnist, ForProcedural>(argc, argv);
}
