// Built where MPI is: mpirun -n N train.
#include <sdepth/program/mpi.hpp>
