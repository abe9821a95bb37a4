// The choice of register blocks, which is made at compile time: what it must not miss on each kind of
// machine.
#include <doctest/doctest.h>

#include <sdepth/kernels/cpu/cpu.hpp>

namespace sdepth::test::blocks_test {
namespace {

using cpu::Block;
using cpu::choose_block;
using cpu::Cut;
using Arch = xsimd::default_arch;

constexpr bool same(const Block& a, int rows, int columns, int vectors) {
  return a.rows == rows && a.columns == columns && a.vectors == vectors;
}
/// All blocks of a cut in their order, as a number: 6, 5, 5 are 655.
constexpr int digits(const Cut& cut) {
  int number = 0;
  for (int i = 0; i < cut.blocks(); ++i) number = 10 * number + cut.size - (i < cut.larger ? 0 : 1);
  return number;
}
static_assert(digits(Cut(16, 6)) == 655 && digits(Cut(8, 6)) == 44 && digits(Cut(12, 6)) == 66 &&
              digits(Cut(7, 4)) == 43);
static_assert(digits(Cut(1, 6)) == 1 && digits(Cut(5, 9)) == 5 && digits(Cut(3, 1)) == 111);

constexpr int accumulators(const Block& b) { return b.rows * b.columns * b.vectors; }

/// Over the products of 16 to 512 channels and the direct convolutions of residual networks: each block fits
/// the registers, and the multiply-adds take at least 0.85 of the cycles that the choice counts with.
constexpr bool every_choice_is_near_the_ceiling() {
  for (const int extent : {4, 7, 8, 14, 16, 28, 32, 56, 112})
    for (const int channels : {16, 32, 64, 128, 256, 512}) {
      const int vectors = cpu::padded<Arch>(channels) / cpu::lanes<Arch>;
      const Block b = choose_block<Arch>(1, extent, vectors, channels);
      if (!cpu::fits_registers<Arch>(b.columns, b.vectors)) return false;
      // cut into whatever, some block is short of accumulators
      if (extent * vectors < 16 || (extent < 8 && vectors < 8)) continue;
      const double cycles =
          cpu::cycles_of(Cut(extent, b.columns), b.rows, Cut(vectors, b.vectors), [](int) { return 0.0; });
      const double ceiling = extent * vectors / 2.0;
      // one vector of channels: as many broadcasts as multiply-adds
      const bool few = cpu::registers<Arch> == 32 && vectors == 1;
      if (ceiling < (few ? 0.8 : 0.85) * cycles) return false;
    }
  return true;
}
static_assert(cpu::lanes<Arch> < 8 || every_choice_is_near_the_ceiling());

// 16 registers of AVX2: 64 channels' 16 tiles want 12 accumulators, which 16 does not divide into; 8 tiles
// have no more than 8.
static_assert(cpu::lanes<Arch> != 8 || !cpu::fuses<Arch> || same(choose_block<Arch>(1, 16, 8, 64), 1, 6, 2));
static_assert(cpu::lanes<Arch> != 8 || !cpu::fuses<Arch> || same(choose_block<Arch>(1, 8, 2, 16), 1, 4, 2));
static_assert(cpu::lanes<Arch> != 8 || !cpu::fuses<Arch> ||
              accumulators(choose_block<Arch>(14, 14, 32, 256)) == 12);
// 32 registers: blocks that divide the extent before larger ones that do not.
static_assert(cpu::lanes<Arch> != 16 || same(choose_block<Arch>(1, 16, 4, 64), 1, 8, 2));
static_assert(cpu::lanes<Arch> != 16 || same(choose_block<Arch>(1, 8, 1, 16), 1, 8, 1));

// Weights that come from beyond a small L2 want blocks of more pixels and fewer vectors than those that come
// from L1.
constexpr cpu::Caches small{.l1 = 32 << 10, .l2 = 64 << 10}, large{.l1 = 1 << 20, .l2 = 4 << 20};
constexpr Block far = choose_block<Arch>(1, 24, 8, 2000, small),
                near = choose_block<Arch>(1, 24, 8, 2000, large);
static_assert(far.columns >= near.columns && far.vectors <= near.vectors);
static_assert(cpu::lanes<Arch> != 8 || far.columns > near.columns);

TEST_CASE("a cut covers its extent once, with blocks that differ by one at most") {
  for (int extent = 1; extent <= 40; ++extent)
    for (int most = 1; most <= 9; ++most) {
      const Cut cut(extent, most);
      CHECK(cut.larger * cut.size + cut.smaller * (cut.size - 1) == extent);
      CHECK(cut.size <= most);
      CHECK(cut.larger >= 1);
      CHECK(cut.blocks() == (extent + most - 1) / most);
    }
}

TEST_CASE("for_each_block goes through a cut in its order") {
  int next = 0;
  cpu::for_each_block<Cut(16, 6)>([&]<int Size>(int first) {
    CHECK(first == next);
    CHECK((Size == 6 || Size == 5));
    next += Size;
  });
  CHECK(next == 16);
}

}  // namespace
}  // namespace sdepth::test::blocks_test
