// expect: Conv<Channels, Kernel, Stride>: the number of output channels must be positive
#include <sdepth/network/network.hpp>

#ifdef PASS
constexpr int channels = 1;
#else
constexpr int channels = 0;
#endif
static_assert(sizeof(sdepth::Conv<channels>) == 1);
