// dlib's training step of ResNet-20, for compare.py, which compiles it; no part of the CMake build. Answers
// as serve.py describes. BLAS does the convolutions' arithmetic: link with OpenBLAS, and set
// OPENBLAS_NUM_THREADS. dlib's SGD has momentum, but not Nesterov's.
#include <dlib/dnn.h>
#include <dlib/revision.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace dlib;

// The network of include/sdepth/models/cifar_resnet.hpp.
template <int Channels, int Stride, class Below>
using Conv = add_layer<con_<Channels, 3, 3, Stride, Stride, 1, 1>, Below>;
template <int Channels, int Stride, class Below>
using Branch = bn_con<Conv<Channels, 1, relu<bn_con<Conv<Channels, Stride, Below>>>>>;
template <int Channels, class Below>
using Block = relu<add_prev1<Branch<Channels, 1, tag1<Below>>>>;
/// The shortcut halves the extents by an average pool; add_prev takes missing channels as zeros.
template <int Channels, class Below>
using DownBlock = relu<add_prev2<avg_pool<2, 2, 2, 2, skip1<tag2<Branch<Channels, 2, tag1<Below>>>>>>>;
template <class Below>
using Group16 = Block<16, Block<16, Block<16, Below>>>;
template <class Below>
using Group32 = Block<32, Block<32, DownBlock<32, Below>>>;
template <class Below>
using Group64 = Block<64, Block<64, DownBlock<64, Below>>>;
using Net = loss_multiclass_log<
    fc<10, avg_pool_everything<
               Group64<Group32<Group16<relu<bn_con<Conv<16, 1, input<std::array<matrix<float>, 3>>>>>>>>>>>;

/// Multiply-adds of one image's forward pass, from the parameters and the output of each layer that has run.
struct CountMultiplyAdds {
  double& sum;
  template <class Other>
  void operator()(std::size_t, Other&) const {}
  template <long Channels, int Stride, class Below, class Enabled>
  void operator()(std::size_t,
                  add_layer<con_<Channels, 3, 3, Stride, Stride, 1, 1>, Below, Enabled>& layer) const {
    const tensor& output = layer.get_output();
    sum += static_cast<double>(layer.layer_details().get_layer_params().size()) *
           static_cast<double>(output.nr() * output.nc());
  }
  template <unsigned long Outputs, class Below, class Enabled>
  void operator()(std::size_t, add_layer<fc_<Outputs, FC_HAS_BIAS>, Below, Enabled>& layer) const {
    sum += static_cast<double>(layer.layer_details().get_layer_params().size() - Outputs);
  }
};

/// A line of /proc/self/status in MiB: VmRSS, resident memory, or VmHWM, its high-water mark.
double resident_mib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(field + ":", 0) == 0) return std::stod(line.substr(field.size() + 1)) / 1024;
  return 0;
}

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main() {
  constexpr int batch = 128, batches = 4;
  const double before = resident_mib("VmRSS");
  Net net;
  disable_duplicative_biases(net);
  std::vector<resizable_tensor> images(batches);
  std::vector<std::vector<unsigned long>> labels(batches);
  dlib::rand random(1);
  for (std::size_t i = 0; i < batches; ++i) {
    std::vector<std::array<matrix<float>, 3>> pictures(batch);
    for (auto& picture : pictures) {
      for (auto& plane : picture) plane = matrix_cast<float>(2 * randm(32, 32, random) - 1);
      labels[i].push_back(random.get_integer(10));
    }
    net.to_tensor(pictures.begin(), pictures.end(), images[i]);
  }
  std::vector<sgd> solvers(Net::num_computational_layers, sgd(1e-4F, 0.9F));
  std::size_t next = 0;
  const auto step = [&] {
    const std::size_t i = next++ % batches;
    net.compute_parameter_gradients(images[i], labels[i].begin());
    net.update_parameters(make_sstack(solvers), 0.01);
  };
  step();  // makes the parameters
  double multiply_adds = 0;
  visit_layers(net, CountMultiplyAdds{multiply_adds});
  std::printf(
      "{\"version\": \"dlib %d.%d\", \"parameters\": %zu, \"multiply_adds\": %.0f, \"resident_mib\": %.1f}\n",
      DLIB_MAJOR_VERSION, DLIB_MINOR_VERSION, static_cast<std::size_t>(count_parameters(net)), multiply_adds,
      before);
  std::fflush(stdout);
  for (std::string command; std::cin >> command;) {
    if (command == "run") {
      double seconds = 0;
      std::cin >> seconds;
      const double start = now();
      int steps = 0;
      do {
        step();
        ++steps;
      } while (now() - start < seconds);
      std::printf("{\"steps\": %d, \"seconds\": %.6f, \"peak_mib\": %.1f}\n", steps, now() - start,
                  resident_mib("VmHWM"));
    } else {
      std::ofstream("/proc/self/clear_refs") << 5;
      std::printf("{}\n");
    }
    std::fflush(stdout);
  }
}
