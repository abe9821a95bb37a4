// With door_other.cpp: the door in two translation units of one program, which links only when every function
// in it is inline.
#include <sdepth/net.hpp>

std::uint32_t word_of_the_other_unit();

int main() {
  return sdepth::random_words(1, sdepth::Purpose::gate, 2, 3)[0] == word_of_the_other_unit() ? 0 : 1;
}
