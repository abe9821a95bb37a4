#include <doctest/doctest.h>

#include <sdepth/data/files.hpp>

#include "scratch.hpp"

namespace sdepth::test::files_test {

namespace {

Bytes noise(std::size_t count) {  // does not pack, so that cutting the file cuts the content
  Bytes bytes(count);
  std::uint32_t state = 1;
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

}  // namespace

TEST_CASE("numbers are grouped by thousands") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(30730000) == "30,730,000");
}

TEST_CASE("a plain and a packed file read the same, in any pieces") {
  const Scratch scratch;
  const Bytes content = noise(3'000'000);
  for (const auto& path : {scratch.write("plain", content), scratch.write_gz("packed.gz", content)}) {
    UnpackedFile file(path, "test");
    Bytes read;
    CHECK(file.append(read, 7) == 7);
    CHECK(file.append(read, 2'000'000) == 2'000'000);
    // memory grows with the file, not with what is asked for
    CHECK(file.append(read, std::uintmax_t{1} << 50) == 999'993);
    CHECK(file.append(read, 1) == 0);
    CHECK(read == content);
  }
}

TEST_CASE("a packed file that is cut off or altered is an error, never short data") {
  const Scratch scratch;
  const Bytes content = noise(100'000);
  const Bytes packed = read_all(scratch.write_gz("whole.gz", content));
  const auto error = [&](const Bytes& bytes) {
    UnpackedFile file(scratch.write("broken.gz", bytes), "test");
    return error_of([&] {
      Bytes read;
      (void)file.append(read, content.size() + 1);
    });
  };
  CHECK(error(packed) == "no error");
  CHECK(says(error({packed.begin(), packed.begin() + 50'000}), "test: ", "broken.gz", "breaks off",
             "fetch it again"));
  // all the data, but not the whole checksum
  CHECK(says(error({packed.begin(), packed.end() - 4}), "broken.gz", "breaks off"));
  Bytes altered = packed;
  altered[60'000] ^= 1;
  CHECK(says(error(altered), "broken.gz", "breaks off"));
}

TEST_CASE("files that are missing, empty or no files are told apart") {
  const Scratch scratch;
  const auto error = [&](const std::filesystem::path& path) {
    return error_of([&] { UnpackedFile(path, "test"); });
  };
  CHECK(says(error(scratch.path() / "none"), "none is missing"));
  CHECK(says(error(scratch.write("empty", {})), "empty is empty"));
  CHECK(says(error(scratch.path()), "is not a file but a directory"));
  CHECK(says(error("/dev/null"), "is not a file; check"));
  CHECK(says(error(scratch.path() / std::string(300, 'n')), "cannot be read: File name too long"));
}

}  // namespace sdepth::test::files_test
