#include <doctest/doctest.h>

#include <sdepth/data/svhn.hpp>

#include "mat_bytes.hpp"
#include "scratch.hpp"

namespace sdepth::test::svhn_test {

namespace {

constexpr std::uint32_t count = 6;
const Bytes labels{1, 10, 3, 9, 2, 10};

/// Value of picture n at row h, column w, channel c, in all of these files.
std::uint8_t value(std::size_t h, std::size_t w, std::size_t c, std::size_t n) {
  return static_cast<std::uint8_t>(h * 7 + w * 3 + c * 50 + n * 11);
}

Bytes pictures(std::size_t number = count) {
  Bytes x;
  for (std::size_t n = 0; n < number; ++n)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t w = 0; w < 32; ++w)
        for (std::size_t h = 0; h < 32; ++h) x.push_back(value(h, w, c, n));
  return x;
}

void check_pictures(const ImageSet& set, std::size_t first) {
  for (std::size_t n = 0; n < count; ++n) {
    const auto image = set.image(static_cast<int>(first + n));
    bool same = true;
    for (std::size_t h = 0; h < 32; ++h)
      for (std::size_t w = 0; w < 32; ++w)
        for (std::size_t c = 0; c < 3; ++c) same = same && image[(h * 32 + w) * 3 + c] == value(h, w, c, n);
    CHECK(same);
  }
}

const Bytes good_x = mat_array("X", {32, 32, 3, count}, pictures());
const Bytes good_y = mat_array("y", {count, 1}, labels);

std::string error_with(const std::vector<Bytes>& elements) {
  const Scratch scratch;
  const auto path = scratch.write("train_32x32.mat", mat_file(elements));
  ImageSet set;
  return error_of([&] { append_svhn_file(set, path); });
}

}  // namespace

TEST_CASE("a file written by scipy gives its pictures and digits") {
  // svhn_by_scipy.mat: scipy.io.savemat(name, {'X': X, 'y': y}, do_compression=True) with SciPy 1.17, X and y
  // as in this test.
  ImageSet set{.shape = {3, 32, 32}, .classes = 10, .pixels = {}, .labels = {}, .name = "svhn"};
  append_svhn_file(set, std::filesystem::path(SDEPTH_TESTS_DIR) / "data" / "svhn_by_scipy.mat");
  CHECK(set.labels == Bytes{1, 0, 3, 9, 2, 0});
  REQUIRE(set.pixels.size() == count * 3072);
  check_pictures(set, 0);
}

TEST_CASE("arrays may be packed or not, in either order; extra pictures follow the training pictures") {
  const Scratch scratch;
  scratch.write("train_32x32.mat", mat_file({packed(good_x), packed(good_y)}));
  scratch.write("test_32x32.mat", mat_file({good_y, good_x}));
  const DataSet plain = read_svhn(scratch.path());
  CHECK(plain.train.size() == count);
  check_pictures(plain.train, 0);
  check_pictures(plain.test, 0);
  CHECK(plain.test.labels == Bytes{1, 0, 3, 9, 2, 0});
  scratch.write("extra_32x32.mat", mat_file({good_y, packed(good_x)}));
  const DataSet with_extra = read_svhn(scratch.path());
  CHECK(with_extra.train.labels == Bytes{1, 0, 3, 9, 2, 0, 1, 0, 3, 9, 2, 0});
  check_pictures(with_extra.train, count);
  CHECK(with_extra.test.size() == count);
  CHECK(read_svhn(scratch.path(), SvhnExtra::never).train.size() == count);
  std::filesystem::remove(scratch.path() / "test_32x32.mat");
  CHECK(says(error_of([&] { (void)read_svhn(scratch.path()); }), "svhn: ", "test_32x32.mat is missing"));
}

