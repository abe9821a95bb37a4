#include <doctest/doctest.h>

#include <sdepth/data/mat_file.hpp>

#include "mat_bytes.hpp"
#include "scratch.hpp"

namespace sdepth::test::mat_file_test {

namespace {

const Bytes eight{1, 2, 3, 4, 5, 6, 7, 8};

/// Names and values of all arrays named "a" or "b", in pieces of 3.
std::string read_arrays(const std::filesystem::path& path) {
  MatFile file(path, "test");
  MatFile::Array array;
  std::string all;
  while (file.next(array, [](const std::string& name) { return name == "a" || name == "b"; })) {
    all += array.name;
    for (std::uintmax_t left = array.bytes; left > 0;) {
      Bytes piece(static_cast<std::size_t>(std::min<std::uintmax_t>(3, left)));
      file.read(piece.data(), piece.size());
      for (const auto value : piece) all += " " + std::to_string(value);
      left -= piece.size();
    }
    file.finish();
    all += ";";
  }
  return all;
}

}  // namespace

TEST_CASE("packed and plain arrays are read, others are skipped") {
  const Scratch scratch;
  const auto path = scratch.write(
      "m.mat",
      mat_file({packed(mat_array("a", {2, 4}, eight)), mat_array("other", {5, 1}, Bytes(5)),
                packed(mat_array("skipped", {90, 1}, Bytes(90))), mat_array("b", {5, 1}, {9, 8, 7, 6, 5})}));
  CHECK(read_arrays(path) == "a 1 2 3 4 5 6 7 8;b 9 8 7 6 5;");
}

TEST_CASE(
    "names of any length and sizes of any number of dimensions, which are padded in the file, are read with the values behind them") {
  const Scratch scratch;
  for (const std::size_t length : {1U, 4U, 5U, 7U, 8U, 9U})
    for (const std::vector<std::uint32_t>& sizes : {std::vector<std::uint32_t>{8, 1}, {2, 2, 2}})
      for (const bool pack : {false, true}) {
        const std::string name(length, 'n');
        const Bytes element = mat_array(name, sizes, eight);
        MatFile file(scratch.write("m.mat", mat_file({pack ? packed(element) : element})), "test");
        MatFile::Array array;
        REQUIRE(file.next(array, [](const std::string&) { return true; }));
        CHECK(array.name == name);
        CHECK(array.sizes == sizes);
        Bytes values(8);
        file.read(values.data(), values.size());
        CHECK(values == eight);
      }
}

TEST_CASE("values of four bytes or fewer may sit in their tag, packed or not, and what follows is found") {
  const Scratch scratch;
  for (std::size_t count = 1; count <= 5; ++count)
    for (const bool pack : {false, true}) {
      const Bytes few(eight.begin(), eight.begin() + static_cast<std::ptrdiff_t>(count));
      const Bytes a = mat_array("a", {static_cast<std::uint32_t>(count), 1}, few),
                  b = mat_array("b", {8, 1}, eight);
      std::string expected = "a";
      for (const auto value : few) expected += " " + std::to_string(value);
      CHECK(read_arrays(scratch.write("m.mat", mat_file({pack ? packed(a) : a, b}))) ==
            expected + ";b 1 2 3 4 5 6 7 8;");
      // Read for one value more than there are.
      MatFile file(scratch.path() / "m.mat", "test");
      MatFile::Array array;
      REQUIRE(file.next(array, [](const std::string&) { return true; }));
      CHECK(array.bytes == count);
      Bytes too_many(count + 1);
      if (count <= 4)
        CHECK(says(error_of([&] { file.read(too_many.data(), too_many.size()); }),
                   "breaks off inside an array"));
    }
  Bytes beyond = mat_array("a", {4, 1}, {1, 2, 3, 4});
  beyond[beyond.size() - 6] = 5;  // a tag that claims to hold five
  CHECK(says(error_of([&] { (void)read_arrays(scratch.write("m.mat", mat_file({beyond}))); }),
             "damaged array header"));
}

TEST_CASE(
    "whole numbers of other classes and widths are read where they are bytes, and refused where they are not") {
  const Scratch scratch;
  const auto read = [&](std::uint8_t array_class, std::size_t storage, std::size_t width,
                        const std::vector<std::uint64_t>& values) {
    Bytes bytes;
    for (const std::uint64_t value : values)
      for (std::size_t i = 0; i < width; ++i) bytes.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    std::string text;
    const auto path =
        scratch.write("m.mat", mat_file({mat_array("a", {static_cast<std::uint32_t>(values.size()), 1}, bytes,
                                                   array_class, storage)}));
    const std::string error = error_of([&] { text = read_arrays(path); });
    return error == "no error" ? text : error;
  };
  struct Kind {
    std::uint8_t array_class;
    std::size_t storage, width;
  };
  for (const Kind kind : {Kind{8, 1, 1}, Kind{10, 3, 2}, Kind{11, 4, 2}, Kind{12, 5, 4}, Kind{13, 6, 4},
                          Kind{14, 12, 8}, Kind{15, 13, 8}}) {
    CAPTURE(kind.storage);
    CHECK(read(kind.array_class, kind.storage, kind.width, {1, 127, 3, 4, 5}) == "a 1 127 3 4 5;");
    CHECK(read(kind.array_class, kind.storage, kind.width, {7}) == "a 7;");
    CHECK(
        // −1, or the largest there is
        says(read(kind.array_class, kind.storage, kind.width, {1, ~std::uint64_t{0}}), "not in 0 to 255"));
    if (kind.width > 1)
      CHECK(read(kind.array_class, kind.storage, kind.width, {255, 0, 128, 2, 3}) == "a 255 0 128 2 3;");
    if (kind.width > 1)
      CHECK(says(read(kind.array_class, kind.storage, kind.width, {1, 256}), "not in 0 to 255"));
  }
  // int32 stored as bytes, as MATLAB packs it
  CHECK(read(12, 2, 1, {200, 100}) == "a 200 100;");
  CHECK(says(read(10, 3, 1, {1, 2, 3}), "damaged array header"));  // three bytes are no numbers of two
}

TEST_CASE("an array that was not read to its end is skipped") {
  const Scratch scratch;
  const auto path = scratch.write(
      "m.mat", mat_file({packed(mat_array("a", {8, 1}, eight)), packed(mat_array("b", {8, 1}, eight))}));
  MatFile file(path, "test");
  MatFile::Array array;
  const auto any = [](const std::string&) { return true; };
  REQUIRE(file.next(array, any));
  REQUIRE(file.next(array, any));
  CHECK(array.name == "b");
  CHECK(array.sizes == std::vector<std::uint32_t>{8, 1});
  CHECK(!file.next(array, any));
}

TEST_CASE("a MATLAB file cut off at any byte is an error") {
  const Scratch scratch;
  for (const bool pack : {false, true}) {
    const Bytes array = mat_array("a", {8, 1}, eight);
    const Bytes whole = mat_file({pack ? packed(array) : array});
    for (std::size_t size = 0; size < whole.size(); ++size) {
      if (size == 128) continue;  // a file without arrays
      CAPTURE(size);
      const auto path =
          scratch.write("m.mat", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
      CHECK(says(error_of([&] { (void)read_arrays(path); }), "test: ", "m.mat", "fetch it again"));
    }
  }
}

TEST_CASE("changing any byte of a packed array is noticed or changes nothing, and never crashes") {
  const Scratch scratch;
  const Bytes whole = mat_file({packed(mat_array("a", {8, 1}, eight))});
  for (std::size_t at = 128; at < whole.size(); ++at) {
    for (const unsigned change : {1U, 64U, 255U}) {
      CAPTURE(at);
      Bytes altered = whole;
      altered[at] = static_cast<std::uint8_t>(altered[at] ^ change);
      const auto path = scratch.write("m.mat", altered);
      std::string read;
      const std::string error = error_of([&] { read = read_arrays(path); });
      const bool right = read == "a 1 2 3 4 5 6 7 8;";
      const bool skipped = read.empty() && at < 136;  // the tag says that this is no array
      CHECK((error != "no error" || right || skipped));
    }
  }
}

TEST_CASE("other kinds of files and arrays are refused") {
  const Scratch scratch;
  const auto error = [&](const Bytes& bytes) {
    return error_of([&] { (void)read_arrays(scratch.write("m.mat", bytes)); });
  };
  CHECK(says(error({}), "m.mat has 0 bytes"));
  Bytes big_endian = mat_file({});
  std::swap(big_endian[126], big_endian[127]);
  CHECK(says(error(big_endian), "not a little-endian MATLAB level-5 file", "a big-endian one"));
  Bytes newer = mat_file({});
  newer[125] = 2;  // level 7.3
  CHECK(says(error(newer), "not a little-endian MATLAB level-5 file", "level 7.3"));
  // class double
  CHECK(says(error(mat_file({mat_array("a", {8, 1}, eight, 6)})), "the array a", "class uint8"));
  // stored as single
  CHECK(says(error(mat_file({mat_array("a", {8, 1}, eight, 9, 7)})), "the array a", "class uint8"));
  Bytes long_name = mat_array(std::string(300, 'n'), {8, 1}, eight);
  CHECK(says(error(mat_file({long_name})), "damaged array header"));
}

}  // namespace sdepth::test::mat_file_test
