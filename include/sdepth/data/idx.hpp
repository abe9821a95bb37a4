// IDX files, plain or .gz, into an ImageSet: MNIST, Fashion-MNIST and the sets that copy their layout.
// Format: http://yann.lecun.com/exdb/mnist — a big-endian magic 0x0000080D (08: bytes, D: dimensions), D
// sizes, then the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iomanip>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/files.hpp>
#include <sdepth/data/image_set.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// One IDX file of bytes with the given number of dimensions.
struct IdxArray {
  std::vector<std::uint32_t> sizes;
  std::vector<std::uint8_t> values;
};

/// Reads `path`. Throws Error with path and numbers for a wrong magic, a size of 0, and for more or fewer
/// bytes than the sizes say.
[[nodiscard]] inline IdxArray read_idx_array(const std::filesystem::path& path, int dimensions,
                                             std::string_view what) {
  UnpackedFile file(path, what);
  const auto expected_header = 4 * (static_cast<std::uintmax_t>(dimensions) + 1);
  std::vector<std::uint8_t> header;
  if (const auto got = file.append(header, expected_header); got < expected_header)
    fail(what, ": ", path.string(), " has ", got, " bytes, not even the ", expected_header,
         " of an IDX header; ", download_again);
  const auto word = [&](std::size_t i) {
    return std::uint32_t{header[4 * i]} << 24 | std::uint32_t{header[4 * i + 1]} << 16 |
           std::uint32_t{header[4 * i + 2]} << 8 | std::uint32_t{header[4 * i + 3]};
  };
  const std::uint32_t magic = 0x800 + static_cast<std::uint32_t>(dimensions);
  if (word(0) != magic) {
    std::ostringstream numbers;
    numbers.imbue(std::locale::classic());
    numbers << std::hex << std::setfill('0') << "0x" << std::setw(8) << word(0) << ", expected 0x"
            << std::setw(8) << magic;
    fail(what, ": ", path.string(), " begins with ", numbers.str(),
         ", so it is not an IDX file of bytes with ", dimensions,
         dimensions == 1 ? " dimension" : " dimensions", "; check the file or fetch it again");
  }
  IdxArray array;
  std::uintmax_t expected = 1;
  std::string product;
  for (std::size_t i = 1; i <= static_cast<std::size_t>(dimensions); ++i) {
    array.sizes.push_back(word(i));
    product += (i > 1 ? " x " : "") + grouped(word(i));
    // 2^40 bytes is beyond any data set of bytes in memory; the bound keeps the product from overflowing.
    if (word(i) == 0 || word(i) > INT32_MAX || expected > (std::uintmax_t{1} << 40) / word(i))
      fail(what, ": the header of ", path.string(), " gives an impossible size (", product, "); ",
           download_again);
    expected *= word(i);
  }
  if (const auto got = file.append(array.values, expected); got < expected)
    fail(what, ": ", path.string(), " holds ", grouped(got), " bytes of data, its header says ",
         grouped(expected), " (", product, "); ", download_again);
  std::vector<std::uint8_t> excess;
  if (file.append(excess, 1) != 0)
    fail(what, ": ", path.string(), " goes on after the ", grouped(expected),
         " bytes of data that its header gives (", product, "); ", download_again);
  return array;
}

/// `directory`/`name`, or the same with .gz, or with a dot for the dash before idx, as 7-Zip and mirrors
/// write it. Throws Error where none is there.
[[nodiscard]] inline std::filesystem::path find_idx(const std::filesystem::path& directory,
                                                    const std::string& name, std::string_view what) {
  std::string dotted = name;
  if (const std::size_t dash = name.find("-idx"); dash != std::string::npos) dotted[dash] = '.';
  const auto path = first_file(
      {directory / name, directory / (name + ".gz"), directory / dotted, directory / (dotted + ".gz")});
  if (path.empty())
    fail(what, ": neither ", name, " nor ", name, ".gz, nor ", dotted, " with a dot, is in ",
         directory.string(), "; check the directory or fetch the data set");
  return path;
}

/// The set `prefix`-images-idx3-ubyte and `prefix`-labels-idx1-ubyte of a directory; pictures have one
/// channel.
[[nodiscard]] inline ImageSet read_idx_set(const std::filesystem::path& directory, const std::string& prefix,
                                           int classes, std::string_view what) {
  if (classes < 1 || classes > 256)
    fail(what, ": ", classes, " classes were asked for, expected 1 to 256, as labels are bytes");
  const auto image_path = find_idx(directory, prefix + "-images-idx3-ubyte", what);
  const auto label_path = find_idx(directory, prefix + "-labels-idx1-ubyte", what);
  IdxArray images = read_idx_array(image_path, 3, what);
  IdxArray labels = read_idx_array(label_path, 1, what);
  if (images.sizes[0] != labels.sizes[0])
    fail(what, ": ", image_path.string(), " has ", grouped(images.sizes[0]), " pictures but ",
         label_path.string(), " has ", grouped(labels.sizes[0]), " labels; fetch both again");
  for (std::size_t i = 0; i < labels.values.size(); ++i)
    if (labels.values[i] >= classes)
      fail(what, ": record ", i, " of ", label_path.string(), " has the label ",
           static_cast<int>(labels.values[i]), ", expected 0 to ", classes - 1, "; ", download_again);
  return {.shape = {1, static_cast<int>(images.sizes[1]), static_cast<int>(images.sizes[2])},
          .classes = classes,
          .pixels = std::move(images.values),
          .labels = std::move(labels.values),
          .name = std::string(what)};
}

/// Reads t10k-{images-idx3,labels-idx1}-ubyte[.gz] of `directory` alone. Throws Error naming the file that is
/// missing or damaged.
[[nodiscard]] inline ImageSet read_idx_test(const std::filesystem::path& directory, int classes = 10,
                                            std::string_view name = "idx") {
  ImageSet set = read_idx_set(directory, "t10k", classes, name);
  set.name += " test set";
  return set;
}

/// Reads {train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz] of `directory`.
/// Throws Error naming the file that is missing, damaged or does not fit the others.
[[nodiscard]] inline DataSet read_idx(const std::filesystem::path& directory, int classes = 10,
                                      std::string_view name = "idx") {
  DataSet data{read_idx_set(directory, "train", classes, name), read_idx_test(directory, classes, name)};
  if (data.train.shape != data.test.shape)
    fail(name, ": the training pictures of ", directory.string(), " have ", data.train.shape.height, " x ",
         data.train.shape.width, " pixels but the test pictures ", data.test.shape.height, " x ",
         data.test.shape.width, "; they are of different sets");
  data.train.name += " training set";
  return data;
}

}  // namespace sdepth::inline SDEPTH_ISA
