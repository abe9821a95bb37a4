#include <sdepth/core/shape.hpp>

int main() { return sdepth::Shape{1, 2, 3}.size() == 6 ? 0 : 1; }
