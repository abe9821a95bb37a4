// The networks for pictures of 3 x 32 x 32: CIFAR-10, SVHN and the synthetic set in 10 classes, CIFAR-100 in 100. They differ in the last layer alone.
#include <sdepth/kernels/cpu/cpu.hpp>

#include "learner_of.hpp"

namespace programs {

NetworkFacts colour_network_facts(const std::string& model) { return network_facts<Colour, 10, sdepth::Cpu<>::lanes>(model); }
NetworkFacts colour_100_network_facts(const std::string& model) { return network_facts<Colour, 100, sdepth::Cpu<>::lanes>(model); }

std::unique_ptr<Learner> make_colour_learner(const std::string& model, const sdepth::TrainingOptions& options) {
  return make_learner<Colour, 10, sdepth::Cpu<>>(model, options);
}
std::unique_ptr<Learner> make_colour_100_learner(const std::string& model, const sdepth::TrainingOptions& options) {
  return make_learner<Colour, 100, sdepth::Cpu<>>(model, options);
}

}  // namespace programs
