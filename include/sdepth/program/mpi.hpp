// Adds `mpirun -n N` to a training program: N processes train one network, with the same files as one.
// Include it in one .cpp, and link sdepth::mpi.
#pragma once

#include <memory>

#include <sdepth/distributed/mpi.hpp>
#include <sdepth/program/together.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

[[nodiscard]] inline Others join_mpi() {
  return {std::make_unique<Mpi>(), [](Communicator& mpi) { static_cast<Mpi&>(mpi).abort(); }};
}
/// MPI begins where a launcher has started several processes, and only there: it takes a second.
inline const bool others_are_joined = (join_others = join_mpi, true);

}  // namespace sdepth::inline SDEPTH_ISA::program
