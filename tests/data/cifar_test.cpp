#include <doctest/doctest.h>

#include <fstream>

#include <sdepth/data/cifar.hpp>

#include "scratch.hpp"

namespace sdepth::test::cifar_test {

namespace {

/// CIFAR-10 of black airplanes: zeros in the official sizes.
void write_cifar10(const Scratch& scratch, const std::filesystem::path& folder) {
  for (const char* name : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
                           "data_batch_5.bin", "test_batch.bin"})
    scratch.write_zeros(folder / name, 30'730'000);
}

void poke(const std::filesystem::path& path, std::streamoff at, std::uint8_t value) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(at);
  file.put(static_cast<char>(value));
}

const CifarLayout ten{.name = "cifar10", .labels = {10}};

}  // namespace

TEST_CASE("a record is its label and red, green and blue planes") {
  const Scratch scratch;
  Bytes records(2 * 3073);
  for (std::size_t i = 0; i < records.size(); ++i) records[i] = static_cast<std::uint8_t>(i * 7 % 251);
  records[0] = 3;
  records[3073] = 9;
  ImageSet set = empty_cifar_set(ten, "set");
  append_cifar_file(set, scratch.write("two.bin", records), ten, 2);
  CHECK(set.labels == Bytes{3, 9});
  REQUIRE(set.pixels.size() == 2 * 3072);
  for (std::size_t n = 0; n < 2; ++n)
    for (std::size_t channel = 0; channel < 3; ++channel)
      for (const std::size_t pixel : {std::size_t{0}, std::size_t{1}, std::size_t{32}, std::size_t{1023}})
        CHECK(set.image(static_cast<int>(n))[pixel * 3 + channel] ==
              records[n * 3073 + 1 + channel * 1024 + pixel]);
}

TEST_CASE("CIFAR-10's six files make the training and the test set, in the archive's folder or without it") {
  for (const char* folder : {"", "cifar-10-batches-bin"}) {
    const Scratch scratch;
    write_cifar10(scratch, folder);
    poke(scratch.path() / folder / "data_batch_5.bin", 9999 * 3073, 8);
    poke(scratch.path() / folder / "data_batch_5.bin", 30'729'999, 77);  // the last blue value
    poke(scratch.path() / folder / "test_batch.bin", 0, 4);
    const DataSet data = read_cifar10(scratch.path());
    CHECK(data.train.size() == 50000);
    CHECK(data.test.size() == 10000);
    CHECK(data.train.shape == Shape{3, 32, 32});
    CHECK(data.train.classes == 10);
    CHECK(data.train.labels[49999] == 8);
    CHECK(data.train.pixels[std::size_t{50000} * 3072 - 1] == 77);
    CHECK(data.test.labels[0] == 4);
  }
}

TEST_CASE("CIFAR-100 gives fine labels, or coarse ones if asked") {
  const Scratch scratch;
  scratch.write_zeros("cifar-100-binary/train.bin", 153'700'000);
  const auto test = scratch.write_zeros("cifar-100-binary/test.bin", 30'740'000);
  poke(test, 3074, 19);
  poke(test, 3075, 99);
  poke(test, 3076, 200);  // the first red value
  const DataSet fine = read_cifar100(scratch.path());
  CHECK(fine.train.size() == 50000);
  CHECK(fine.train.classes == 100);
  CHECK(fine.test.labels[1] == 99);
  CHECK(fine.test.image(1)[0] == 200);
  const DataSet coarse = read_cifar100(scratch.path(), CifarLabel::coarse);
  CHECK(coarse.test.classes == 20);
  CHECK(coarse.test.labels[1] == 19);
  poke(test, 3074, 20);
  CHECK(says(error_of([&] { (void)read_cifar100(scratch.path()); }), "cifar100: record 1", "coarse label 20",
             "0 to 19"));
  poke(test, 3074, 0);
  poke(test, 3075, 100);
  CHECK(
      says(error_of([&] { (void)read_cifar100(scratch.path()); }), "test.bin", "fine label 100", "0 to 99"));
}

