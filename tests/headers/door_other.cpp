// See door_main.cpp.
#include <sdepth/net.hpp>

std::uint32_t word_of_the_other_unit() { return sdepth::random_words(1, sdepth::Purpose::gate, 2, 3)[0]; }
