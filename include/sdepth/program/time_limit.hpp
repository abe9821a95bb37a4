// --time-limit: how long a run may become that must end in time, from what its steps and the ends of its
// epochs have taken so far.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// How long a run is: in epochs, or in steps, the other being 0.
struct RunLength {
  int epochs = 0;
  int steps = 0;

  [[nodiscard]] std::int64_t total(int steps_per_epoch) const noexcept {
    return epochs > 0 ? std::int64_t{epochs} * steps_per_epoch : steps;
  }
  friend bool operator==(const RunLength&, const RunLength&) = default;
};

/// What a run takes, in seconds: a step, and the end of an epoch, which is an evaluation. The run itself ends
/// in one more evaluation.
struct RunSpeed {
  double step = 0;
  double epoch_end = 0;
};

/// Seconds from step `done` on to the end of a run of `total` steps.
[[nodiscard]] inline double seconds_to(std::int64_t total, std::int64_t done, int steps_per_epoch,
                                       const RunSpeed& speed) {
  const std::int64_t ends = (total + steps_per_epoch - 1) / steps_per_epoch - done / steps_per_epoch + 1;
  return static_cast<double>(total - done) * speed.step + static_cast<double>(ends) * speed.epoch_end;
}

/// The longest run that ends in `seconds`, and is no longer than `wanted`. One that counts epochs has whole
/// ones, where there is time for any.
/// @param done  steps made, of which no run takes one back
[[nodiscard]] inline RunLength length_within(double seconds, const RunLength& wanted, std::int64_t done,
                                             int steps_per_epoch, const RunSpeed& speed) {
  const auto fits = [&](std::int64_t total) {
    return seconds_to(total, done, steps_per_epoch, speed) <= seconds;
  };
  const std::int64_t most = wanted.total(steps_per_epoch);
  if (done >= most || fits(most)) return wanted;
  std::int64_t low = done, high = most;  // low ends in time, or is where the run is; high does not
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  if (const std::int64_t epochs = low / steps_per_epoch;
      wanted.epochs > 0 && epochs > 0 && epochs * steps_per_epoch >= done)
    return {static_cast<int>(epochs), 0};
  return {0, static_cast<int>(std::max<std::int64_t>(low, 1))};
}

/// The clock of a run with a limit.
class TimeLimit {
 public:
  using Clock = std::chrono::steady_clock;

  TimeLimit() = default;
  /// @param seconds  the limit   @param steps_of_evaluation  batches that the end of an epoch evaluates
  TimeLimit(double seconds, int steps_of_evaluation)
      : limit_(seconds), steps_of_evaluation_(steps_of_evaluation) {}

  /// Of all processes that have worked on the run. @param before  what those before this one have taken
  void set_spent(double before) { before_ = before; }
  [[nodiscard]] double spent() const {
    return before_ + std::chrono::duration<double>(Clock::now() - start_).count();
  }

  void add_epoch_end(double seconds) { epoch_end_ = std::max(epoch_end_, seconds); }
  /// The length of the run behind a step that took so long. What is wanted becomes shorter, never longer: a
  /// little at a time as speeds are measured, and at once where the next step would be one too many.
  [[nodiscard]] RunLength length_behind_step(double seconds, const RunLength& wanted, std::int64_t done,
                                             int steps_per_epoch) {
    if (++steps_ > 1) in_steps_ += seconds;  // the first one has memory to ask for
    if (steps_ < 3) return wanted;
    const double left = limit_ - spent(), step = in_steps_ / (steps_ - 1);
    constexpr double forward = 0.5;  // of a step, at most: until the end of an epoch has been seen
    const RunSpeed speed{step, epoch_end_ > 0 ? epoch_end_ : forward * step * steps_of_evaluation_};
    if (left < seconds_to(done + 1, done, steps_per_epoch, speed)) return {0, static_cast<int>(done)};
    if (spent() < next_look_ * limit_) return wanted;
    constexpr double between = 0.1, room = 0.05;  // of the limit: steps differ
    next_look_ = (std::floor(spent() / limit_ / between) + 1) * between;
    return length_within(left - room * limit_, wanted, done, steps_per_epoch, speed);
  }

 private:
  Clock::time_point start_ = Clock::now();
  double limit_ = 0, before_ = 0;
  int steps_of_evaluation_ = 0;
  double in_steps_ = 0;  // seconds
  int steps_ = 0;
  double epoch_end_ = 0;     // the longest
  double next_look_ = 0.02;  // as a fraction of the limit
};

}  // namespace sdepth::inline SDEPTH_ISA::program