TEST_CASE("a malformed CIFAR file is one sentence with its path and numbers") {
  const Scratch scratch;
  write_cifar10(scratch, "");
  const auto third = scratch.path() / "data_batch_3.bin";
  const auto error = [&] { return error_of([&] { (void)read_cifar10(scratch.path()); }); };
  CHECK(error() == "no error");
  std::filesystem::resize_file(third, 30'729'999);
  CHECK(says(error(), "cifar10: ",
             "data_batch_3.bin has 30,729,999 bytes, expected 30,730,000 (10,000 records of 3,073)"));
  std::filesystem::resize_file(third, 15'365'000);  // 5,000 whole records: still cut off
  CHECK(says(error(), "data_batch_3.bin has 15,365,000 bytes"));
  std::filesystem::resize_file(third, 30'730'001);
  CHECK(says(error(), "data_batch_3.bin has 30,730,001 bytes"));
  std::filesystem::resize_file(third, 0);
  CHECK(says(error(), "data_batch_3.bin has 0 bytes"));
  std::filesystem::resize_file(third, 30'730'000);
  poke(third, 42 * 3073, 10);
  CHECK(says(error(), "record 42", "data_batch_3.bin", "label 10", "0 to 9"));
  std::filesystem::remove(third);
  CHECK(says(error(), "data_batch_3.bin is missing"));
}

TEST_CASE("the test part is read without the training part, in the archive's folder or without it") {
  for (const char* folder : {"", "cifar-10-batches-bin"}) {
    const Scratch scratch;
    poke(scratch.write_zeros(std::filesystem::path(folder) / "test_batch.bin", 30'730'000), 0, 4);
    const ImageSet test = read_cifar10_test(scratch.path());
    CHECK(test.size() == 10000);
    CHECK(test.labels[0] == 4);
    CHECK(test.name == "cifar10 test set");
    CHECK(says(error_of([&] { (void)read_cifar10(scratch.path()); }), "data_batch_1.bin is missing"));
  }
  const Scratch scratch;
  poke(scratch.write_zeros("cifar-100-binary/test.bin", 30'740'000), 1, 99);
  CHECK(read_cifar100_test(scratch.path()).labels[0] == 99);
  CHECK(read_cifar100_test(scratch.path(), CifarLabel::coarse).classes == 20);
}

TEST_CASE("an empty folder of the archive's name does not hide the files beside it") {
  const Scratch scratch;
  write_cifar10(scratch, "");
  std::filesystem::create_directory(scratch.path() / "cifar-10-batches-bin");
  CHECK(read_cifar10(scratch.path()).train.size() == 50000);
}

TEST_CASE("the version for Python, and a folder of a file's name, are said to be what they are") {
  for (const char* folder : {"", "cifar-10-batches-py"}) {
    const Scratch scratch;
    for (const char* name : {"data_batch_1", "test_batch"})
      scratch.write(std::filesystem::path(folder) / name, {0x80, 2});
    CHECK(says(error_of([&] { (void)read_cifar10(scratch.path()); }), "the version for Python",
               "data_batch_1.bin of the binary version is missing"));
    CHECK(says(error_of([&] { (void)read_cifar10_test(scratch.path()); }), "the version for Python",
               "test_batch.bin"));
  }
  const Scratch scratch;
  scratch.write("cifar-100-python/train", {0x80, 2});
  CHECK(says(error_of([&] { (void)read_cifar100(scratch.path()); }), "cifar100: ", "the version for Python"));
  const Scratch folders;
  folders.write("data_batch_1.bin/data_batch_1.bin", {});
  CHECK(says(error_of([&] { (void)read_cifar10(folders.path()); }),
             "data_batch_1.bin is not a file but a directory"));
  const Scratch pictures;
  pictures.write("train/0.png", {});
  CHECK(says(error_of([&] { (void)read_cifar100(pictures.path()); }), "train.bin is missing"));
}

}  // namespace sdepth::test::cifar_test
