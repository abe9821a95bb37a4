// Pictures in files for infer, as a set of the network's input. What decodes them is
// program/pictures/infer.hpp, whose libraries are optional.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <sdepth/core/shape.hpp>
#include <sdepth/data/image_set.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

struct PictureFiles {
  std::vector<std::string> paths;  // of the set's records
  ImageSet set;                    // without true labels
  std::vector<std::string> wrong;  // a sentence for each picture that cannot be read
};

/// What program/pictures/infer.hpp puts here; null in programs that do not include it.
struct PictureReader {
  /// The files that places name, and all pictures in those that are folders. Throws Error where there is no
  /// picture.
  std::vector<std::filesystem::path> (*files)(const std::vector<std::filesystem::path>& places) = nullptr;
  /// Decodes files to `shape`: as large as it, and of that the middle.
  PictureFiles (*read)(std::span<const std::filesystem::path> files, Shape shape, int classes,
                       int threads) = nullptr;
};
inline PictureReader picture_reader{};

}  // namespace sdepth::inline SDEPTH_ISA::program