TEST_CASE("four labels or fewer, which sit in their tag, are read; so are labels in a row") {
  for (std::uint32_t few = 1; few <= 4; ++few) {
    const Scratch scratch;
    const Bytes x = mat_array("X", {32, 32, 3, few}, pictures(few)),
                digits(labels.begin(), labels.begin() + few);
    ImageSet column, row;
    append_svhn_file(column, scratch.write("a.mat", mat_file({x, mat_array("y", {few, 1}, digits)})));
    append_svhn_file(row,
                     scratch.write("b.mat", mat_file({packed(x), packed(mat_array("y", {1, few}, digits))})));
    const Bytes expected{1, 0, 3, 9};
    CHECK(column.labels == Bytes(expected.begin(), expected.begin() + few));
    CHECK(row.labels == column.labels);
    CHECK(row.pixels == column.pixels);
  }
}

TEST_CASE(
    "the test part is read without the training part, and a folder of a file's name is said to be one") {
  const Scratch scratch;
  scratch.write("test_32x32.mat", mat_file({good_x, good_y}));
  const ImageSet test = read_svhn_test(scratch.path());
  CHECK(test.labels == Bytes{1, 0, 3, 9, 2, 0});
  CHECK(test.name == "svhn test set");
  CHECK(says(error_of([&] { (void)read_svhn(scratch.path()); }), "train_32x32.mat is missing"));
  scratch.write("train_32x32.mat/train_32x32.mat", mat_file({good_x, good_y}));
  CHECK(says(error_of([&] { (void)read_svhn(scratch.path()); }),
             "train_32x32.mat is not a file but a directory"));
}

TEST_CASE("a malformed SVHN file is one sentence with its path and numbers") {
  CHECK(error_with({good_x, good_y}) == "no error");
  CHECK(says(error_with({good_y}), "train_32x32.mat", "lacks the array X"));
  CHECK(says(error_with({good_x}), "train_32x32.mat", "lacks the array y"));
  CHECK(says(error_with({good_x, good_x}), "array X twice"));
  CHECK(says(error_with({good_y, good_y}), "array y twice"));
  CHECK(says(error_with({good_x, mat_array("y", {5, 1}, {1, 2, 3, 4, 5})}), "6 pictures but 5 labels"));
  CHECK(says(error_with({good_x, mat_array("y", {6, 1}, {1, 2, 0, 4, 5, 6})}), "record 2", "label 0",
             "1 to 10"));
  CHECK(says(error_with({good_x, mat_array("y", {6, 1}, {1, 2, 3, 4, 5, 11})}), "record 5", "label 11"));
  CHECK(says(error_with({mat_array("X", {32, 32, 3, 7}, pictures())}), "the array X", "32 x 32 x 3 x 7",
             "18,432 bytes"));
  CHECK(says(error_with({mat_array("X", {3, 32, 32, count}, pictures())}), "the array X", "3 x 32 x 32 x 6",
             "expected 32 x 32 x 3 x N"));
  CHECK(says(error_with({mat_array("y", {3, 2}, labels)}), "the array y", "3 x 2", "expected N x 1"));
}

TEST_CASE("sizes in a header take no memory before the file has shown its bytes") {
  // 1,398,101 pictures are claimed, in sizes and in the tag of the values, but six are there.
  Bytes x = mat_array("X", {32, 32, 3, 1398101}, pictures());
  const std::size_t tag = x.size() - pictures().size() - 4;
  Bytes claimed;
  put_word(claimed, std::size_t{1398101} * 3072);
  std::copy(claimed.begin(), claimed.end(), x.begin() + static_cast<std::ptrdiff_t>(tag));
  for (const Bytes& element : {packed(x), x}) {
    const Scratch scratch;
    const auto path = scratch.write("train_32x32.mat", mat_file({element}));
    ImageSet set;
    CHECK(says(error_of([&] { append_svhn_file(set, path); }), "train_32x32.mat",
               "breaks off inside an array"));
    CHECK(set.pixels.capacity() < 100'000);
  }
  CHECK(says(error_with({mat_array("X", {32, 32, 3, 0xFFFFFFFF}, pictures())}), "the array X",
             "4,294,967,295"));
}

}  // namespace sdepth::test::svhn_test
