// Softmax cross-entropy, the default loss and the paper's, with label smoothing and soft targets as options.
#pragma once

#include <cmath>
#include <cstddef>
#include <string_view>
#include <type_traits>

#include <sdepth/core/exactly.hpp>
#include <sdepth/losses/class_targets.hpp>
#include <sdepth/losses/loss.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Cross-entropy of softmax(x) with probabilities q of the classes, as PyTorch defines it
/// (torch.nn.CrossEntropyLoss), in nats:
///
///     −Σ_c q'_c log softmax(x)_c,   q' = (1 − label_smoothing)·q + label_smoothing/classes
///
/// q is 1 for an image's label and 0 for all others, or what Probabilities say. An image whose first largest
/// output is not its label, or not the first of its most probable classes, counts as an error, and so does
/// one that has a NaN.
///
/// Source of label smoothing: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
/// CVPR 2016; of soft targets by mixing images: Zhang et al., "mixup: Beyond Empirical Risk Minimization",
/// ICLR 2018.
struct CrossEntropy {
  static constexpr std::string_view name = "CrossEntropy";
  static constexpr bool needs_classifier = true;
  struct Options {
    double label_smoothing = 0;  // in [0, 1]

    friend bool operator==(const Options&, const Options&) = default;
  };
  using Targets = ClassTargets;

  template <class Options, class Visit>
  static void each_option(Options& o, Visit visit) {
    visit("label_smoothing", o.label_smoothing);
  }
  static void check(const Options& o) {
    if (!(0 <= o.label_smoothing && o.label_smoothing <= 1))
      fail("options: label_smoothing is ", o.label_smoothing, ", expected a number from 0 to 1");
  }
  static void check(const Targets& targets, int images, int classes) {
    if (targets.soft())
      check_probabilities(images, targets.probabilities(), classes);
    else
      check_labels(images, targets.labels(), classes);
  }
  template <class Body>
  static auto with_targets(const Targets& targets, int classes, const Body& body) {
    return targets.soft() ? body(targets.probabilities().data(), static_cast<std::size_t>(classes))
                          : body(targets.labels().data(), std::size_t{1});
  }

  /// @param target  the image's label, an int, or its probabilities, [classes] floats
  template <class T, class Number>
  static constexpr double of_image(const Options& o, int classes, const T* x, const Number* target,
                                   double factor, T* gradient, bool& wrong) {
    int best = 0, likeliest = 0;
    for (int c = 1; c < classes; ++c)
      if (x[c] > x[best] || is_not_a_number(static_cast<double>(x[c]))) best = c;
    const auto probability = [&](int c) -> double {
      if constexpr (std::is_same_v<Number, int>)
        return c == *target ? 1.0 : 0.0;
      else
        return static_cast<double>(target[c]);
    };
    for (int c = 1; c < classes; ++c)
      if (probability(c) > probability(likeliest)) likeliest = c;
    wrong = best != likeliest || is_not_a_number(static_cast<double>(x[best]));
    // exp(x − maximum) cannot overflow.
    using std::exp, std::log;
    const double maximum = static_cast<double>(x[best]);
    double sum = 0, loss = 0, all = 0;
    for (int c = 0; c < classes; ++c) sum += exp(static_cast<double>(x[c]) - maximum);
    const double log_of_sum = log(sum) + maximum;
    const auto smoothed = [&](int c) {
      return (1 - o.label_smoothing) * probability(c) + o.label_smoothing / classes;
    };
    for (int c = 0; c < classes; ++c) {
      const double q = smoothed(c);
      all += q;
      // a class that cannot be may have an output of −∞
      if (!exactly(q, 0)) loss += q * (log_of_sum - static_cast<double>(x[c]));
    }
    for (int c = 0; gradient && c < classes; ++c)
      gradient[c] =
          static_cast<T>((all * (exp(static_cast<double>(x[c]) - maximum) / sum) - smoothed(c)) * factor);
    return is_not_a_number(maximum) ? maximum : loss;
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
