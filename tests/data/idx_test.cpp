#include <doctest/doctest.h>

#include <sdepth/data/idx.hpp>

#include "scratch.hpp"

namespace sdepth::test::idx_test {

namespace {

Bytes idx(const std::vector<std::uint32_t>& sizes, const Bytes& values, std::uint32_t magic = 0) {
  Bytes bytes;
  const auto word = [&](std::uint32_t w) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(w >> shift));
  };
  word(magic != 0 ? magic : 0x800 + static_cast<std::uint32_t>(sizes.size()));
  for (const auto size : sizes) word(size);
  bytes.insert(bytes.end(), values.begin(), values.end());
  return bytes;
}

const Bytes train_images = idx({3, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
const Bytes train_labels = idx({3}, {0, 9, 5});
const Bytes test_images = idx({1, 2, 2}, {21, 22, 23, 24});
const Bytes test_labels = idx({1}, {7});

/// What reading says after one of the four good files was replaced.
std::string error_with(const std::string& name, const Bytes& bytes) {
  const Scratch scratch;
  scratch.write("train-images-idx3-ubyte", train_images);
  scratch.write("train-labels-idx1-ubyte", train_labels);
  scratch.write("t10k-images-idx3-ubyte", test_images);
  scratch.write("t10k-labels-idx1-ubyte", test_labels);
  scratch.write(name, bytes);
  return error_of([&] { (void)read_idx(scratch.path(), 10, "mnist"); });
}

Bytes cut(Bytes bytes, std::size_t last) {
  bytes.resize(bytes.size() - last);
  return bytes;
}

}  // namespace

TEST_CASE("plain and packed files give the same pictures and labels") {
  for (const bool packed : {false, true}) {
    const Scratch scratch;
    const auto write = [&](const std::string& name, const Bytes& bytes) {
      packed ? scratch.write_gz(name + ".gz", bytes) : scratch.write(name, bytes);
    };
    write("train-images-idx3-ubyte", train_images);
    write("train-labels-idx1-ubyte", train_labels);
    write("t10k-images-idx3-ubyte", test_images);
    write("t10k-labels-idx1-ubyte", test_labels);
    const DataSet data = read_idx(scratch.path(), 10, "mnist");
    CHECK(data.train.shape == Shape{1, 2, 2});
    CHECK(data.train.classes == 10);
    CHECK(data.train.pixels == Bytes{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
    CHECK(data.train.labels == Bytes{0, 9, 5});
    CHECK(data.test.pixels == Bytes{21, 22, 23, 24});
    CHECK(data.test.labels == Bytes{7});
    CHECK(data.test.name == "mnist test set");
  }
}

TEST_CASE("a malformed IDX file is one sentence with its path and numbers") {
  const std::string images = "train-images-idx3-ubyte", labels = "train-labels-idx1-ubyte";
  CHECK(error_with(images, train_images) == "no error");
  CHECK(says(error_with(images, {}), "mnist: ", images, "is empty"));
  CHECK(says(error_with(images, cut(train_images, 20)), images, "has 8 bytes", "16 of an IDX header"));
  CHECK(says(error_with(images, cut(train_images, 1)), images, "holds 11 bytes", "12 (3 x 2 x 2)"));
  CHECK(says(error_with(images, idx({3, 2, 2}, Bytes(13))), images, "goes on after the 12 bytes"));
  CHECK(says(error_with(images, idx({3, 2, 2}, Bytes(12), 0x803 + 1)), images,
             "0x00000804, expected 0x00000803"));
  CHECK(says(error_with(images, idx({3, 2, 2}, Bytes(48), 0xD03)), images, "0x00000d03"));  // floats
  CHECK(says(error_with(images, idx({30}, Bytes(30))), images, "0x00000801"));
  CHECK(says(error_with(images, idx({3, 0, 2}, {})), images, "impossible size (3 x 0"));
  CHECK(says(error_with(labels, idx({3}, {0, 10, 5})), labels, "record 1", "label 10", "0 to 9"));
  CHECK(says(error_with(labels, idx({2}, {0, 9})), images, "3 pictures", labels, "2 labels"));
  CHECK(says(error_with("t10k-images-idx3-ubyte", idx({1, 1, 4}, {1, 2, 3, 4})), "2 x 2", "1 x 4"));
}

TEST_CASE("sizes in a header take no memory before the file has shown its bytes") {
  CHECK(says(error_with("train-images-idx3-ubyte", idx({60000, 4096, 4096}, Bytes(100))), "holds 100 bytes",
             "1,006,632,960,000"));
  CHECK(says(error_with("train-images-idx3-ubyte", idx({0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, Bytes(100))),
             "impossible size"));
}

TEST_CASE("a file that is not there is named") {
  const Scratch scratch;
  scratch.write("train-images-idx3-ubyte", train_images);
  CHECK(says(error_of([&] { (void)read_idx(scratch.path()); }),
             "neither train-labels-idx1-ubyte nor train-labels-idx1-ubyte.gz", scratch.path().string()));
}

TEST_CASE(
    "names with a dot before idx, as 7-Zip and mirrors write them, are found for each of the four files, packed or not") {
  for (unsigned dotted = 0; dotted < 16; ++dotted)
    for (const bool pack : {false, true}) {
      const Scratch scratch;
      const auto write = [&](unsigned file, const std::string& part, const std::string& idx,
                             const Bytes& bytes) {
        const std::string name = part + ((dotted >> file & 1U) != 0 ? "." : "-") + idx;
        pack ? scratch.write_gz(name + ".gz", bytes) : scratch.write(name, bytes);
      };
      write(0, "train-images", "idx3-ubyte", train_images);
      write(1, "train-labels", "idx1-ubyte", train_labels);
      write(2, "t10k-images", "idx3-ubyte", test_images);
      write(3, "t10k-labels", "idx1-ubyte", test_labels);
      CHECK(read_idx(scratch.path()).train.labels == Bytes{0, 9, 5});
      CHECK(read_idx(scratch.path()).test.pixels == Bytes{21, 22, 23, 24});
    }
}

TEST_CASE(
    "a folder of a file's name is said to be one, unless the file is there under another of its names") {
  const Scratch scratch;
  scratch.write("train-images-idx3-ubyte/train-images-idx3-ubyte", train_images);
  scratch.write("train-labels-idx1-ubyte", train_labels);
  scratch.write("t10k-images-idx3-ubyte", test_images);
  scratch.write("t10k-labels-idx1-ubyte", test_labels);
  CHECK(says(error_of([&] { (void)read_idx(scratch.path()); }),
             "train-images-idx3-ubyte is not a file but a directory"));
  scratch.write_gz("train-images-idx3-ubyte.gz", train_images);
  CHECK(read_idx(scratch.path()).train.labels == Bytes{0, 9, 5});
}

TEST_CASE("the test part is read without the training part, from a path that need not be UTF-8") {
  const Scratch scratch;
  scratch.write("caf\xE9/t10k-images-idx3-ubyte", test_images);
  scratch.write("caf\xE9/t10k-labels-idx1-ubyte", test_labels);
  const ImageSet test = read_idx_test(scratch.path() / "caf\xE9", 10, "mnist");
  CHECK(test.labels == Bytes{7});
  CHECK(test.name == "mnist test set");
  CHECK(says(error_of([&] { (void)read_idx(scratch.path() / "caf\xE9"); }), "neither train-images-idx3-ubyte",
             "caf\xE9"));
}

TEST_CASE(
    "numbers of classes that labels of one byte cannot have are refused, and sizes beyond what is counted") {
  const Scratch scratch;
  for (const int classes : {0, -1, 257})
    CHECK(says(error_of([&] { (void)read_idx(scratch.path(), classes); }),
               std::to_string(classes) + " classes"));
  CHECK(says(error_with("train-images-idx3-ubyte", idx({1, 0x80000000, 1}, Bytes(100))),
             "impossible size (1 x 2,147,483,648"));
}

}  // namespace sdepth::test::idx_test
