// What images of classes are compared with: one label for each, or a probability for each class.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>

#include <sdepth/core/error.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// [N, classes]: of each image the probability of each class, as mixup makes them.
struct Probabilities {
  std::span<const float> values;
};

/// Either: `step(images, labels)` with numbers of classes, or `step(images, Probabilities{numbers})`.
class ClassTargets {
 public:
  ClassTargets() = default;
  /// @param labels  [N], anything that is a std::span<const int>
  template <class Labels>
    requires std::convertible_to<const Labels&, std::span<const int>>
  ClassTargets(const Labels& labels) : labels_(labels) {}
  ClassTargets(const Probabilities& probabilities) : probabilities_(probabilities.values), soft_(true) {}

  [[nodiscard]] bool soft() const noexcept { return soft_; }
  [[nodiscard]] std::span<const int> labels() const noexcept { return labels_; }
  [[nodiscard]] std::span<const float> probabilities() const noexcept { return probabilities_; }

 private:
  std::span<const int> labels_;
  std::span<const float> probabilities_;
  bool soft_ = false;
};

/// Throws Error unless there is a label in [0, classes) for each of `count` images.
inline void check_labels(int count, std::span<const int> labels, int classes) {
  if (labels.size() != static_cast<std::size_t>(count))
    fail("labels: expected one for each of ", count, " images, found ", labels.size());
  for (std::size_t n = 0; n < labels.size(); ++n)
    if (labels[n] < 0 || labels[n] >= classes)
      fail("labels: image ", n, " has label ", labels[n], ", expected a number from 0 to ", classes - 1);
}

/// Throws Error unless there are `classes` finite numbers that are not negative for each of `count` images.
/// They need not add up to 1, as PyTorch's need not.
inline void check_probabilities(int count, std::span<const float> probabilities, int classes) {
  const auto row = static_cast<std::size_t>(classes);
  if (probabilities.size() != static_cast<std::size_t>(count) * row)
    fail("probabilities: expected ", classes, " for each of ", count, " images, ",
         static_cast<std::size_t>(count) * row, " together, found ", probabilities.size());
  for (std::size_t i = 0; i < probabilities.size(); ++i)
    if (!(probabilities[i] >= 0 && std::isfinite(probabilities[i])))
      fail("probabilities: image ", i / row, " has ", probabilities[i], " for class ", i % row,
           ", expected a finite number that is not negative");
}

}  // namespace sdepth::inline SDEPTH_ISA
