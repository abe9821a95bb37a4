// What the test must find, planted in namespace sdepth: a virtual call with its vtable, a call of a function
// through a pointer, a jump through a table.
#include <cstdio>

namespace sdepth {

struct Planted {
  virtual ~Planted() = default;
  [[nodiscard]] virtual int layer(int x) const { return x + 1; }
};
struct PlantedDerived : Planted {
  [[nodiscard]] int layer(int x) const override { return x * 3; }
};
[[gnu::noinline]] int planted_virtual(const Planted& block, int x) { return block.layer(x) + 1; }
[[gnu::noinline]] int planted_pointer(int (*function)(const char*), const char* text) {
  return function(text) + 1;
}
[[gnu::noinline]] void planted_table(int kernel) {
  switch (kernel) {
    case 0:
      std::puts("zero");
      break;
    case 1:
      std::printf("%d\n", kernel);
      break;
    case 2:
      std::putchar('2');
      break;
    case 3:
      std::fflush(stdout);
      break;
    case 4:
      std::perror("four");
      break;
    case 5:
      std::remove("/nowhere/five");
      break;
    case 6:
      std::fputs("six", stderr);
      break;
    default:
      break;
  }
}
[[gnu::noinline]] int planted_nothing(int x) { return 2 * x; }

}  // namespace sdepth

int main(int count, char** words) {
  const sdepth::PlantedDerived derived;
  const sdepth::Planted base;
  sdepth::planted_table(count);
  return sdepth::planted_virtual(count > 1 ? derived : base, count) +
         sdepth::planted_pointer(std::puts, words[0]) + sdepth::planted_nothing(count);
}
