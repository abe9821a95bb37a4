// What every backend must get right of losses: one body of tests, which each includes.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <sdepth/io/safetensors.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/losses/cross_entropy.hpp>
#include <sdepth/losses/mean_squared_error.hpp>
#include <sdepth/train/batch_loss.hpp>

#include "../files.hpp"

namespace loss_checks {

using namespace sdepth;

constexpr int images = 6, outputs = 5;

/// Rows of `outputs` numbers as a backend has them, kept where its kernels reach them, with NaN in the
/// further lanes.
template <class Backend>
class Rows {
 public:
  using T = typename Backend::Scalar;
  static constexpr auto stride = static_cast<std::size_t>(Backend::padded(outputs));
  explicit Rows(std::span<const float> dense = {}) : numbers_(images * stride) {
    for (std::size_t i = 0; i < numbers_.size(); ++i)
      numbers_.data()[i] = !dense.empty() && i % stride < outputs
                               ? static_cast<T>(dense[i / stride * outputs + i % stride])
                               : std::numeric_limits<T>::quiet_NaN();
  }
  [[nodiscard]] T* for_kernel() { return for_kernels(numbers_); }
  /// Without the further lanes, which must be zero.
  [[nodiscard]] std::vector<double> dense() const {
    std::vector<double> all;
    for (std::size_t i = 0; i < numbers_.size(); ++i)
      if (i % stride < outputs)
        all.push_back(static_cast<double>(numbers_.data()[i]));
      else
        CHECK(numbers_.data()[i] == T{0});
    return all;
  }

 private:
  typename Backend::template Storage<T> numbers_;
};

template <class Backend, class Loss>
[[nodiscard]] LossResult check_loss(const SafeTensors& oracle, const std::string& name,
                                    const typename Loss::Targets& targets,
                                    const typename Loss::Options& options) {
  CAPTURE(name);
  using T = typename Backend::Scalar;
  // the oracle's numbers are rounded to float32
  const double tolerance = std::is_same_v<T, double> ? 1e-7 : 2e-6;
  Rows<Backend> predictions(oracle.find("outputs")->values), gradient;
  typename Backend::Context context(2);
  const LossResult result =
      detail::batch_loss<Backend, Loss, T>(context, options, outputs, predictions.for_kernel(), targets,
                                           images, 0, images, gradient.for_kernel())
          .get();
  CHECK(result.loss == doctest::Approx(oracle.find(name + ".loss")->values[0]).epsilon(1e-7));
  const std::vector<double> found = gradient.dense();
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(std::abs(found[i] - static_cast<double>(oracle.find(name + ".gradient")->values[i])) < tolerance);
  // In two batches, without gradients, as an evaluation has them.
  double sum = 0;
  int errors = 0;
  for (int first = 0; first < images; first += 4) {
    const int count = std::min(4, images - first);
    const LossResult part =
        detail::batch_loss<Backend, Loss, T>(
            context, options, outputs,
            predictions.for_kernel() + static_cast<std::size_t>(first) * Rows<Backend>::stride, targets,
            images, first, count, static_cast<T*>(nullptr))
            .get();
    sum += part.loss * count;
    errors += part.errors;
  }
  CHECK(sum / images == doctest::Approx(result.loss).epsilon(1e-12));
  CHECK(errors == result.errors);
  return result;
}

template <class Backend>
void check_all() {
  const SafeTensors oracle = read_safetensors(sdepth::test::tests_folder() + "/oracle/losses.safetensors");
  const auto values = [&](const char* name) -> const std::vector<float>& {
    return oracle.find(name)->values;
  };
  const std::vector<int> labels(values("labels").begin(), values("labels").end());
  const auto best = [&](const std::vector<float>& rows, int n) {
    const auto row = rows.begin() + n * outputs;
    return static_cast<int>(std::max_element(row, row + outputs) - row);
  };
  int wrong_labels = 0, wrong_classes = 0;
  for (int n = 0; n < images; ++n) {
    wrong_labels += best(values("outputs"), n) != labels[static_cast<std::size_t>(n)];
    wrong_classes += best(values("outputs"), n) != best(values("probabilities"), n);
  }
  const Probabilities probabilities{values("probabilities")};
  CHECK(check_loss<Backend, CrossEntropy>(oracle, "labels", labels, {}).errors == wrong_labels);
  CHECK(check_loss<Backend, CrossEntropy>(oracle, "smoothed", labels, {.label_smoothing = 0.1}).errors ==
        wrong_labels);
  CHECK(check_loss<Backend, CrossEntropy>(oracle, "soft", probabilities, {}).errors == wrong_classes);
  CHECK(check_loss<Backend, CrossEntropy>(oracle, "soft_smoothed", probabilities, {.label_smoothing = 0.2})
            .errors == wrong_classes);
  CHECK(check_loss<Backend, CrossEntropy>(oracle, "masses_smoothed", Probabilities{values("masses")},
                                          {.label_smoothing = 0.2})
            .errors == wrong_classes);
  CHECK(check_loss<Backend, MeanSquaredError>(oracle, "squared", values("numbers"), {}).errors == 0);

  // What is not a number shows, in the loss and as an error; a class of output −∞ that cannot be is no harm.
  std::vector<float> one_hot(images * outputs);
  for (std::size_t n = 0; n < images; ++n) one_hot[n * outputs + static_cast<std::size_t>(labels[n])] = 1;
  const Probabilities hard{one_hot};
  for (const float stranger :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    std::vector<float> x = values("outputs");
    const std::size_t other = labels[2] == 1 ? 2 : 1;
    x[2 * outputs + other] = stranger;
    Rows<Backend> predictions(x);
    typename Backend::Context context(1);
    using T = typename Backend::Scalar;
    const auto loss = [&](const ClassTargets& targets) {
      return detail::batch_loss<Backend, CrossEntropy, T>(context, {}, outputs, predictions.for_kernel(),
                                                          targets, images, 0, images,
                                                          static_cast<T*>(nullptr))
          .get();
    };
    const LossResult soft = loss(hard), plain = loss(labels);
    CHECK(std::isnan(soft.loss) == std::isnan(stranger));
    CHECK(std::isnan(plain.loss) == std::isnan(stranger));
    CHECK(soft.errors == plain.errors);
    if (!std::isnan(stranger)) CHECK(soft.loss == doctest::Approx(plain.loss).epsilon(1e-12));
  }
}

}  // namespace loss_checks
