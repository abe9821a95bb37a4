// Pictures in files for infer: as a set of the network's input.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <sdepth/core/shape.hpp>
#include <sdepth/data/image_set.hpp>

namespace programs {

struct PictureFiles {
  std::vector<std::string> paths;  // of the set's records
  sdepth::ImageSet set;            // without true labels
  std::vector<std::string> wrong;  // a sentence for each picture that cannot be read
};

/// Decodes files, and all pictures in folders, to `shape`: as large as it, and of that the middle. Throws
/// Error where there is no picture, or this program was built without what reads them.
[[nodiscard]] PictureFiles read_picture_files(const std::vector<std::string>& places, sdepth::Shape shape,
                                              int classes, int threads);

}  // namespace programs
