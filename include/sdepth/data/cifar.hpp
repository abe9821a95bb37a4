// CIFAR-10 and CIFAR-100 in their official binary layout into an ImageSet.
// Format: https://www.cs.toronto.edu/~kriz/cifar.html — records of label bytes and a red, a green and a blue plane of 32 x 32.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/files.hpp>
#include <sdepth/data/image_set.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Which of CIFAR-100's two labels: 100 classes, or the 20 groups that they form.
enum class CifarLabel { fine, coarse };

/// What a record begins with: `labels[i]` is the number of classes of label byte i, `used` the byte that becomes the label.
struct CifarLayout {
  static constexpr Shape shape{3, 32, 32};
  std::string_view name;
  std::vector<int> labels;
  std::size_t used = 0;
};

/// Appends the `records` records of a file to `set`. Throws Error where the file's size is another, or a label is out of range:
/// a file cut at a record's border is as wrong as any other.
inline void append_cifar_file(ImageSet& set, const std::filesystem::path& path, const CifarLayout& layout, int records) {
  const std::size_t record_bytes = layout.labels.size() + CifarLayout::shape.size();
  const std::uintmax_t expected = static_cast<std::uintmax_t>(records) * record_bytes;
  if (const auto size = file_size(path, layout.name); size != expected)
    fail(layout.name, ": ", path.string(), " has ", grouped(size), " bytes, expected ", grouped(expected), " (",
         grouped(static_cast<std::uintmax_t>(records)), " records of ", grouped(record_bytes), "); ", download_again);
  std::ifstream file = open_file(path, layout.name);
  std::vector<char> record(record_bytes);
  std::size_t to = set.pixels.size();
  set.pixels.resize(to + static_cast<std::size_t>(records) * CifarLayout::shape.size());
  for (int i = 0; i < records; ++i, to += CifarLayout::shape.size()) {
    if (!file.read(record.data(), static_cast<std::streamsize>(record_bytes)))
      fail(layout.name, ": reading ", path.string(), " failed at record ", i, " of ", grouped(static_cast<std::uintmax_t>(records)),
           "; check the disk and try again");
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(record.data());
    for (std::size_t l = 0; l < layout.labels.size(); ++l) {
      if (bytes[l] < layout.labels[l]) continue;
      const char* which = layout.labels.size() == 1 ? "label " : l == 0 ? "coarse label " : "fine label ";
      fail(layout.name, ": record ", i, " of ", path.string(), " has the ", which, static_cast<int>(bytes[l]), ", expected 0 to ",
           layout.labels[l] - 1, "; ", download_again);
    }
    set.labels.push_back(bytes[layout.used]);
    planes_to_pixels(bytes + layout.labels.size(), CifarLayout::shape, set.pixels.data() + to);
  }
}

/// `directory`, or the folder in it that the official archive unpacks to.
[[nodiscard]] inline std::filesystem::path cifar_folder(const std::filesystem::path& directory, std::string_view archive_folder) {
  const auto inner = directory / archive_folder;
  return std::filesystem::is_directory(inner) ? inner : directory;
}

/// An empty set to append files to.
[[nodiscard]] inline ImageSet empty_cifar_set(const CifarLayout& layout, std::string_view part) {
  return {.shape = CifarLayout::shape,
          .classes = layout.labels[layout.used],
          .pixels = {},
          .labels = {},
          .name = std::string(layout.name) + " " + std::string(part)};
}

/// Reads data_batch_{1..5}.bin and test_batch.bin of `directory` or of its folder cifar-10-batches-bin: 50,000 and 10,000 records.
/// Throws Error naming the file that is missing or damaged.
[[nodiscard]] inline DataSet read_cifar10(const std::filesystem::path& directory) {
  const CifarLayout layout{.name = "cifar10", .labels = {10}};
  const auto folder = cifar_folder(directory, "cifar-10-batches-bin");
  DataSet data{empty_cifar_set(layout, "training set"), empty_cifar_set(layout, "test set")};
  data.train.pixels.reserve(50000 * CifarLayout::shape.size());
  for (const char* file : {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"})
    append_cifar_file(data.train, folder / file, layout, 10000);
  append_cifar_file(data.test, folder / "test_batch.bin", layout, 10000);
  return data;
}

/// Reads train.bin and test.bin of `directory` or of its folder cifar-100-binary: 50,000 and 10,000 records.
/// Throws Error naming the file that is missing or damaged.
[[nodiscard]] inline DataSet read_cifar100(const std::filesystem::path& directory, CifarLabel label = CifarLabel::fine) {
  const CifarLayout layout{.name = "cifar100", .labels = {20, 100}, .used = label == CifarLabel::coarse ? 0U : 1U};
  const auto folder = cifar_folder(directory, "cifar-100-binary");
  DataSet data{empty_cifar_set(layout, "training set"), empty_cifar_set(layout, "test set")};
  append_cifar_file(data.train, folder / "train.bin", layout, 50000);
  append_cifar_file(data.test, folder / "test.bin", layout, 10000);
  return data;
}

}  // namespace sdepth::inline SDEPTH_ISA
