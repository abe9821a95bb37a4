// Processes that go through recorded steps without computing anything: they sleep for as long as their work
// would take, and send each other a real step's messages. So a few cores have room for many processes.
#pragma once

#include <sys/prctl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sdepth/core/clock.hpp>
#include <sdepth/core/communicator.hpp>

#include "recorded_step.hpp"

/// How much later than asked this thread, and those that it begins, wake up: the system's 50 µs, so many times.
/// Where everything is slower, who looks after messages looks less often.
inline void set_timer_slack(double times) {
  prctl(PR_SET_TIMERSLACK, static_cast<unsigned long>(50'000 * times));
}

class Player {
 public:
  Player(sdepth::Communicator& others, const Circumstances& how, bool far)
      : others_(others), how_(how), far_(far) {}

  [[nodiscard]] Step play(const std::vector<RecordedStep>& steps) {
    told_ = {};
    const sdepth::Communicator::Traffic before = others_.traffic();
    owed_ = 0;
    const std::int64_t begin = since_ = sdepth::nanoseconds();
    for (const RecordedStep& step : steps) {
      for (const Stage& stage : step) play(stage);
      others_.finish_sums();
      since_ = sdepth::nanoseconds();
    }
    told_.seconds = 1e-9 * static_cast<double>(sdepth::nanoseconds() - begin);
    const sdepth::Communicator::Traffic after = others_.traffic();
    told_.gathers = static_cast<double>(after.gathers - before.gathers);
    told_.gathered = static_cast<double>(after.gathered_bytes - before.gathered_bytes);
    told_.summed = static_cast<double>(after.summed_bytes - before.summed_bytes);
    told_.waited = after.waited - before.waited;
    told_.waited_behind_work = after.waited_behind_work - before.waited_behind_work;
    told_.waited_for_sums = after.waited_for_sums - before.waited_for_sums;
    for (double* number :
         {&told_.seconds, &told_.own, &told_.waited, &told_.waited_behind_work, &told_.waited_for_sums})
      *number /= how_.slower;
    for (double* number : {&told_.seconds, &told_.own, &told_.gathers, &told_.gathered, &told_.summed,
                           &told_.waited, &told_.waited_behind_work, &told_.waited_for_sums})
      *number /= static_cast<double>(steps.size());
    return told_;
  }

 private:
  void play(const Stage& stage) {
    const bool back = stage.sum > 0, in_two = back && far_ && stage.gathered > 0;
    const double seconds = how_.slower * how_.work(stage);
    work(back && !in_two ? 2 * seconds : seconds);
    const std::size_t piece = stage.gathered * static_cast<std::size_t>(how_.parts_of_rank());
    sizes_.assign(static_cast<std::size_t>(how_.ranks), piece);
    all_.resize(std::max(all_.size(), piece * sizes_.size()));
    if (in_two) {
      others_.begin_gather(all_.data(), sizes_);
      since_ = sdepth::nanoseconds();
      work(seconds);
    }
    if (back) {
      const int parts = how_.parts_of_rank();
      rows_.resize(std::max(rows_.size(), stage.sum * static_cast<std::size_t>(parts)));
      sum_.resize(std::max(sum_.size(), stage.sum));
      others_.begin_sum(rows_.data(), parts, stage.sum, sum_.data());
    }
    if (in_two)
      others_.finish_gather();
    else if (piece > 0)
      others_.gather(all_.data(), sizes_);
    since_ = sdepth::nanoseconds();
  }
  void work(double seconds) {
    told_.own += seconds;
    owed_ += seconds;
    set_timer_slack(0.1);
    const std::int64_t due = since_ + static_cast<std::int64_t>(1e9 * owed_);
    for (std::int64_t now = sdepth::nanoseconds(); now < due; now = sdepth::nanoseconds())
      sdepth::sleep_microseconds(static_cast<int>(std::min<std::int64_t>(due - now, 900'000'000) / 1000) + 1);
    set_timer_slack(how_.slower);
    // what has been slept too long is slept less the next time
    owed_ -= 1e-9 * static_cast<double>(sdepth::nanoseconds() - since_);
    since_ = sdepth::nanoseconds();
  }

  sdepth::Communicator& others_;
  Circumstances how_;
  bool far_;
  Step told_;
  double owed_ = 0;         // seconds of work
  std::int64_t since_ = 0;  // when the work began
  std::vector<std::size_t> sizes_;
  std::vector<std::byte> all_;
  std::vector<float> rows_, sum_;
};
