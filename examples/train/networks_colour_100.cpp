// The networks for pictures of 3 x 32 x 32 in 100 classes: CIFAR-100.
#include <sdepth/kernels/cpu/cpu.hpp>

#include "learner_of.hpp"

namespace programs {

NetworkFacts colour_100_network_facts(const std::string& model) { return network_facts<Colour, 100, sdepth::Cpu<>::lanes>(model); }

std::unique_ptr<Learner> make_colour_100_learner(const std::string& model, const sdepth::TrainingOptions& options) {
  return make_learner<Colour, 100, sdepth::Cpu<>>(model, options);
}

}  // namespace programs
