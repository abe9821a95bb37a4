// How a trained network classifies a set of pictures: which classes it takes for which, and the pictures it
// is most wrong about.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/config.hpp>
#include <sdepth/core/exactly.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// A picture that was taken for another class than its own.
struct WrongPicture {
  int record = 0;
  int label = 0;
  int predicted = 0;
  double probability = 0;        // of the class that it was taken for
  double label_probability = 0;  // of its own: the less, the more wrong
  std::string thumbnail = {};    // a data: URI
};

class Classification {
 public:
  static constexpr int top = 5;
  static constexpr std::size_t shown = 24;  // of the pictures that are most wrong

  Classification() = default;
  /// @param set  what the pictures are called: "test"   @param names  [classes], or empty: they have none
  Classification(std::string set, int classes, std::vector<std::string> names)
      : set_(std::move(set)),
        names_(std::move(names)),
        classes_(static_cast<std::size_t>(classes)),
        counts_(classes_ * classes_) {}

  /// Another picture. @param logits  [classes]
  void add(std::span<const float> logits, int label, int record) {
    const auto own = static_cast<std::size_t>(label);
    std::size_t best = 0, before = 0;  // classes that are more probable than its own
    double sum = 0;
    for (std::size_t c = 1; c < classes_; ++c)
      if (logits[c] > logits[best]) best = c;
    for (std::size_t c = 0; c < classes_; ++c) {
      sum += std::exp(static_cast<double>(logits[c]) - static_cast<double>(logits[best]));
      before += logits[c] > logits[own] ||
                (exactly(static_cast<double>(logits[c]), static_cast<double>(logits[own])) && c < own);
    }
    ++counts_[own * classes_ + best];
    ++images_;
    outside_top_ += before >= top;
    if (best == own) return;
    const double of_label =
        std::exp(static_cast<double>(logits[own]) - static_cast<double>(logits[best])) / sum;
    const WrongPicture picture{record, label, static_cast<int>(best), 1 / sum, of_label};
    const auto less = [](const WrongPicture& a, const WrongPicture& b) {
      return a.label_probability < b.label_probability;
    };
    worst_.insert(std::upper_bound(worst_.begin(), worst_.end(), picture, less), picture);
    if (worst_.size() > shown) worst_.pop_back();
  }

  [[nodiscard]] const std::string& set() const noexcept { return set_; }
  [[nodiscard]] int classes() const noexcept { return static_cast<int>(classes_); }
  [[nodiscard]] std::int64_t images() const noexcept { return images_; }
  [[nodiscard]] std::string name(int number) const {
    return names_.empty() ? std::to_string(number) : names_[static_cast<std::size_t>(number)];
  }
  /// Pictures of class `label` that were taken for class `predicted`.
  [[nodiscard]] std::int64_t count(int label, int predicted) const {
    return counts_[static_cast<std::size_t>(label) * classes_ + static_cast<std::size_t>(predicted)];
  }
  /// Pictures of a class.
  [[nodiscard]] std::int64_t images_of(int label) const {
    std::int64_t sum = 0;
    for (int predicted = 0; predicted < classes(); ++predicted) sum += count(label, predicted);
    return sum;
  }
  /// In percent; not-a-number of a class without pictures.
  [[nodiscard]] double error_of(int label) const {
    return 100.0 - 100.0 * static_cast<double>(count(label, label)) / static_cast<double>(images_of(label));
  }
  /// Pictures whose class is not among the five most probable ones, in percent. It says something where there
  /// are more than five.
  [[nodiscard]] double top_error() const {
    return 100.0 * static_cast<double>(outside_top_) / static_cast<double>(images_);
  }
  /// The most wrong first.
  [[nodiscard]] std::vector<WrongPicture>& worst() noexcept { return worst_; }
  [[nodiscard]] const std::vector<WrongPicture>& worst() const noexcept { return worst_; }

 private:
  std::string set_;
  std::vector<std::string> names_;
  std::size_t classes_ = 0;
  std::vector<std::int64_t> counts_;  // [labels, predictions]
  std::int64_t images_ = 0, outside_top_ = 0;
  std::vector<WrongPicture> worst_;
};

}  // namespace sdepth::inline SDEPTH_ISA::program
