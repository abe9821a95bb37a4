// A run of several processes, as mpirun starts them: how a program joins the others, and makes sure that all
// do the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <span>
#include <sstream>
#include <streambuf>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <sdepth/core/clock.hpp>
#include <sdepth/core/communicator.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/core/fingerprint.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// The other processes of a run, and the means to end them all. Null in programs that do not include
/// program/mpi.hpp.
struct Others {
  std::unique_ptr<Communicator> communicator;
  void (*end_all)(Communicator&);  // with the exit status 1; does not return
};
inline Others (*join_others)() = nullptr;

/// How many processes a launcher says that it has started for this program; 1 where there is none.
[[nodiscard]] inline int started_processes() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS"})
    if (const char* text = std::getenv(name)) return std::atoi(text);
  // srun --mpi=pmix. Without it the tasks of a step do not know each other, and are runs of their own.
  if (std::getenv("PMIX_RANK"))
    for (const char* name : {"SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"})
      if (const char* text = std::getenv(name)) return std::atoi(text);
  return 1;
}

/// Which one this is of the processes on its machine, as a launcher says; 0 where there is none.
[[nodiscard]] inline int process_of_machine() {
  for (const char* name : {"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"})
    if (const char* text = std::getenv(name)) return std::atoi(text);
  return 0;
}

/// Throws Error, on every process, where a process has another one than rank 0. @param what  "other options"
/// @param advice  what to do then
inline void check_alike(Communicator& others, const Fingerprint& mine, std::string_view what,
                        std::string_view advice) {
  std::vector<std::uint64_t> all(static_cast<std::size_t>(others.ranks()));
  all[static_cast<std::size_t>(others.rank())] = mine.value();
  others.gather(all.data(), std::vector(all.size(), sizeof(std::uint64_t)));
  for (std::size_t rank = 1; rank < all.size(); ++rank)
    if (all[rank] != all[0])
      fail("rank ", rank, " has ", what, " than rank 0, so they cannot train one network together; ", advice);
}
/// What rank 0 has.
template <class Value>
[[nodiscard]] Value from_rank_0(Communicator& others, Value value) {
  static_assert(std::is_trivially_copyable_v<Value>);
  std::vector<std::size_t> sizes(static_cast<std::size_t>(others.ranks()));
  sizes[0] = sizeof(value);
  others.gather(&value, sizes);
  return value;
}
/// Everybody's rows become those of rank 0.
template <class Row>
void from_rank_0(Communicator& others, std::vector<Row>& rows) {
  static_assert(std::is_trivially_copyable_v<Row>);
  const std::size_t count = from_rank_0(others, rows.size());
  rows.resize(count);
  std::vector<std::size_t> sizes(static_cast<std::size_t>(others.ranks()));
  sizes[0] = count * sizeof(Row);
  others.gather(rows.data(), sizes);
}
/// Whether it is so on any process.
[[nodiscard]] inline bool on_any(Communicator& others, bool mine) {
  std::vector<std::uint8_t> all(static_cast<std::size_t>(others.ranks()));
  all[static_cast<std::size_t>(others.rank())] = mine;
  others.gather(all.data(), std::vector<std::size_t>(all.size(), 1));
  for (const std::uint8_t one : all)
    if (one != 0) return true;
  return false;
}

/// While it lives, what is written to a stream goes elsewhere.
class Redirection {
 public:
  Redirection(std::ostream& stream, std::streambuf* to) : stream_(stream), before_(stream.rdbuf(to)) {}
  Redirection(const Redirection&) = delete;
  Redirection& operator=(const Redirection&) = delete;
  ~Redirection() { stream_.rdbuf(before_); }

 private:
  std::ostream& stream_;
  std::streambuf* before_;
};

/// A program of several processes, each of which calls this. What goes wrong on one ends all: who comes first
/// says it, with its rank.
/// @param program  int(Communicator&): returns the exit status, having said what was wrong
template <class Program>
[[nodiscard]] int run_together(const std::string& name, const Program& program) {
  if (!join_others) {
    std::cerr
        << name << ": was started as one of " << started_processes()
        << " processes, and built without what makes them one run; include <sdepth/program/mpi.hpp> and link sdepth::mpi, or start it without mpirun\n";
    return 1;
  }
  const Others others = join_others();
  Communicator& all = *others.communicator;
  const bool first = all.rank() == 0;
  std::ostringstream progress, wrong;  // the first process speaks for all
  int status = 0;
  {
    const Redirection quiet(std::cout, first ? std::cout.rdbuf() : progress.rdbuf()),
        kept(std::cerr, first ? std::cerr.rdbuf() : wrong.rdbuf());
    status = program(all);
  }
  if (status == 0 || status == 130) return status;
  // Where all fail for the same reason, the first process has ended the others by then.
  if (!first) {
    for (int i = 0; i < 4; ++i) sleep_microseconds(900'000);
    std::cerr << "rank " << all.rank() << ": " << wrong.str() << std::flush;
  }
  others.end_all(all);
  return status;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
