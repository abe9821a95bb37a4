// Weights out of memory: the numbers that a header written by `export` carries.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <sdepth/core/error.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/run/weights.hpp>

namespace sdepth::inline SDEPTH_ISA {

namespace detail {

/// Whether a network's type says that a tensor is never used: it belongs to the branch of a block that
/// FixedGates closes.
template <class Net>
[[nodiscard]] bool is_closed(const ParameterInfo& info) {
  return info.block >= 0 && Net::fixed[static_cast<std::size_t>(info.block)] &&
         Net::survival[static_cast<std::size_t>(info.block)] <= 0;
}

}  // namespace detail

/// A network's weights from all of its tensors' numbers, tensor by tensor, each in PyTorch's order; those of
/// closed blocks are left out. Throws Error where there are more or fewer.
template <class Net, class Backend>
[[nodiscard]] std::shared_ptr<const Weights<Net, Backend>> weights_from(std::span<const float> numbers) {
  auto weights = std::make_shared<Weights<Net, Backend>>();
  std::size_t expected = 0;
  for (const ParameterInfo& info : weights->tensors())
    if (!detail::is_closed<Net>(info)) expected += pytorch_size(info);
  if (numbers.size() != expected)
    fail("weights: the network has ", expected, " numbers, ", numbers.size(),
         " were given; are they of another network?");
  for (const ParameterInfo& info : weights->tensors()) {
    if (detail::is_closed<Net>(info)) continue;
    from_pytorch(info, numbers.first(pytorch_size(info)),
                 info.trainable() ? weights->parameters().data() : weights->running().data());
    numbers = numbers.subspan(pytorch_size(info));
  }
  return weights;
}

}  // namespace sdepth::inline SDEPTH_ISA
