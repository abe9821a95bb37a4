// The networks for gray pictures of 28 x 28 pixels in 10 classes: Fashion-MNIST.
#include <sdepth/kernels/cpu/cpu.hpp>

#include "learner_of.hpp"

namespace programs {

NetworkFacts gray_network_facts(const std::string& model) { return network_facts<Gray, 10, sdepth::Cpu<>::lanes>(model); }

std::unique_ptr<Learner> make_gray_learner(const std::string& model, const sdepth::TrainingOptions& options) {
  return make_learner<Gray, 10, sdepth::Cpu<>>(model, options);
}

}  // namespace programs
