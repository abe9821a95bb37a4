// Softmax cross-entropy: the loss, its gradient, and how many images were classified wrongly.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include <sdepth/core/parallel.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// One image: −log softmax(logits)[label], in double. gradient: (softmax − one-hot)·scale, unless null.
/// wrong: the first largest logit is not the label's, or one is NaN.
inline double cross_entropy(int classes, const float* logits, int label, double scale, float* gradient, bool& wrong) {
  int best = 0;
  for (int c = 1; c < classes; ++c)
    if (logits[c] > logits[best] || std::isnan(logits[c])) best = c;
  // exp(logit − maximum) cannot overflow; with a few classes an image, double costs nothing.
  const double maximum = static_cast<double>(logits[best]);
  double sum = 0;
  for (int c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(logits[c]) - maximum);
  for (int c = 0; gradient && c < classes; ++c) {
    const double probability = std::exp(static_cast<double>(logits[c]) - maximum) / sum;
    gradient[c] = static_cast<float>((probability - (c == label ? 1.0 : 0.0)) * scale);
  }
  wrong = best != label || std::isnan(maximum);
  return std::log(sum) + maximum - static_cast<double>(logits[label]);
}

/// Mean loss over the batch; logits and gradient are [N, padded(classes)], the gradient's further lanes zero. Parts are added up in their order.
template <int Parts, int Lanes>
[[nodiscard]] LossResult softmax_cross_entropy(Workspace<float>& space, int batch, int classes, const float* logits, const int* labels,
                                               float* gradient) {
  std::array<LossResult, static_cast<std::size_t>(Parts)> parts{};
  const int row = round_up(classes, Lanes);
  parallel_for(Parts, space.threads(), [&](int part, int) {
    LossResult& result = parts[static_cast<std::size_t>(part)];
    const Range range = part_of(batch, Parts, part);
    for (int n = range.first; n < range.last; ++n) {
      float* to = gradient ? gradient + static_cast<std::ptrdiff_t>(n) * row : nullptr;
      bool wrong = false;
      result.loss += cross_entropy(classes, logits + static_cast<std::ptrdiff_t>(n) * row, labels[n], 1.0 / batch, to, wrong);
      result.errors += wrong;
      for (int c = classes; to && c < row; ++c) to[c] = 0.0F;
    }
  });
  LossResult total;
  for (const LossResult& part : parts) {
    total.loss += part.loss;
    total.errors += part.errors;
  }
  total.loss /= batch;
  return total;
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
