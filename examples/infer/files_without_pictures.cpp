// Built where libpng or libjpeg-turbo is missing.
#include <sdepth/core/error.hpp>

#include "files.hpp"

namespace programs {

PictureFiles read_picture_files(const std::vector<std::string>&, sdepth::Shape, int, int) {
  sdepth::fail(
      "this program was built without PNG and JPEG: install libpng-dev and libjpeg-dev, and build it again");
}

}  // namespace programs
