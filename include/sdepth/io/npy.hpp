// Logits out: arrays of float32 as NumPy's .npy, so that any other program can compare them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/text.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What precedes the numbers of a .npy file, format version 1.0: magic, version, and a Python dictionary
/// padded with spaces, so that the numbers start at a multiple of 64 bytes. Source: NumPy Enhancement
/// Proposal 1, "A Simple File Format for NumPy Arrays".
[[nodiscard]] inline std::string npy_header(std::span<const std::int64_t> shape) {
  std::string extents;
  for (const std::int64_t extent : shape)
    extents += std::to_string(extent) + (shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1) extents.resize(extents.size() - 2);
  std::string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + extents + "), }";
  constexpr std::size_t before = 10;  // magic 6, version 2, length 2
  dictionary.append(63 - (before + dictionary.size()) % 64, ' ');
  dictionary += '\n';
  if (dictionary.size() > 0xFFFF)
    fail("an array of ", shape.size(), " dimensions does not fit the .npy format; reshape it first");
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(dictionary.size() & 0xFF);
  header += static_cast<char>(dictionary.size() >> 8);
  return header + dictionary;
}

/// Writes `values`, row-major with the last index running fastest, as a float32 array of `shape`. Throws
/// Error where `shape` does not hold as many numbers, or the file cannot be written; an older file is then
/// left as it was.
inline void write_npy(const std::filesystem::path& path, std::span<const float> values,
                      const std::vector<std::int64_t>& shape) {
  if (numbers_of(shape) != values.size())
    fail(path.string(), " cannot be written: the shape ", shape_text(shape), " does not hold ",
         with_commas(values.size()), " numbers");
  write_file_atomically(path, [&](OpenFile& file) {
    file.write(npy_header(shape));
    file.write({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  });
}

}  // namespace sdepth::inline SDEPTH_ISA
