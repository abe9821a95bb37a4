// What a training step asks of the other processes, stage by stage: written down from a real step, to be played by processes
// that compute nothing, or by a simulation of as many as wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <sdepth/core/communicator.hpp>

/// A stage: work; a gradient that begins its way, and sums that everybody waits for.
struct Stage {
  std::size_t sum = 0;       // floats of the weights' gradient; 0: forward
  std::size_t gathered = 0;  // bytes of each part of the batch; 0: nobody waits
};
using RecordedStep = std::vector<Stage>;

/// Rank 0 of 8 processes with a part each, of which the others always have what this one has.
class Recording final : public sdepth::Communicator {
 public:
  static constexpr int parts = 8;

  [[nodiscard]] int rank() const noexcept override { return 0; }
  [[nodiscard]] int ranks() const noexcept override { return parts; }
  [[nodiscard]] Traffic traffic() const override { return {}; }

  /// One for each step so far.
  [[nodiscard]] const std::vector<RecordedStep>& steps() const noexcept { return steps_; }

 private:
  void do_gather(void* all, std::span<const std::size_t> sizes) override {
    for (std::size_t r = 1; r < sizes.size(); ++r)
      std::memcpy(static_cast<std::byte*>(all) + r * sizes[0], all, sizes[r]);
    // On the way back the gradient begins its way before the stage's sums are gathered.
    if (back_)
      now_.back().gathered = sizes[0];
    else
      now_.push_back({0, sizes[0]});
    back_ = false;
  }
  void do_begin_sum(const float* rows, int count, std::size_t size, float* sum) override {
    for (std::size_t i = 0; i < size; ++i) sum[i] = count > 0 ? rows[i] : 0;
    now_.push_back({size, 0});
    back_ = true;
  }
  void do_finish_sums() override {
    steps_.push_back(std::move(now_));
    now_.clear();
    back_ = false;
  }

  std::vector<RecordedStep> steps_;
  RecordedStep now_;
  bool back_ = false;
};

/// How processes go through a step, and what lies between them.
struct Circumstances {
  int ranks = 2;
  double third = 0;    // seconds of a stage's work forward, for its input's gradient, and for its weights'
  double latency = 0;  // seconds
  double bytes_per_second = 0;  // that a process receives and sends; 0: any number
  double slower = 1;            // so many times as long as it is told

  /// Of a batch of as few parts as there can be.
  [[nodiscard]] int parts_of_rank() const noexcept {
    return ranks < Recording::parts ? Recording::parts / ranks : 1;
  }
  /// Whether a stage has any work to speak of: only norms' sums are so many bytes.
  [[nodiscard]] double work(const Stage& stage) const noexcept {
    return stage.gathered >= 128 || stage.sum > 0 ? third : 0;
  }
};

/// What came of it: a step on average.
struct Step {
  double seconds = 0;
  double own = 0;                                // seconds of its work, of which each process has as much
  double gathers = 0, gathered = 0, summed = 0;  // times; bytes received; bytes sent
  double waited = 0, waited_behind_work = 0, waited_for_sums = 0;  // seconds
};
