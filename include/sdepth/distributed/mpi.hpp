// Several processes train one network together, over MPI: on the processors of one machine, or on many
// machines.
//
//     #include <sdepth/distributed/mpi.hpp>     // CMake: sdepth::mpi
//
//     Mpi others;                               // mpirun -n 4 program
//     Trainer<Net, Cpu<>> trainer({.batch = 128, .seed = 1}, others);
//     const Range mine = trainer.share().images_of(128);
//     trainer.step(NHWC<float>{my_part_of_the_batch}, my_labels);
//
// What is sent: of each batch normalisation a few numbers per channel, forward and backward, for which
// everybody waits; and the weights' gradients of the blocks that ran, in buckets, by a thread of its own
// while the way back goes on.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include <sdepth/core/clock.hpp>
#include <sdepth/core/communicator.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/distributed/ordered_sums.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The processes that mpirun has started. One object for each process, made before its trainers, and living
/// longer than they.
///
/// MPI's functions are called by one thread at a time. Where an exception ends the object's life, all
/// processes are ended, since they would wait for this one for ever; a process that is killed is noticed by
/// mpirun, which ends the others. Throws Error where MPI cannot be used so.
class Mpi final : public Communicator {
 public:
  Mpi() : exceptions_(std::uncaught_exceptions()) {
    int there = 0, level = MPI_THREAD_SINGLE;
    MPI_Initialized(&there);
    if (there)
      MPI_Query_thread(&level);
    else
      MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &level);
    begun_here_ = there == 0;
    if (level < MPI_THREAD_SERIALIZED)
      fail(
          "MPI was begun for programs of one thread, expected MPI_THREAD_SERIALIZED or more; give that to MPI_Init_thread, or leave it to Mpi");
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks_);
    MPI_Comm_dup(MPI_COMM_WORLD, &together_);
    sums_.emplace(rank_, ranks_);
  }
  ~Mpi() override {
    if (std::uncaught_exceptions() > exceptions_) abort();
    sums_.reset();
    MPI_Comm_free(&together_);
    if (begun_here_) MPI_Finalize();
  }

  [[nodiscard]] int rank() const noexcept override { return rank_; }
  [[nodiscard]] int ranks() const noexcept override { return ranks_; }

  /// Ends all processes, with the exit status 1. Who knows the reason has said it.
  [[noreturn]] void abort() {
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::abort();
  }

  [[nodiscard]] Traffic traffic() const override { return traffic_; }

 private:
  void do_gather(void* all, std::span<const std::size_t> sizes) override {
    do_begin_gather(all, sizes);
    const double waited = wait_for_gather();
    // what takes longer are processes that do something else, such as writing files
    constexpr double most = 5e-3;
    mean_wait_ += 0.05 * (std::min(waited, most) - mean_wait_);
  }
  void do_begin_gather(void* all, std::span<const std::size_t> sizes) override {
    counts_.clear();
    places_.clear();
    std::size_t size = 0;
    for (const std::size_t piece : sizes) {
      places_.push_back(static_cast<int>(size));
      counts_.push_back(static_cast<int>(piece));
      size += piece;
    }
    if (size > static_cast<std::size_t>(std::numeric_limits<int>::max()))
      fail("MPI: ", size, " bytes are to be gathered at once, expected less than 2 GiB; use a smaller batch");
    traffic_.gathered_bytes += size - sizes[static_cast<std::size_t>(rank_)];
    ++traffic_.gathers;
    const std::lock_guard lock(sums_->mutex());
    MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_BYTE, all, counts_.data(), places_.data(), MPI_BYTE, together_,
                    &gather_);
    sums_->watch(&gather_);
  }
  void do_finish_gather() override { traffic_.waited_behind_work += wait_for_gather(); }
  [[nodiscard]] bool do_is_far() const override {
    // seconds: more than processes of one machine wait for each other, and than reading twice takes
    constexpr double too_far = 5e-4;
    return mean_wait_ > too_far;
  }

  void do_begin_sum(const float* rows, int count, std::size_t size, float* sum) override {
    sums_->begin(rows, count, size, sum);
    traffic_.summed_bytes +=
        size * sizeof(float) * static_cast<std::size_t>((rank_ > 0) + (rank_ + 1 < ranks_));
  }
  void do_finish_sums() override {
    sums_->close();
    traffic_.waited_for_sums += wait_until([&] { return sums_->done(); });
    sums_->forget();
  }

  double wait_for_gather() {
    const double waited = wait_until([&] { return sums_->watched_done(); });
    traffic_.waited += waited;
    return waited;
  }
  /// Tries until it is so, sums going on meanwhile. Returns the seconds that it took.
  template <class Condition>
  double wait_until(const Condition& condition) {
    const std::int64_t begin = nanoseconds();
    for (int tries = 0;; ++tries) {
      {
        const std::lock_guard lock(sums_->mutex());
        sums_->go_on();
        if (condition()) break;
      }
      // Others may be waiting for this core.
      if (tries < 64)
        std::this_thread::yield();
      else
        sleep_microseconds(20);
    }
    return 1e-9 * static_cast<double>(nanoseconds() - begin);
  }

  int exceptions_ = 0;
  bool begun_here_ = false;
  int rank_ = 0;
  int ranks_ = 1;
  MPI_Comm together_ = MPI_COMM_NULL;
  std::optional<OrderedSums> sums_;
  std::vector<int> counts_, places_;
  MPI_Request gather_ = MPI_REQUEST_NULL;
  double mean_wait_ = 0;  // seconds, of late
  Traffic traffic_;
};

}  // namespace sdepth::inline SDEPTH_ISA
