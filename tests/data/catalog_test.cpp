#include <doctest/doctest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include <sdepth/data/catalog.hpp>

#include "scratch.hpp"

namespace sdepth::test::catalog_test {

namespace {

/// Sets an environment variable, and restores it at the end of the test.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    setenv(name, value.c_str(), 1);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() { before_ ? setenv(name_, before_->c_str(), 1) : unsetenv(name_); }

 private:
  const char* name_;
  std::optional<std::string> before_;
};

/// An MNIST of one training picture with the given label, and one test picture.
void write_mnist(const Scratch& scratch, const std::filesystem::path& folder, std::uint8_t label) {
  const Bytes image{0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 50};
  for (const char* part : {"train", "t10k"}) {
    scratch.write(folder / (std::string(part) + "-images-idx3-ubyte"), image);
    scratch.write(folder / (std::string(part) + "-labels-idx1-ubyte"), {0, 0, 8, 1, 0, 0, 0, 1, label});
  }
}

}  // namespace

TEST_CASE(
    "a set is looked for in SDEPTH_DATA, then in the cache; a directory that is given comes before both") {
  const Scratch scratch;
  const Environment data("SDEPTH_DATA", (scratch.path() / "data").string());
  const Environment cache("XDG_CACHE_HOME", (scratch.path() / "cache").string());
  write_mnist(scratch, "cache/sdepth/mnist", 1);
  CHECK(load_data_set("mnist").train.labels == Bytes{1});
  write_mnist(scratch, "data/mnist", 2);
  CHECK(load_data_set("mnist").train.labels == Bytes{2});
  write_mnist(scratch, "elsewhere", 3);
  CHECK(load_data_set("mnist", (scratch.path() / "elsewhere").string()).train.labels == Bytes{3});
  CHECK(load_data_set("mnist").train.name == "mnist training set");
}

TEST_CASE("a place holds a set by any of the names that its first file may have") {
  const auto holds = [](const char* name, const char* file) {
    const Scratch scratch;
    scratch.write(file, {1});
    return holds_data_set(name, scratch.path());
  };
  for (const char* file : {"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte",
                           "train-images.idx3-ubyte.gz"})
    CHECK(holds("mnist", file));
  for (const char* file : {"data_batch_1.bin", "cifar-10-batches-bin/data_batch_1.bin"})
    CHECK(holds("cifar10", file));
  for (const char* file : {"train.bin", "cifar-100-binary/train.bin"}) CHECK(holds("cifar100", file));
  CHECK(holds("svhn", "train_32x32.mat"));
  CHECK_FALSE(holds("mnist", "train-labels-idx1-ubyte"));
  CHECK_FALSE(holds("cifar10", "cifar-10-batches-bin/readme.html"));
}

TEST_CASE("the test part of each set is read by name from a directory without its training part") {
  const Scratch scratch;
  write_mnist(scratch, "mnist", 4);
  for (const char* file : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"})
    std::filesystem::remove(scratch.path() / "mnist" / file);
  CHECK(read_test_part("mnist", scratch.path() / "mnist").labels == Bytes{4});
  scratch.write_zeros("cifar10/test_batch.bin", 30'730'000);
  CHECK(read_test_part("cifar10", scratch.path() / "cifar10").size() == 10000);
  scratch.write_zeros("cifar100/cifar-100-binary/test.bin", 30'740'000);
  CHECK(read_test_part("cifar100", scratch.path() / "cifar100").classes == 100);
  CHECK(says(error_of([&] { (void)read_test_part("svhn", scratch.path()); }), "test_32x32.mat is missing"));
}

TEST_CASE("a set that is nowhere: the places, the command that fetches it, and the set that needs no file") {
  const Scratch scratch;
  const Environment data("SDEPTH_DATA", (scratch.path() / "data").string());
  const Environment cache("XDG_CACHE_HOME", "");
  const Environment home("HOME", scratch.path().string());
  for (const char* name : {"mnist", "cifar10", "cifar100", "svhn"})
    CHECK(says(error_of([&] { (void)load_data_set(name); }), (scratch.path() / "data" / name).string(),
               (scratch.path() / ".cache/sdepth" / name).string(),
               "cmake -DDATA=" + std::string(name) + " -P cmake/fetch.cmake", "--data synthetic"));
}

TEST_CASE("a directory that is given and lacks the files is an error naming the first of them") {
  const Scratch scratch;
  const auto error = [&](const char* name) {
    return error_of([&] { (void)load_data_set(name, scratch.path().string()); });
  };
  CHECK(says(error("fashion-mnist"), "fashion-mnist: ", "train-images-idx3-ubyte", scratch.path().string()));
  CHECK(says(error("mnist"), "mnist: ", "train-images-idx3-ubyte"));
  CHECK(says(error("cifar10"), "data_batch_1.bin is missing", scratch.path().string()));
  CHECK(says(error("cifar100"), "train.bin is missing"));
  CHECK(says(error("svhn"), "train_32x32.mat is missing"));
  CHECK(says(error_of([&] { (void)load_data_set("svhn", (scratch.path() / "no").string()); }),
             "no is not a directory"));
  CHECK(says(error("imagenet"), "no data set named imagenet", "cifar100"));
}

TEST_CASE("the test part of a set is loaded where the training part is missing") {
  const Scratch scratch;
  const Environment data("SDEPTH_DATA", (scratch.path() / "data").string());
  for (const char* folder : {"given", "data/mnist"}) {
    write_mnist(scratch, folder, 7);
    for (const char* file : {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"})
      std::filesystem::remove(scratch.path() / folder / file);
  }
  for (const std::string& folder : {(scratch.path() / "given").string(), std::string()}) {
    const ImageSet test = load_test_set("mnist", folder);
    CHECK(test.labels == Bytes{7});
    CHECK(test.name == "mnist test set");
    CHECK(test.classes == 10);
  }
  CHECK(load_test_set("synthetic").pixels == load_data_set("synthetic").test.pixels);
  CHECK(load_test_set("synthetic").name == "synthetic test set");
  const auto error = [&](const char* name) {
    return error_of([&] { (void)load_test_set(name, (scratch.path() / "given").string()); });
  };
  CHECK(says(error("cifar10"), "test_batch.bin is missing"));
  CHECK(says(error("cifar100"), "test.bin is missing"));
  CHECK(says(error("svhn"), "test_32x32.mat is missing"));
  CHECK(says(error("imagenet"), "no data set named imagenet", "cifar100"));
  CHECK(says(error_of([&] { (void)load_test_set("svhn", (scratch.path() / "no").string()); }),
             "no is not a directory"));
}

TEST_CASE("the synthetic set needs no directory") {
  const DataSet data = load_data_set("synthetic");
  CHECK(data.train.size() == 10000);
  CHECK(data.test.size() == 2000);
  CHECK(data.train.shape == Shape{3, 32, 32});
  CHECK(data.train.classes == 10);
}

TEST_CASE(
    "Debian's Fashion-MNIST, where it is installed, has its 60,000 and 10,000 pictures of ten classes") {
  const std::filesystem::path directory = "/usr/share/datasets/fashion-mnist";
  if (!holds_data_set("fashion-mnist", directory)) return;
  const DataSet data = load_data_set("fashion-mnist", directory.string());
  CHECK(data.train.size() == 60000);
  CHECK(data.test.size() == 10000);
  CHECK(data.train.shape == Shape{1, 28, 28});
  std::vector<int> counts(10);
  for (const std::uint8_t label : data.train.labels) ++counts[label];
  CHECK(counts == std::vector<int>(10, 6000));
}

}  // namespace sdepth::test::catalog_test
