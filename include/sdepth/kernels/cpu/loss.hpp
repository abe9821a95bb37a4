// The loss, its gradient, and how many images were classified wrongly: softmax cross-entropy with labels, and
// any other.
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
inline double cross_entropy(int classes, const float* logits, int label, double scale, float* gradient,
                            bool& wrong) {
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

/// Mean over the batch of what of_image(n, outputs of image n, gradient of image n or null, wrong) returns;
/// parts are added up in their order. predictions and gradient are [N, padded(outputs)], the gradient's
/// further lanes zero.
template <int Parts, int Lanes, class OfImage>
[[nodiscard]] LossResult mean_loss(Workspace<float>& context, int batch, int outputs,
                                   const float* predictions, float* gradient, const OfImage& of_image) {
  std::array<LossResult, static_cast<std::size_t>(Parts)> parts{};
  const int row = round_up(outputs, Lanes);
  const BatchParts cut = context.parts(batch, Parts);
  parallel_for(cut.mine.size(), context.threads(), [&](int index, int) {
    const int part = cut.mine.first + index;
    LossResult& result = parts[static_cast<std::size_t>(part)];
    const Range range = cut.of(part);
    for (int n = range.first; n < range.last; ++n) {
      float* to = gradient ? gradient + static_cast<std::ptrdiff_t>(n) * row : nullptr;
      bool wrong = false;
      result.loss += of_image(n, predictions + static_cast<std::ptrdiff_t>(n) * row, to, wrong);
      result.errors += wrong;
      for (int c = outputs; to && c < row; ++c) to[c] = 0.0F;
    }
  });
  context.fetch_rows(parts.data(), 1);
  LossResult total;
  for (const LossResult& part : parts) {
    total.loss += part.loss;
    total.errors += part.errors;
  }
  total.loss /= cut.images;
  return total;
}

template <int Parts, int Lanes>
[[nodiscard]] LossResult softmax_cross_entropy(Workspace<float>& context, int batch, int classes,
                                               const float* logits, const int* labels, float* gradient) {
  return mean_loss<Parts, Lanes>(
      context, batch, classes, logits, gradient, [&](int n, const float* of_image, float* to, bool& wrong) {
        return cross_entropy(classes, of_image, labels[n], 1.0 / context.whole_batch(batch), to, wrong);
      });
}
template <class Loss, int Parts, int Lanes, class Target>
[[nodiscard]] LossResult loss(Workspace<float>& context, int batch, int outputs,
                              const typename Loss::Options& options, const float* predictions,
                              const Target* targets, std::size_t per_image, float* gradient) {
  return mean_loss<Parts, Lanes>(
      context, batch, outputs, predictions, gradient, [&](int n, const float* x, float* to, bool& wrong) {
        return Loss::of_image(options, outputs, x, targets + static_cast<std::size_t>(n) * per_image,
                              1.0 / context.whole_batch(batch), to, wrong);
      });
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
