// Mean squared error: for networks whose outputs are numbers to be met, not classes.
#pragma once

#include <span>
#include <string_view>

#include <sdepth/losses/loss.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// (x − t)², averaged over all numbers, as PyTorch defines it (torch.nn.MSELoss). There are no errors to
/// count: Score::errors is 0.
struct MeanSquaredError {
  static constexpr std::string_view name = "MeanSquaredError";
  static constexpr bool needs_classifier = false;
  struct Options {
    friend bool operator==(const Options&, const Options&) = default;
  };
  using Targets = std::span<const float>;  // [N, outputs]

  static void check(const Targets& targets, int images, int outputs) {
    check_numbers(name, targets, images, outputs);
  }

  template <class T>
  static constexpr double of_image(const Options&, int outputs, const T* x, const float* target,
                                   double factor, T* gradient, bool&) {
    double sum = 0;
    for (int i = 0; i < outputs; ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
      sum += difference * difference;
      if (gradient) gradient[i] = static_cast<T>(2 * difference / outputs * factor);
    }
    return sum / outputs;
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
