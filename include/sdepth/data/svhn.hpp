// SVHN, format 2 (cropped digits): train_32x32.mat, test_32x32.mat and extra_32x32.mat into an ImageSet.
// Format: http://ufldl.stanford.edu/housenumbers — X [32, 32, 3, N], column-major bytes, and y [N, 1], or [1,
// N] as Python writes it, with 1 … 9 and 10 for the digit 0.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/files.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/mat_file.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Whether the 531,131 easier pictures of extra_32x32.mat, if the file is there, join the training set, as in
/// the paper.
enum class SvhnExtra { if_present, never };

/// Appends the pictures of the array X to `set`; the file is at the first value of X.
inline void append_svhn_pictures(ImageSet& set, MatFile& file, const MatFile::Array& x,
                                 std::uintmax_t file_bytes) {
  constexpr std::size_t side = 32, channels = 3, plane = side * side, picture = channels * plane;
  std::size_t to = set.pixels.size();
  // Photographs pack by less than a quarter: enough is reserved for them, but a header cannot ask for more
  // than the file's size allows.
  set.pixels.reserve(to + static_cast<std::size_t>(std::min<std::uintmax_t>(x.bytes, 4 * file_bytes)));
  std::array<std::uint8_t, picture> columns{};
  for (std::uint32_t n = 0; n < x.sizes[3]; ++n, to += picture) {
    file.read(columns.data(), columns.size());
    set.pixels.resize(to + picture);
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t column = 0; column < side; ++column)
        for (std::size_t row = 0; row < side; ++row)
          set.pixels[to + (row * side + column) * channels + c] = columns[c * plane + column * side + row];
  }
}

/// Appends the records of a file to `set`. Throws Error with path and numbers where the file is cut off,
/// altered, or holds something else.
inline void append_svhn_file(ImageSet& set, const std::filesystem::path& path) {
  const std::string what = "svhn";
  MatFile file(path, what);
  MatFile::Array array;
  std::vector<std::uint8_t> labels;
  std::uintmax_t pictures = 0;
  while (file.next(array, [](const std::string& name) { return name == "X" || name == "y"; })) {
    std::string sizes;
    std::uintmax_t product = 1;
    for (const std::uint32_t size : array.sizes) {
      sizes += (sizes.empty() ? "" : " x ") + grouped(size);
      // saturates
      product = size != 0 && product > UINT32_MAX / size ? UINTMAX_MAX / UINT32_MAX : product * size;
    }
    const auto& s = array.sizes;
    const bool as_expected = array.name == "X" ? s.size() == 4 && s[0] == 32 && s[1] == 32 && s[2] == 3
                                               : s.size() == 2 && std::min(s[0], s[1]) == 1;
    if (!as_expected || product != array.bytes || product == 0)
      fail(what, ": the array ", array.name, " of ", path.string(), " has sizes ", sizes, " and ",
           grouped(array.bytes), " bytes, expected ", array.name == "X" ? "32 x 32 x 3 x N" : "N x 1",
           " and as many bytes; ", download_again);
    if (array.name == "X") {
      if (pictures > 0) fail(what, ": ", path.string(), " has the array X twice; ", download_again);
      pictures = array.sizes[3];
      append_svhn_pictures(set, file, array, file_size(path, what));
    } else {
      if (!labels.empty()) fail(what, ": ", path.string(), " has the array y twice; ", download_again);
      for (std::uintmax_t i = 0; i < array.bytes; ++i) {
        std::uint8_t label = 0;
        file.read(&label, 1);
        if (label < 1 || label > 10)
          fail(what, ": record ", i, " of ", path.string(), " has the label ", static_cast<int>(label),
               ", expected 1 to 10; ", download_again);
        labels.push_back(label == 10 ? std::uint8_t{0} : label);
      }
    }
    file.finish();
  }
  if (pictures == 0 || labels.empty())
    fail(what, ": ", path.string(), " lacks the array ", pictures == 0 ? "X of pictures" : "y of labels",
         "; ", download_again);
  if (pictures != labels.size())
    fail(what, ": ", path.string(), " has ", grouped(pictures), " pictures but ", grouped(labels.size()),
         " labels; ", download_again);
  set.labels.insert(set.labels.end(), labels.begin(), labels.end());
}

/// An empty set to append files to.
[[nodiscard]] inline ImageSet empty_svhn_set(const char* name) {
  return {.shape = {3, 32, 32}, .classes = 10, .pixels = {}, .labels = {}, .name = name};
}

/// Reads test_32x32.mat of `directory` alone; labels are the digits. Throws Error where it is missing or
/// damaged.
[[nodiscard]] inline ImageSet read_svhn_test(const std::filesystem::path& directory) {
  ImageSet set = empty_svhn_set("svhn test set");
  append_svhn_file(set, directory / "test_32x32.mat");
  return set;
}

/// Reads train_32x32.mat, test_32x32.mat and, if it is there and wanted, extra_32x32.mat of `directory`;
/// labels are the digits. With the extra pictures the training set has 604,388 records and takes 1.9 GB.
/// Throws Error naming the file that is missing or damaged.
[[nodiscard]] inline DataSet read_svhn(const std::filesystem::path& directory,
                                       SvhnExtra extra = SvhnExtra::if_present) {
  DataSet data{empty_svhn_set("svhn training set"), {}};
  append_svhn_file(data.train, directory / "train_32x32.mat");
  if (const auto path = directory / "extra_32x32.mat"; extra == SvhnExtra::if_present && is_there(path))
    append_svhn_file(data.train, path);
  data.test = read_svhn_test(directory);
  return data;
}

}  // namespace sdepth::inline SDEPTH_ISA
