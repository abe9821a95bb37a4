// What a network says of its images: logits that can be trusted, and the classes that they stand for.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include <sdepth/core/error.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Throws Error unless so many logits are those of whole images.
inline void check_logits_size(std::size_t logits, int classes) {
  if (classes < 1 || logits % static_cast<std::size_t>(classes) != 0)
    fail("logits: expected as many for each image as there are classes, found ", logits, " for ", classes,
         " classes");
}

/// Throws Error naming the first image that has a logit which is not finite: neither a class nor a loss can
/// be told from such.
/// @param logits  [N, stride], of each image the first `classes` are read   @param first  what image 0 is
///                called
template <class Logit>
void check_logits(std::span<const Logit> logits, int classes, std::size_t stride, int first = 0) {
  for (std::size_t n = 0; n < logits.size() / stride; ++n)
    for (std::size_t c = 0; c < static_cast<std::size_t>(classes); ++c)
      if (const Logit logit = logits[n * stride + c]; !std::isfinite(logit))
        fail(
            "logits: image ", static_cast<std::size_t>(first) + n, " has ", logit, " for class ", c,
            ", expected a finite number; look for pixels of it that are not finite, or for weights from which the network computes none (a negative running "
            "variance, sums that overflow)");
}
/// The same for [N, classes]. Throws Error, too, where the numbers are not `classes` for each image.
inline void check_logits(std::span<const float> logits, int classes) {
  check_logits_size(logits.size(), classes);
  check_logits(logits, classes, static_cast<std::size_t>(classes));
}

/// The class of each image: that of its first largest logit. @param logits  [N, classes]   @return  [N]
/// Throws Error naming the first image that has a logit which is not finite.
[[nodiscard]] inline std::vector<int> classes_of(std::span<const float> logits, int classes) {
  check_logits(logits, classes);
  std::vector<int> best;
  const auto count = static_cast<std::size_t>(classes);
  for (std::size_t first = 0; first < logits.size(); first += count) {
    const auto of_image = logits.subspan(first, count);
    best.push_back(static_cast<int>(std::ranges::max_element(of_image) - of_image.begin()));
  }
  return best;
}

}  // namespace sdepth::inline SDEPTH_ISA
