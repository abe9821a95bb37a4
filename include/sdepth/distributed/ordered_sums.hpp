// Sums over processes with the bits of one: added up in the order of ranks along a chain, and sent back along
// it.
//
//   rank 0: its rows  →  rank 1: + its rows  →  …  →  last rank: + its rows = the sum  →  …  →  rank 1  →  rank 0
//
// Each process sends a sum at most twice, whatever their number, as it would in a ring. Sums travel in
// buckets, several on the way at once.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <sdepth/core/clock.hpp>
#include <sdepth/core/signal_mask.hpp>

namespace sdepth::inline SDEPTH_ISA {

class OrderedSums {
 public:
  /// Floats in a bucket: as many as MPI sends over TCP without asking the receiver first, which would take
  /// two more latencies (Open MPI: less than 64 KiB), and so few that what a norm waits for is soon through
  /// on a slow wire (1 Gbit/s: 0.5 ms).
  static constexpr std::size_t bucket_size = 15 * 1024;

  OrderedSums(int rank, int ranks) : rank_(rank), ranks_(ranks) {
    MPI_Comm_dup(MPI_COMM_WORLD, &chain_);
    const WithoutSignals none;
    thread_ = std::thread([this] { help(); });
  }
  OrderedSums(const OrderedSums&) = delete;
  OrderedSums& operator=(const OrderedSums&) = delete;
  ~OrderedSums() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    begun_.notify_one();
    thread_.join();
    MPI_Comm_free(&chain_);
  }

  /// Guards MPI, and everything here.
  [[nodiscard]] std::mutex& mutex() noexcept { return mutex_; }

  /// @see Communicator::begin_sum
  void begin(const float* rows, int count, std::size_t size, float* sum) {
    for (std::size_t first = 0; first < size;) {
      Bucket& bucket = open_ ? buckets_.back() : add();
      const std::size_t piece = std::min(size - first, bucket_size - bucket.size);
      bucket.places.push_back({sum + first, piece, bucket.rows.size(), count});
      for (int i = 0; i < count; ++i) {
        const float* row = rows + static_cast<std::size_t>(i) * size + first;
        bucket.rows.insert(bucket.rows.end(), row, row + piece);
      }
      bucket.size += piece;
      first += piece;
      if (bucket.size == bucket_size) close();
    }
  }
  /// No more comes for now: what has begun goes on its way.
  void close() {
    if (!open_) return;
    {
      const std::lock_guard lock(mutex_);
      open_ = false;
      ++closed_;
      go_on();
    }
    begun_.notify_one();
  }
  /// Has the thread look after a request, too: messages come while somebody asks for them. @pre  the mutex is
  /// held
  void watch(MPI_Request* request) {
    watched_ = request;
    begun_.notify_one();
  }
  /// @pre  the mutex is held
  [[nodiscard]] bool watched_done() const noexcept { return watched_ == nullptr; }
  /// What can be done without waiting. @pre  the mutex is held
  void go_on() {
    if (watched_) {
      int there = 0;
      MPI_Test(watched_, &there, MPI_STATUS_IGNORE);
      if (there) watched_ = nullptr;
    }
    constexpr int at_once = 128;  // asking for all of a large network's would take longer than sending one
    for (int i = finished_; i < std::min(closed_, finished_ + at_once); ++i)
      buckets_[static_cast<std::size_t>(i)].go_on(*this);
    while (finished_ < closed_ && buckets_[static_cast<std::size_t>(finished_)].state == State::done)
      ++finished_;
  }
  [[nodiscard]] bool done() const noexcept { return finished_ == closed_; }
  /// Once all are done: their memory is for others.
  void forget() {
    const std::lock_guard lock(mutex_);
    buckets_.clear();
    closed_ = finished_ = 0;
  }

 private:
  enum class State { begins, receives, sends, receives_sum, sends_sum, done };
  /// Where a sum goes, and the rows that this process adds to it.
  struct Place {
    float* sum;
    std::size_t size;
    std::size_t rows;  // where they begin
    int count;
  };
  struct Bucket {
    int tag = 0;
    std::size_t size = 0;
    std::vector<float> rows;
    std::vector<Place> places;
    std::vector<float> sum;
    State state = State::begins;
    MPI_Request request = MPI_REQUEST_NULL;

    void go_on(const OrderedSums& all) {
      const auto numbers = static_cast<int>(size);
      const int up = 2 * tag, down = up + 1;
      const bool first = all.rank_ == 0, last = all.rank_ + 1 == all.ranks_;
      for (int ready = 0;; ready = 0) {
        MPI_Test(&request, &ready, MPI_STATUS_IGNORE);  // a request that there is not is ready
        if (!ready) return;
        switch (state) {
          case State::begins:
            sum.resize(size);
            if (!first) MPI_Irecv(sum.data(), numbers, MPI_FLOAT, all.rank_ - 1, up, all.chain_, &request);
            state = State::receives;
            break;
          case State::receives:
            add_rows(!first);
            if (!last) MPI_Isend(sum.data(), numbers, MPI_FLOAT, all.rank_ + 1, up, all.chain_, &request);
            state = State::sends;
            break;
          case State::sends:
            if (!last) MPI_Irecv(sum.data(), numbers, MPI_FLOAT, all.rank_ + 1, down, all.chain_, &request);
            state = State::receives_sum;
            break;
          case State::receives_sum:
            if (!first) MPI_Isend(sum.data(), numbers, MPI_FLOAT, all.rank_ - 1, down, all.chain_, &request);
            hand_out();
            state = State::sends_sum;
            break;
          case State::sends_sum:
            state = State::done;
            return;
          case State::done:
            return;
        }
      }
    }
    /// @param begun  whether `sum` holds those of the ranks before
    void add_rows(bool begun) {
      float* to = sum.data();
      for (const Place& place : places) {
        const float* row = rows.data() + place.rows;
        for (int i = 0; i < place.count; ++i, row += place.size)
          if (begun || i > 0)
            for (std::size_t k = 0; k < place.size; ++k) to[k] += row[k];
          else
            std::copy_n(row, place.size, to);
        to += place.size;
      }
    }
    void hand_out() const {
      const float* from = sum.data();
      for (const Place& place : places) {
        std::copy_n(from, place.size, place.sum);
        from += place.size;
      }
    }
  };

  Bucket& add() {
    const std::lock_guard lock(mutex_);
    buckets_.emplace_back();
    buckets_.back().tag = static_cast<int>(buckets_.size()) % 8192;  // MPI has at least 32,768 tags
    open_ = true;
    return buckets_.back();
  }

  /// The thread: lets messages come and go while the network computes.
  void help() {
    std::unique_lock lock(mutex_);
    while (!ends_) {
      begun_.wait(lock, [this] { return ends_ || !done() || watched_; });
      go_on();
      lock.unlock();
      sleep_microseconds(50);  // far below what a bucket takes on its way
      lock.lock();
    }
  }

  int rank_;
  int ranks_;
  MPI_Comm chain_ = MPI_COMM_NULL;
  std::mutex mutex_;
  std::condition_variable begun_;
  // of this step; the last one is being filled while it is open, by its only thread
  std::deque<Bucket> buckets_;
  bool open_ = false;
  int closed_ = 0;    // buckets that are on their way or done
  int finished_ = 0;  // those that are done, in order
  MPI_Request* watched_ = nullptr;
  bool ends_ = false;
  std::thread thread_;
};

}  // namespace sdepth::inline SDEPTH_ISA
