// What a launcher says of the processes that it has started.
#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <string>

#include <sdepth/program/together.hpp>

namespace sdepth::test::together_test {

namespace {

/// An environment in which a launcher has said this, and nothing else.
class Launched {
 public:
  explicit Launched(const std::map<std::string, std::string>& words) {
    for (const char* name : names) unsetenv(name);
    for (const auto& [name, value] : words) setenv(name.c_str(), value.c_str(), 1);
  }
  ~Launched() {
    for (const char* name : names) unsetenv(name);
  }
  Launched(const Launched&) = delete;
  Launched& operator=(const Launched&) = delete;

 private:
  static constexpr const char* names[] = {"OMPI_COMM_WORLD_SIZE",
                                          "OMPI_COMM_WORLD_LOCAL_RANK",
                                          "PMI_SIZE",
                                          "MPI_LOCALNRANKS",
                                          "MPI_LOCALRANKID",
                                          "PMIX_RANK",
                                          "SLURM_STEP_NUM_TASKS",
                                          "SLURM_NTASKS",
                                          "SLURM_LOCALID"};
};
void check(const std::map<std::string, std::string>& words, int processes, int of_machine) {
  const Launched environment(words);
  CHECK(program::started_processes() == processes);
  CHECK(program::process_of_machine() == of_machine);
}

}  // namespace

TEST_CASE(
    "mpirun of Open MPI and of MPICH, and srun, say how many processes there are, and which one of its machine each is") {
  check({}, 1, 0);
  check({{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}}, 4, 1);
  check({{"PMI_SIZE", "8"}, {"MPI_LOCALRANKID", "3"}}, 8, 3);
  check({{"PMIX_RANK", "5"}, {"SLURM_STEP_NUM_TASKS", "8"}, {"SLURM_NTASKS", "16"}, {"SLURM_LOCALID", "1"}},
        8, 1);
  check({{"SLURM_NTASKS", "8"}}, 1, 0);  // a batch script, or tasks that do not know each other
}

}  // namespace sdepth::test::together_test
