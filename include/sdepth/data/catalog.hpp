// Data sets by name: where each is looked for, how it is read, and what a person is told when it is not
// there.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/cifar.hpp>
#include <sdepth/data/idx.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/svhn.hpp>
#include <sdepth/data/synthetic.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The names that load_data_set() knows, for a program's help text.
inline constexpr std::array<std::string_view, 6> data_set_names{"fashion-mnist", "mnist", "cifar10",
                                                                "cifar100",      "svhn",  "synthetic"};

/// What the classes of a named set are called, in the order of their labels; empty: they have numbers, as
/// digits do, or no short names.
[[nodiscard]] inline std::vector<std::string> class_names_of_data(std::string_view name) {
  if (name == "fashion-mnist")
    return {"T-shirt", "trouser", "pullover", "dress", "coat",
            "sandal",  "shirt",   "sneaker",  "bag",   "ankle boot"};
  if (name == "cifar10")
    return {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  return {};
}

/// The synthetic set of this name is always the same: 10 classes of 3 x 32 x 32, as CIFAR-10, 10,000 and
/// 2,000 pictures.
[[nodiscard]] inline DataSet load_synthetic() { return synthetic({3, 32, 32}, 10, 10000, 2000, 1); }

/// Reads the files of a named set from a directory; errors name the file that is missing or damaged.
[[nodiscard]] inline DataSet read_data_set(std::string_view name, const std::filesystem::path& directory) {
  if (name == "cifar10") return read_cifar10(directory);
  if (name == "cifar100") return read_cifar100(directory);
  if (name == "svhn") return read_svhn(directory);
  return read_idx(directory, 10, name);
}

/// Reads the test part alone, of which the training part may be missing; errors name the file that is missing
/// or damaged.
[[nodiscard]] inline ImageSet read_test_part(std::string_view name, const std::filesystem::path& directory) {
  if (name == "cifar10") return read_cifar10_test(directory);
  if (name == "cifar100") return read_cifar100_test(directory);
  if (name == "svhn") return read_svhn_test(directory);
  return read_idx_test(directory, 10, name);
}

/// Whether a directory is meant for a named set: one of these files is in it. Then what else is missing is an
/// error.
[[nodiscard]] inline bool holds_data_set(std::string_view name, const std::filesystem::path& directory) {
  std::vector<const char*> signs{"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz",
                                 "train-images.idx3-ubyte", "train-images.idx3-ubyte.gz"};
  if (name == "cifar10") signs = {"data_batch_1.bin", "cifar-10-batches-bin/data_batch_1.bin"};
  if (name == "cifar100") signs = {"train.bin", "cifar-100-binary/train.bin"};
  if (name == "svhn") signs = {"train_32x32.mat"};
  return std::any_of(signs.begin(), signs.end(),
                     [&](const char* sign) { return is_there(directory / sign); });
}

/// The value of an environment variable; empty where it is not set.
[[nodiscard]] inline std::string environment(const char* variable) {
  const char* value = std::getenv(variable);
  return value ? value : "";
}

/// Where a named set is looked for when no directory is given, in this order: the folder `name` of the
/// environment variable SDEPTH_DATA, Debian's package dataset-fashion-mnist, and the cache that
/// cmake/fetch.cmake fills.
[[nodiscard]] inline std::vector<std::filesystem::path> data_set_places(std::string_view name) {
  std::vector<std::filesystem::path> places;
  if (const auto data = environment("SDEPTH_DATA"); !data.empty())
    places.push_back(std::filesystem::path(data) / name);
  if (name == "fashion-mnist") places.emplace_back("/usr/share/datasets/fashion-mnist");
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty())
    places.push_back(std::filesystem::path(cache) / "sdepth" / name);
  else if (const auto home = environment("HOME"); !home.empty())
    places.push_back(std::filesystem::path(home) / ".cache" / "sdepth" / name);
  return places;
}

/// Loads a data set by name, from `directory` if that is not empty, else from the first of data_set_places()
/// that has it. Throws Error for an unknown name, for a set that is nowhere (with what to do), and for files
/// that are missing or damaged.
[[nodiscard]] inline DataSet load_data_set(std::string_view name, const std::string& directory = {}) {
  std::string names;
  bool known = false;
  for (const auto candidate : data_set_names) {
    names += (names.empty() ? "" : ", ") + std::string(candidate);
    known = known || candidate == name;
  }
  if (!known) fail("there is no data set named ", name, "; choose one of ", names);
  if (name == "synthetic") return load_synthetic();
  if (!directory.empty()) {
    std::error_code ignored;
    if (!std::filesystem::is_directory(directory, ignored))
      fail(name, ": ", directory, " is not a directory; check the path");
    if (::access(directory.c_str(), R_OK | X_OK) != 0)
      fail(name, ": ", directory, " cannot be looked into: ", std::strerror(errno),
           "; check its permissions");
    return read_data_set(name, directory);
  }
  std::string looked;
  for (const auto& place : data_set_places(name)) {
    if (holds_data_set(name, place)) return read_data_set(name, place);
    looked += (looked.empty() ? "" : ", ") + place.string();
  }
  fail(name, " was not found: looked in ",
       looked.empty() ? "no place, as neither SDEPTH_DATA nor HOME is set" : looked,
       "; fetch it with `cmake -DDATA=", name, " -P cmake/fetch.cmake`, ",
       name == "fashion-mnist" ? "or `apt-get install dataset-fashion-mnist`, " : "",
       "say where it is with --data-dir, or go on without files with --data synthetic");
}

/// Loads the test part of a data set alone, from the places of load_data_set(), of which the training part
/// may be missing. Throws Error as that one does.
[[nodiscard]] inline ImageSet load_test_set(std::string_view name, const std::string& directory = {}) {
  const std::filesystem::path given(directory);
  // pictures do not depend on how many there are
  if (name == "synthetic") return synthetic({3, 32, 32}, 10, 0, 2000, 1).test;
  const bool known = std::find(data_set_names.begin(), data_set_names.end(), name) != data_set_names.end();
  std::error_code ignored;
  if (known && std::filesystem::is_directory(given, ignored)) return read_test_part(name, given);
  std::vector<const char*> signs{"t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz",
                                 "t10k-images.idx3-ubyte", "t10k-images.idx3-ubyte.gz"};
  if (name == "cifar10") signs = {"test_batch.bin", "cifar-10-batches-bin/test_batch.bin"};
  if (name == "cifar100") signs = {"test.bin", "cifar-100-binary/test.bin"};
  if (name == "svhn") signs = {"test_32x32.mat"};
  if (known && directory.empty())
    for (const auto& place : data_set_places(name))
      for (const char* sign : signs)
        if (is_there(place / sign)) return read_test_part(name, place);
  return load_data_set(name, directory).test;  // whose sentence says what is missing
}

}  // namespace sdepth::inline SDEPTH_ISA
