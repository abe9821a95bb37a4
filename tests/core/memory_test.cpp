// Buffers and the arena: alignment, zeros, moves, and address space that costs nothing until it is written.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <type_traits>
#include <vector>

#include <sdepth/core/memory.hpp>

namespace sdepth::test::memory_test {

namespace {

bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % alignment == 0; }

// Memory of this process that is in use, in bytes: the second number of /proc/self/statm counts pages of 4
// KiB.
std::size_t resident_bytes() {
  std::size_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * 4096;
}

TEST_CASE("a buffer is zeroed and starts on a cache line, whatever its size") {
  for (const std::size_t size : std::initializer_list<std::size_t>{1, 15, 16, 17, 1000}) {
    // The second round gets memory that the first one wrote to.
    for (const float dirt : {3.0f, 4.0f}) {
      std::vector<Buffer<float>> buffers(64);
      for (Buffer<float>& buffer : buffers) {
        buffer = Buffer<float>(size);
        REQUIRE(aligned(buffer.data()));
        REQUIRE(buffer.size() == size);
        REQUIRE(buffer.span().size() == size);
        REQUIRE(std::ranges::all_of(buffer.span(), [](float x) { return x == 0; }));
      }
      for (Buffer<float>& buffer : buffers) std::ranges::fill(buffer.span(), dirt);
    }
  }
}

TEST_CASE("a long buffer is zeroed, too, lies on a huge page's boundary, and goes back to the system") {
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 3; ++i) {
    Buffer<float> buffer((std::size_t{12} << 20) + 5);
    REQUIRE(reinterpret_cast<std::uintptr_t>(buffer.data()) % huge_page == 0);
    REQUIRE(std::ranges::all_of(buffer.span(), [](float x) { return x == 0; }));
    CHECK(resident_bytes() >= before + (std::size_t{48} << 20));  // predicting does not take it page by page
    std::ranges::fill(buffer.span(), 1.0f);
    const Buffer<float> moved = std::move(buffer);
    CHECK(moved[moved.size() - 1] == 1.0f);
  }
  CHECK(resident_bytes() < before + (std::size_t{8} << 20));
}

TEST_CASE("a buffer moves and does not copy") {
  static_assert(!std::is_copy_constructible_v<Buffer<int>>);
  Buffer<int> a(4);
  a[2] = 7;
  const int* where = a.data();
  Buffer<int> b(std::move(a));
  CHECK(b.data() == where);
  CHECK(b[2] == 7);
}

TEST_CASE("an empty buffer has no memory and an empty span") {
  Buffer<double> none(0);
  CHECK(none.data() == nullptr);
  CHECK(none.span().empty());
}

TEST_CASE(
    "a buffer too large for the machine is refused with a sentence, also where its bytes are no number") {
  CHECK_THROWS_AS(Buffer<char>(std::size_t{1} << 62), Error);
  for (const std::size_t size : {std::numeric_limits<std::size_t>::max(),
                                 std::numeric_limits<std::size_t>::max() / 8 + 2, std::size_t{1} << 61})
    CHECK_THROWS_WITH_AS(Buffer<double>{size}, doctest::Contains("out of memory"), Error);
  Arena arena(4096);
  CHECK_THROWS_AS(arena.take<double>(std::numeric_limits<std::size_t>::max() / 8 + 2), Error);
  CHECK(arena.used() == 0);
}

TEST_CASE("what an arena gives is aligned, does not overlap and starts over after reset") {
  Arena arena(4096);
  float* first = arena.take<float>(3);
  double* second = arena.take<double>(9);
  CHECK(aligned(first));
  CHECK(aligned(second));
  CHECK(reinterpret_cast<std::byte*>(second) - reinterpret_cast<std::byte*>(first) == 64);
  CHECK(arena.used() == 64 + 128);
  arena.reset();
  CHECK(arena.used() == 0);
  CHECK(arena.take<float>(1) == first);
}

TEST_CASE("between two arrays of an arena lies the gap that was asked for, of which nothing counts as used") {
  Arena arena(1024, 128);
  const std::byte* const first = arena.take<std::byte>(64);
  const std::byte* const second = arena.take<std::byte>(1);
  CHECK(second - first == 64 + 128);
  CHECK(arena.take<std::byte>(64) - second == 64 + 128);
  CHECK(arena.used() == 3 * 64);
}

TEST_CASE("an arena gives all of its capacity and not a byte more") {
  Arena arena(1024);
  std::byte* all = arena.take<std::byte>(1024);
  std::memset(all, 1, 1024);
  CHECK_THROWS_WITH_AS(arena.take<float>(1),
                       "the arena of 1024 bytes is too small for 64 more: a plan was wrong, please report it",
                       Error);
  CHECK(arena.used() == 1024);
}

TEST_CASE("reserved address space takes no memory until it is written") {
  constexpr std::size_t reserved = std::size_t{4} << 30, written = std::size_t{8} << 20;
  const std::size_t before = resident_bytes();
  Arena arena(reserved);
  std::memset(arena.take<std::byte>(written), 1, written);
  const std::size_t taken = resident_bytes() - before;
  CHECK(taken >= written);
#if !defined(__SANITIZE_THREAD__)  // which keeps four bytes of notes for each one that is written
  CHECK(taken < 4 * written);      // huge pages may round up
#endif
}

TEST_CASE("a moved arena keeps what it gave, and the one it replaces is released") {
  Arena a(4096);
  int* number = a.take<int>(1);
  *number = 42;
  Arena b(8192);
  b = std::move(a);
  CHECK(b.capacity() == 4096);
  CHECK(b.used() == 64);
  CHECK(*number == 42);
  Arena c(std::move(b));
  CHECK(c.capacity() == 4096);
  CHECK(b.capacity() == 0);
}

TEST_CASE("an arena without capacity refuses everything") {
  Arena none;
  CHECK_THROWS_AS(none.take<float>(1), Error);
}

}  // namespace

}  // namespace sdepth::test::memory_test
