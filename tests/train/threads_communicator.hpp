// Processes that are threads, for tests: the same contract as over MPI, with memory that all can see.
#pragma once

#include <barrier>
#include <cstddef>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include <sdepth/core/communicator.hpp>

namespace sdepth::test {

/// What the ranks of one test share.
class Meeting {
 public:
  bool far = false;       // see Communicator::is_far
  bool in_turns = false;  // one rank computes at a time, for what several threads may not use at once
  explicit Meeting(int ranks)
      : barrier_(ranks), pieces_(static_cast<std::size_t>(ranks)), sums_(static_cast<std::size_t>(ranks)) {}

  class Rank final : public Communicator {
   public:
    Rank(Meeting& all, int rank) : all_(all), rank_(static_cast<std::size_t>(rank)) {}
    [[nodiscard]] int rank() const noexcept override { return static_cast<int>(rank_); }
    [[nodiscard]] int ranks() const noexcept override { return static_cast<int>(all_.pieces_.size()); }

    void do_gather(void* everything, std::span<const std::size_t> sizes) override {
      auto* bytes = static_cast<std::byte*>(everything);
      std::vector<std::size_t> from(sizes.size() + 1);
      for (std::size_t r = 0; r < sizes.size(); ++r) from[r + 1] = from[r] + sizes[r];
      all_.pieces_[rank_].assign(bytes + from[rank_], bytes + from[rank_ + 1]);
      meet();
      for (std::size_t r = 0; r < sizes.size(); ++r)
        std::copy(all_.pieces_[r].begin(), all_.pieces_[r].end(), bytes + from[r]);
      meet();
      ++traffic_.gathers;
    }
    void do_begin_sum(const float* rows, int count, std::size_t size, float* sum) override {
      all_.sums_[rank_].emplace_back(rows, rows + static_cast<std::size_t>(count) * size);
      results_.emplace_back(sum, size);
      traffic_.summed_bytes += size * sizeof(float);
    }
    void do_finish_sums() override {
      meet();
      for (std::size_t i = 0; i < results_.size(); ++i) {
        const auto [sum, size] = results_[i];
        bool begun = false;
        for (const auto& rows : all_.sums_)
          for (std::size_t row = 0; row < rows[i].size(); row += size, begun = true)
            for (std::size_t k = 0; k < size; ++k)
              sum[k] = begun ? sum[k] + rows[i][row + k] : rows[i][row + k];
      }
      meet();
      all_.sums_[rank_].clear();
      results_.clear();
    }
    bool do_is_far() const override { return all_.far; }
    [[nodiscard]] Traffic traffic() const override { return traffic_; }

    /// Waits for its turn.
    void begin() {
      if (all_.in_turns) all_.turn_.lock();
    }
    void end() {
      if (all_.in_turns) all_.turn_.unlock();
    }

   private:
    void meet() {
      end();
      all_.barrier_.arrive_and_wait();
      begin();
    }

    Meeting& all_;
    Traffic traffic_;
    std::size_t rank_;
    std::vector<std::pair<float*, std::size_t>> results_;
  };

 private:
  std::barrier<> barrier_;
  std::mutex turn_;
  std::vector<std::vector<std::byte>> pieces_;
  std::vector<std::vector<std::vector<float>>> sums_;
};

/// Calls body(rank's communicator) on a thread for each rank.
template <class Body>
void on_ranks(int ranks, const Body& body, bool far = false, bool in_turns = false) {
  Meeting meeting(ranks);
  meeting.far = far;
  meeting.in_turns = in_turns;
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r)
    threads.emplace_back([&meeting, &body, r] {
      Meeting::Rank rank(meeting, r);
      rank.begin();
      body(rank);
      rank.end();
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace sdepth::test
