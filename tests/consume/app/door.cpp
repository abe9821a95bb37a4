// What a user of the door writes first: a network as a type.
#include <cstdio>

#include <sdepth/net.hpp>

using Net = sdepth::Network<sdepth::Input<3, 8, 8>, sdepth::Conv<4>, sdepth::BN, sdepth::ReLU,
                            sdepth::GlobalAvgPool, sdepth::Linear<2>>;
static_assert(Net::output == sdepth::Shape{2, 1, 1});

int main() { std::printf("%zu parameters\n", Net::parameter_count); }
