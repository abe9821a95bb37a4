// The least time that a device, an H100 if none is named, needs for what counting.hpp has counted: the longer
// of what its memory and its arithmetic allow.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include <sdepth/train/trainer.hpp>

#include "counting.hpp"

namespace sdepth::roofline {

/// What a device can do at most, in numbers per second.
struct Ceilings {
  double bytes = 0;     // read and written
  double fp32 = 0;      // operations, 2 for a multiply-add
  double products = 0;  // the same on tensor cores
};
/// An H100 SXM. Source: NVIDIA's datasheet; TF32 is what dense products reach of its 494 TFLOP/s, memory what
/// copies reach of its 3.35 TB/s.
inline constexpr Ceilings h100{3.0e12, 67e12, 400e12};

/// The times that the three ceilings allow, in microseconds.
struct Bound {
  double memory = 0;
  double fp32 = 0;
  double tf32 = 0;

  explicit Bound(const Work& work, const Ceilings& most = h100)
      : memory(1e6 * work.bytes / most.bytes),
        fp32(1e6 * (work.products + work.operations) / most.fp32),
        tf32(1e6 * (work.products / most.products + work.operations / most.fp32)) {}
  [[nodiscard]] double least(bool use_tf32) const { return std::max(memory, use_tf32 ? tf32 : fp32); }
  [[nodiscard]] const char* binds(bool use_tf32) const {
    return memory >= (use_tf32 ? tf32 : fp32) ? "memory" : "arithmetic";
  }
};

/// A row of stages, one after the other.
struct Total {
  Ceilings most = h100;
  double submissions = 0;
  double steps = 0;
  double kernels = 0;
  double bytes = 0;
  double operations = 0;
  double fp32 = 0;  // microseconds
  double tf32 = 0;

  void add(const Recorded& step, double weight = 1) {
    submissions += weight * step.submissions;
    steps += weight * step.steps;
    for (const Work& work : step.stages) add(work, weight);
  }
  void add(const Work& work, double weight = 1) {
    kernels += weight * work.kernels;
    bytes += weight * work.bytes;
    operations += weight * (work.products + work.operations);
    fp32 += weight * Bound(work, most).least(false);
    tf32 += weight * Bound(work, most).least(true);
  }
};

/// Training steps of a network whose kernels are counted. @tparam Stored  what activations lie in memory as
template <class Net, class Stored = float>
class Steps {
 public:
  explicit Steps(int batch)
      : trainer_(options(batch)),
        images_(static_cast<std::size_t>(batch) * Net::input.size()),
        labels_(static_cast<std::size_t>(batch)) {}

  /// With these gates. @param gates  [residual blocks]
  const Recorded& with(const std::vector<std::uint8_t>& gates) {
    recorded() = {};
    trainer_.step(NHWC<float>{images_}, labels_, gates);
    return recorded();
  }
  const Recorded& open() {
    return with(std::vector<std::uint8_t>(static_cast<std::size_t>(Net::residual_blocks), std::uint8_t{1}));
  }
  /// With the gates of the step.
  const Recorded& drawn() {
    recorded() = {};
    trainer_.step(NHWC<float>{images_}, labels_);
    return recorded();
  }

 private:
  static TrainingOptions options(int batch) {
    TrainingOptions options;
    options.batch = batch;
    options.threads = 1;
    options.seed = 1;
    return options;
  }
  Trainer<Net, CountingOf<Stored>> trainer_;
  std::vector<float> images_;
  std::vector<int> labels_;
};

}  // namespace sdepth::roofline
