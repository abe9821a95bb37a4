// expect: sdepth/cuda.hpp is for sources that nvcc compiles, NAME.cu; a source for the CPU's compiler includes sdepth/net.hpp
#ifdef PASS
#include <sdepth/net.hpp>
#else
#include <sdepth/cuda.hpp>
#endif
