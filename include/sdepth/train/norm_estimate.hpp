// Running statistics for the network as it runs at test. Training collected them under random gates: each
// norm saw inputs that other depths had made.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sdepth/core/memory.hpp>
#include <sdepth/core/parallel.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/run/images.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/run/walk.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/train/options.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Replaces the running statistics of every norm that runs by averages over batches of training images, every
/// block of the plan running, its branch scaled as at test: running mean = mean of the batches' means,
/// running variance = mean of their unbiased variances. Each norm is applied with its batch's own statistics
/// meanwhile, as in training. Parameters, and the statistics of dropped blocks, stay as they are.
///
/// The images fall into batches of at most options.batch, whose sizes differ by one at most. It takes a
/// training step's memory for activations. Throws Error where there are no images, or a statistic is not
/// finite; the weights are then as before.
///
/// Source: PyTorch's torch.optim.swa_utils.update_bn, which is this average where the batches are equal.
template <class Net, class Backend, Images Given>
void reestimate_norms(Weights<Net, Backend>& weights, const Given& images, const DepthPlan& plan = {},
                      const TestOptions& options = {}) {
  using T = typename Backend::Scalar;
  const int count = detail::image_count(Net::input, images);
  if (count < 1 || options.batch < 1 || options.threads < 1)
    fail("norms: expected at least 1 image, 1 of them in a batch, and 1 thread, found ", count, ", ",
         options.batch, " and ", options.threads);
  std::vector<double> survival = options.survival;
  if (survival.empty()) survival.assign(Net::survival.begin(), Net::survival.end());
  check_survival(survival, static_cast<std::size_t>(Net::residual_blocks));
  const std::vector<double> scales = detail::test_scales(options.scaling, survival);
  const std::vector<std::uint8_t> gates = gates_of<Net>(plan);

  [[maybe_unused]] const auto here = detail::on_device_of(weights.parameters());
  typename Backend::template Storage<double> statistics(weights.running().size());
  // The walk's norms keep places among the gradients; nothing is written there without a backward pass.
  typename Backend::template Memory<T> gradients(weights.parameters().size());
  const detail::WalkParameters<T> numbers{for_kernels(std::as_const(weights).parameters()),
                                          for_kernels(std::as_const(weights).running()), gradients.data(),
                                          nullptr, for_kernels(statistics)};
  const int batches = count / options.batch + (count % options.batch != 0);
  detail::Walk<Net, Backend> walk((count + batches - 1) / batches, options.threads, true);
  for (int batch = 0; batch < batches; ++batch) {
    const Range range = part_of(count, batches, batch);
    walk.load(images, range.first, range.size());
    walk.forward(range.size(), true, numbers, gates, scales);
  }

  const double* const sums = statistics.data();
  std::vector<ParameterInfo> estimated;
  for (const ParameterInfo& tensor : weights.tensors())
    if (!tensor.trainable() && (tensor.block < 0 || gates[static_cast<std::size_t>(tensor.block)]))
      estimated.push_back(tensor);
  for (const ParameterInfo& tensor : estimated)
    for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i)
      if (!std::isfinite(sums[i]))
        fail("norms: ", tensor.name,
             " would not be finite; look for bad images, or for weights that have grown without bound");
  for (const ParameterInfo& tensor : estimated)
    for (std::size_t i = tensor.offset; i < tensor.offset + tensor.size; ++i)
      weights.running().data()[i] = static_cast<T>(sums[i] / batches);
}
template <class Net, class Backend, class Given, class... Others>
  requires(!Images<Given>)
void reestimate_norms(Weights<Net, Backend>&, const Given&, Others&&...) {
  detail::wrap_the_images<void, Given>();
}

}  // namespace sdepth::inline SDEPTH_ISA
