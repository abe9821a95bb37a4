// CIFAR-10 and CIFAR-100 in their official binary layout into an ImageSet. Format:
// https://www.cs.toronto.edu/~kriz/cifar.html — records of label bytes and a red, a green and a blue plane of
// 32 x 32.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/files.hpp>
#include <sdepth/data/image_set.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Which of CIFAR-100's two labels: 100 classes, or the 20 groups that they form.
enum class CifarLabel { fine, coarse };

/// What a record begins with: `labels[i]` is the number of classes of label byte i, `used` the byte that
/// becomes the label.
struct CifarLayout {
  static constexpr Shape shape{3, 32, 32};
  std::string_view name;
  std::vector<int> labels;
  std::size_t used = 0;
  std::string_view archive_folder = "cifar-10-batches-bin";
  std::string_view python_folder = "cifar-10-batches-py";
};

/// Appends the `records` records of a file to `set`. Throws Error where the file's size is another, or a
/// label is out of range: a file cut at a record's border is as wrong as any other.
inline void append_cifar_file(ImageSet& set, const std::filesystem::path& path, const CifarLayout& layout,
                              int records) {
  const std::size_t record_bytes = layout.labels.size() + CifarLayout::shape.size();
  const std::uintmax_t expected = static_cast<std::uintmax_t>(records) * record_bytes;
  if (const auto size = file_size(path, layout.name); size != expected)
    fail(layout.name, ": ", path.string(), " has ", grouped(size), " bytes, expected ", grouped(expected),
         " (", grouped(static_cast<std::uintmax_t>(records)), " records of ", grouped(record_bytes), "); ",
         download_again);
  std::ifstream file = open_file(path, layout.name);
  std::vector<char> record(record_bytes);
  std::size_t to = set.pixels.size();
  set.pixels.resize(to + static_cast<std::size_t>(records) * CifarLayout::shape.size());
  for (int i = 0; i < records; ++i, to += CifarLayout::shape.size()) {
    if (!file.read(record.data(), static_cast<std::streamsize>(record_bytes)))
      fail(layout.name, ": reading ", path.string(), " failed at record ", i, " of ",
           grouped(static_cast<std::uintmax_t>(records)), "; check the disk and try again");
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(record.data());
    for (std::size_t l = 0; l < layout.labels.size(); ++l) {
      if (bytes[l] < layout.labels[l]) continue;
      const char* which = layout.labels.size() == 1 ? "label " : l == 0 ? "coarse label " : "fine label ";
      fail(layout.name, ": record ", i, " of ", path.string(), " has the ", which, static_cast<int>(bytes[l]),
           ", expected 0 to ", layout.labels[l] - 1, "; ", download_again);
    }
    set.labels.push_back(bytes[layout.used]);
    planes_to_pixels(bytes + layout.labels.size(), CifarLayout::shape, set.pixels.data() + to);
  }
}

/// Appends the file `name` of `directory`, or of the folder in it that the official archive unpacks to, as
/// above.
inline void append_cifar_file_of(ImageSet& set, const std::filesystem::path& directory,
                                 const std::string& name, const CifarLayout& layout, int records) {
  const auto inner = directory / layout.archive_folder;
  const auto path = first_file({directory / name, inner / name});
  if (!path.empty()) return append_cifar_file(set, path, layout, records);
  const std::string bare = name.substr(0, name.rfind('.'));  // as Python's pickles are called
  std::error_code ignored;
  if (std::filesystem::is_regular_file(
          first_file({directory / bare, directory / layout.python_folder / bare}), ignored))
    fail(layout.name, ": ", directory.string(), " has the version for Python, and ", name,
         " of the binary version is missing; fetch that one");
  // which says that it is missing
  append_cifar_file(set, is_there(inner) ? inner / name : directory / name, layout, records);
}

/// An empty set to append files to.
[[nodiscard]] inline ImageSet empty_cifar_set(const CifarLayout& layout, std::string_view part) {
  return {.shape = CifarLayout::shape,
          .classes = layout.labels[layout.used],
          .pixels = {},
          .labels = {},
          .name = std::string(layout.name) + " " + std::string(part)};
}

/// Reads test_batch.bin of `directory` or of its folder cifar-10-batches-bin alone: 10,000 records. Throws
/// Error where it is missing or damaged.
[[nodiscard]] inline ImageSet read_cifar10_test(const std::filesystem::path& directory) {
  const CifarLayout layout{.name = "cifar10", .labels = {10}};
  ImageSet set = empty_cifar_set(layout, "test set");
  append_cifar_file_of(set, directory, "test_batch.bin", layout, 10000);
  return set;
}

/// Reads data_batch_{1..5}.bin and test_batch.bin of `directory` or of its folder cifar-10-batches-bin:
/// 50,000 and 10,000 records. Throws Error naming the file that is missing or damaged.
[[nodiscard]] inline DataSet read_cifar10(const std::filesystem::path& directory) {
  const CifarLayout layout{.name = "cifar10", .labels = {10}};
  DataSet data{empty_cifar_set(layout, "training set"), {}};
  data.train.pixels.reserve(50000 * CifarLayout::shape.size());
  for (const char* file :
       {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"})
    append_cifar_file_of(data.train, directory, file, layout, 10000);
  data.test = read_cifar10_test(directory);
  return data;
}

/// CIFAR-100's layout, of whose two labels one is used.
[[nodiscard]] inline CifarLayout cifar100_layout(CifarLabel label) {
  return {.name = "cifar100",
          .labels = {20, 100},
          .used = label == CifarLabel::coarse ? 0U : 1U,
          .archive_folder = "cifar-100-binary",
          .python_folder = "cifar-100-python"};
}

/// Reads test.bin of `directory` or of its folder cifar-100-binary alone: 10,000 records. Throws Error where
/// it is missing or damaged.
[[nodiscard]] inline ImageSet read_cifar100_test(const std::filesystem::path& directory,
                                                 CifarLabel label = CifarLabel::fine) {
  const CifarLayout layout = cifar100_layout(label);
  ImageSet set = empty_cifar_set(layout, "test set");
  append_cifar_file_of(set, directory, "test.bin", layout, 10000);
  return set;
}

/// Reads train.bin and test.bin of `directory` or of its folder cifar-100-binary: 50,000 and 10,000 records.
/// Throws Error naming the file that is missing or damaged.
[[nodiscard]] inline DataSet read_cifar100(const std::filesystem::path& directory,
                                           CifarLabel label = CifarLabel::fine) {
  const CifarLayout layout = cifar100_layout(label);
  DataSet data{empty_cifar_set(layout, "training set"), {}};
  append_cifar_file_of(data.train, directory, "train.bin", layout, 50000);
  data.test = read_cifar100_test(directory, label);
  return data;
}

}  // namespace sdepth::inline SDEPTH_ISA
