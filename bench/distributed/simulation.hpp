// Any number of processes that go through recorded steps, in time that is only counted: each message takes its
// turn on the wire of who receives it, then the latency, and until somebody looks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <queue>
#include <vector>

#include "recorded_step.hpp"

class Simulation {
 public:
  Simulation(const Circumstances& how, const std::vector<RecordedStep>& steps, bool far, std::size_t bucket)
      : how_(how), steps_(steps), far_(far), bucket_(bucket), ranks_(static_cast<std::size_t>(how.ranks)) {}

  /// Rank 0's time.
  [[nodiscard]] Step run() {
    for (int r = 0; r < how_.ranks; ++r) go_on(r);
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.time;
      event.happens();
    }
    Step mean = told_;
    const auto count = static_cast<double>(steps_.size());
    mean.seconds = now_;
    for (double* number : {&mean.seconds, &mean.own, &mean.gathers, &mean.gathered, &mean.summed,
                           &mean.waited, &mean.waited_behind_work, &mean.waited_for_sums})
      *number /= count;
    return mean;
  }

 private:
  // Seconds until a thread of distributed/ looks whether something has come, on average, and that sending a
  // message takes.
  static constexpr double look = 5e-5, send = 1e-6;

  struct Event {
    double time;
    std::size_t number;  // of those at the same time the first comes first
    std::function<void()> happens;
    bool operator<(const Event& o) const { return time != o.time ? time > o.time : number > o.number; }
  };
  struct Bucket {
    std::size_t bytes = 0;
    bool closed = false, received = false;
  };
  struct Rank {
    std::size_t step = 0, stage = 0;
    std::size_t gathers = 0;            // begun by this one
    std::map<std::size_t, int> pieces;  // of a gather that have come
    double wire_is_free = 0;
    double since = 0;  // when it began to wait
    bool waits_for_gather = false, behind_work = false, waits_for_sums = false;
    std::vector<Bucket> buckets;
    std::size_t begun = 0, done = 0;
  };

  void at(double time, std::function<void()> happens) {
    events_.push({time, ++events_so_far_, std::move(happens)});
  }
  void message(int to, std::size_t bytes, double sent, std::function<void()> comes) {
    // in the order of sending, for which it is an event of its own
    at(sent, [this, to, bytes, comes = std::move(comes)] {
      Rank& rank = of(to);
      const double wire = how_.bytes_per_second > 0 ? static_cast<double>(bytes) / how_.bytes_per_second : 0;
      rank.wire_is_free = std::max(rank.wire_is_free, now_) + wire;
      at(rank.wire_is_free + how_.latency + look, comes);
    });
  }
  [[nodiscard]] Rank& of(int rank) { return ranks_[static_cast<std::size_t>(rank)]; }

  /// The next stage of a rank.
  void go_on(int r) {
    Rank& rank = of(r);
    if (rank.step == steps_.size()) return;
    if (rank.stage == steps_[rank.step].size()) {
      close(r);
      rank.since = now_;
      rank.waits_for_sums = true;
      end_of_sums(r);
      return;
    }
    const Stage& stage = steps_[rank.step][rank.stage++];
    const double work = how_.work(stage);
    const bool back = stage.sum > 0, in_two = back && far_ && stage.gathered > 0;
    if (r == 0) told_.own += back ? 2 * work : work;
    at(now_ + (back && !in_two ? 2 * work : work), [this, r, stage, work, back, in_two] {
      if (in_two) {
        begin_gather(r, stage.gathered);
        at(now_ + work, [this, r, stage] {
          sum(r, stage.sum);
          wait_for_gather(r, true);
        });
        return;
      }
      if (back) sum(r, stage.sum);
      if (stage.gathered == 0) return go_on(r);
      begin_gather(r, stage.gathered);
      wait_for_gather(r, false);
    });
  }

  void begin_gather(int r, std::size_t of_part) {
    const std::size_t gather = ++of(r).gathers,
                      piece = of_part * static_cast<std::size_t>(how_.parts_of_rank());
    double sent = now_;
    for (int to = 0; to < how_.ranks; ++to)
      if (to != r)
        message(to, piece, sent += send, [this, to, gather] {
          ++of(to).pieces[gather];
          if (of(to).waits_for_gather) end_of_gather(to);
        });
    if (r != 0) return;
    ++told_.gathers;
    told_.gathered += static_cast<double>(piece) * (how_.ranks - 1);
  }
  void wait_for_gather(int r, bool behind_work) {
    Rank& rank = of(r);
    rank.since = now_;
    rank.behind_work = behind_work;
    rank.waits_for_gather = true;
    end_of_gather(r);
  }
  void end_of_gather(int r) {
    Rank& rank = of(r);
    if (rank.pieces[rank.gathers] < how_.ranks - 1) return;
    rank.pieces.erase(rank.gathers);
    rank.waits_for_gather = false;
    if (r == 0) {
      told_.waited += now_ - rank.since;
      if (rank.behind_work) told_.waited_behind_work += now_ - rank.since;
    }
    go_on(r);
  }

  void sum(int r, std::size_t floats) {
    Rank& rank = of(r);
    for (std::size_t left = floats; left > 0;) {
      if (rank.begun == rank.buckets.size()) rank.buckets.emplace_back();
      Bucket& bucket = rank.buckets[rank.begun];
      const std::size_t piece = std::min(left, bucket_ - bucket.bytes / 4);
      bucket.bytes += 4 * piece;
      left -= piece;
      if (bucket.bytes == 4 * bucket_) close(r);
    }
    if (r == 0) told_.summed += 4 * static_cast<double>(floats);
  }
  void close(int r) {
    Rank& rank = of(r);
    if (rank.begun == rank.buckets.size() || rank.buckets[rank.begun].bytes == 0) return;
    rank.buckets[rank.begun].closed = true;
    up(r, rank.begun++);
  }
  /// Sends a bucket to the next rank, once it is here with what comes from the rank before.
  void up(int r, std::size_t b) {
    Bucket& bucket = of(r).buckets[b];
    if (!bucket.closed || (r > 0 && !bucket.received)) return;
    if (r + 1 == how_.ranks) return down(r, b);
    message(r + 1, bucket.bytes, now_, [this, r, b] {
      std::vector<Bucket>& theirs = of(r + 1).buckets;
      if (theirs.size() <= b) theirs.resize(b + 1);
      theirs[b].received = true;
      up(r + 1, b);
    });
  }
  /// Sends the sum to the rank before.
  void down(int r, std::size_t b) {
    if (r > 0) message(r - 1, of(r).buckets[b].bytes, now_, [this, r, b] { down(r - 1, b); });
    ++of(r).done;
    if (of(r).waits_for_sums) end_of_sums(r);
  }
  void end_of_sums(int r) {
    Rank& rank = of(r);
    if (rank.done < rank.begun) return;
    rank.waits_for_sums = false;
    if (r == 0) told_.waited_for_sums += now_ - rank.since;
    ++rank.step;
    rank.stage = 0;
    go_on(r);
  }

  Circumstances how_;
  std::vector<RecordedStep> steps_;
  bool far_;
  std::size_t bucket_;  // floats
  std::vector<Rank> ranks_;
  std::priority_queue<Event> events_;
  std::size_t events_so_far_ = 0;
  double now_ = 0;
  Step told_;
};
