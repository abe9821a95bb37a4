#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <sdepth/io/npy.hpp>

#include "scratch_folder.hpp"

namespace sdepth::test::npy_test {

TEST_CASE("the bytes of a .npy file are those that NumPy writes") {
  const ScratchFolder folder;
  const std::vector<float> values = {1.0F, -2.5F, 0.0F, 3.0F, 1e-30F, 7.0F};
  write_npy(folder / "a.npy", values, {2, 3});
  const std::string bytes = bytes_of(folder / "a.npy");
  std::string expected("\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
                       69);
  expected += std::string(127 - expected.size(), ' ') + "\n";
  REQUIRE(bytes.size() == 128 + 24);
  CHECK(bytes.substr(0, 128) == expected);
  CHECK(std::memcmp(bytes.data() + 128, values.data(), 24) == 0);
}

TEST_CASE(
    "numbers begin at a multiple of 64 bytes, and the shape is a Python tuple, for any number of dimensions") {
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{},
                                              {5},
                                              {10000, 10},
                                              {1, 22, 333, 4444, 55555},
                                              {123456789, 123456789},
                                              std::vector<std::int64_t>(40, 1000)}) {
    const std::string header = npy_header(shape);
    CHECK(header.size() % 64 == 0);
    CHECK(header.back() == '\n');
    CHECK(static_cast<unsigned char>(header[8]) + 256U * static_cast<unsigned char>(header[9]) ==
          header.size() - 10);
  }
  CHECK(contains(npy_header({}), "'shape': (), }"));
  CHECK(contains(npy_header(std::vector<std::int64_t>{5}), "'shape': (5,), }"));
}

TEST_CASE("a shape that does not hold the values is refused") {
  const ScratchFolder folder;
  const std::vector<float> values(6);
  CHECK(contains(sentence_of([&] { write_npy(folder / "a.npy", values, {2, 4}); }),
                 "the shape [2, 4] does not hold 6 numbers"));
  CHECK(contains(sentence_of([&] { write_npy(folder / "a.npy", values, {-2, -3}); }),
                 "the shape [-2, -3] does not hold 6 numbers"));
  CHECK(folder.entries() == 0);
}

TEST_CASE("a full disk leaves the old array, and a symbolic link is written through") {
  const ScratchFolder folder;
  const std::vector<float> values(600);
  put(folder / "a.npy", "the old array");
  {
    const FileSizeLimit limit(1000);
    CHECK(contains(sentence_of([&] { write_npy(folder / "a.npy", values, {600}); }),
                   "a.npy cannot be written: File too large"));
  }
  CHECK(bytes_of(folder / "a.npy") == "the old array");
  CHECK(folder.entries() == 1);
  std::filesystem::create_symlink("a.npy", folder / "link.npy");
  write_npy(folder / "link.npy", values, {600});
  CHECK(std::filesystem::is_symlink(folder / "link.npy"));
  CHECK(bytes_of(folder / "a.npy").size() == 128 + 2400);
}

}  // namespace sdepth::test::npy_test
