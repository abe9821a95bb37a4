// A source for the CPU's compiler that links sdepth::cuda: sdepth's headers are there, Eigen's and xsimd's
// are not asked for.
#include <sdepth/core/shape.hpp>

int main() { return sdepth::Shape{1, 2, 3}.size() == 6 ? 0 : 1; }
