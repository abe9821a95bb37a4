// Built where MPI is: mpirun -n N train_own.
#include <sdepth/program/mpi.hpp>
