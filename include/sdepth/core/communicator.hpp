// What processes that train one network together do for each other. The library's kernels know this much of
// them; distributed/ has it over MPI.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// All processes call the same functions with the same sizes in the same order, each from one thread at a
/// time. Throws Error where the others cannot be reached.
class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  [[nodiscard]] virtual int rank() const noexcept = 0;
  [[nodiscard]] virtual int ranks() const noexcept = 0;

  /// Pieces of `all`, one of each process in the order of ranks; each has written its own, and on return has
  /// everybody's.
  /// @param sizes  [ranks], bytes of each piece
  /// A function of its own, as the other two are: a step calls nothing else of it, and nothing through a
  /// pointer where there are no others.
  [[gnu::noinline]] void gather(void* all, std::span<const std::size_t> sizes) { do_gather(all, sizes); }

  /// The same in two halves, between which the caller can work; no other gather is begun meanwhile.
  [[gnu::noinline]] void begin_gather(void* all, std::span<const std::size_t> sizes) {
    do_begin_gather(all, sizes);
  }
  [[gnu::noinline]] void finish_gather() { do_finish_gather(); }
  /// Whether gathers take so long that a stage's operands are better read twice than waited for. The answer
  /// changes no result, and may differ between processes.
  [[nodiscard, gnu::noinline]] bool is_far() const { return do_is_far(); }

  /// Begins sum = the rows of rank 0 added up in their order, then those of rank 1, and so on: the sum that
  /// one process with all rows makes, to the bit. Rows are copied; sums are there after finish_sums().
  /// @param rows  [count][size], count may be 0 on some ranks   @param sum  [size]
  [[gnu::noinline]] void begin_sum(const float* rows, int count, std::size_t size, float* sum) {
    do_begin_sum(rows, count, size, sum);
  }
  /// Waits for all sums that have begun.
  [[gnu::noinline]] void finish_sums() { do_finish_sums(); }

  /// What this process has sent and fetched so far, and how long it has waited for it.
  struct Traffic {
    std::uint64_t gathers = 0;
    std::uint64_t gathered_bytes = 0;  ///< that it received
    std::uint64_t summed_bytes = 0;    ///< of gradients, that it sent
    double waited = 0;                 ///< seconds in gathers
    double waited_behind_work = 0;     ///< of those the ones in finish_gather
    double waited_for_sums = 0;        ///< seconds in finish_sums
  };
  [[nodiscard]] virtual Traffic traffic() const = 0;

 private:
  virtual void do_gather(void* all, std::span<const std::size_t> sizes) = 0;
  virtual void do_begin_gather(void* all, std::span<const std::size_t> sizes) { do_gather(all, sizes); }
  virtual void do_finish_gather() {}
  [[nodiscard]] virtual bool do_is_far() const { return false; }
  virtual void do_begin_sum(const float* rows, int count, std::size_t size, float* sum) = 0;
  virtual void do_finish_sums() = 0;
};

/// One process, with no others. A trainer that is given it gives the bits that several would, where these
/// differ from those of a trainer without others: on a GPU, and with a gate for each image.
class Alone final : public Communicator {
 public:
  [[nodiscard]] int rank() const noexcept override { return 0; }
  [[nodiscard]] int ranks() const noexcept override { return 1; }
  [[nodiscard]] Traffic traffic() const override { return {}; }

 private:
  void do_gather(void*, std::span<const std::size_t>) override {}
  void do_begin_sum(const float* rows, int count, std::size_t size, float* sum) override {
    for (int row = 0; row < count; ++row, rows += size)
      for (std::size_t i = 0; i < size; ++i) sum[i] = row > 0 ? sum[i] + rows[i] : rows[i];
  }
  void do_finish_sums() override {}
};

}  // namespace sdepth::inline SDEPTH_ISA
