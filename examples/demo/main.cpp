// demo: what cmake/demo.cmake runs. It is `train` and, called as `demo infer`, `infer`, of one network
// instead of many: that builds in a fraction of the time.
#include <string_view>

#include "networks.hpp"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "infer") return use_network(argc - 1, argv + 1);
  return train_network(argc, argv);
}
