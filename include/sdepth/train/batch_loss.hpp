// The loss of a batch on a backend: the kernel made for it, or the one that runs any loss.
#pragma once

#include <cstddef>
#include <type_traits>

#include <sdepth/core/exactly.hpp>
#include <sdepth/losses/cross_entropy.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// Mean loss of `count` images, from what the network computed for them; their targets begin with that of
/// image `first` of `images`.
/// @param gradient  as predictions, or null
template <class Backend, class Loss, class T>
[[nodiscard]] auto batch_loss(typename Backend::Context& context, const typename Loss::Options& options,
                              int outputs, const T* predictions, const typename Loss::Targets& targets,
                              int images, int first, int count, T* gradient) {
  const auto from = static_cast<std::size_t>(first);
  if constexpr (std::is_same_v<Loss, CrossEntropy>)
    if (!targets.soft() && exactly(options.label_smoothing, 0))
      return Backend::softmax_cross_entropy(context, count, outputs, predictions,
                                            targets.labels().data() + from, gradient);
  return with_targets<Loss>(
      targets, outputs, static_cast<std::size_t>(images), [&](const auto* numbers, std::size_t per_image) {
        return Backend::template loss<Loss>(context, count, outputs, options, predictions,
                                            numbers + from * per_image, per_image, gradient);
      });
}

}  // namespace sdepth::inline SDEPTH_ISA::detail
