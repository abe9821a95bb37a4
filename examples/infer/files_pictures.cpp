// Built where libpng and libjpeg-turbo are; else files_without_pictures.cpp.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <sdepth/core/parallel.hpp>
#include <sdepth/data/presets.hpp>
#include <sdepth/pictures/folder.hpp>

#include "files.hpp"

namespace programs {

PictureFiles read_picture_files(const std::vector<std::string>& places, sdepth::Shape shape, int classes,
                                int threads) {
  const std::vector<std::filesystem::path> files = sdepth::picture_files({places.begin(), places.end()});
  const sdepth::Compose fit{sdepth::Channels{shape.channels}, sdepth::FitInput{shape}};
  std::vector<std::vector<std::uint8_t>> pixels(files.size());
  std::vector<std::string> wrong(files.size());
  sdepth::parallel_for(static_cast<int>(files.size()), threads, [&](int i, int) {
    const auto at = static_cast<std::size_t>(i);
    try {
      std::vector<std::uint8_t> bytes;
      sdepth::Picture picture;
      sdepth::RecordContext context;
      sdepth::decode_picture_file(files[at], bytes, picture);
      fit.apply(picture, context);
      for (const float number : picture.as_numbers())
        pixels[at].push_back(static_cast<std::uint8_t>(std::lround(std::clamp(number, 0.0F, 255.0F))));
    } catch (const std::exception& error) {
      wrong[at] = error.what();
    }
  });
  PictureFiles result{
      {}, {.shape = shape, .classes = classes, .pixels = {}, .labels = {}, .name = "pictures"}, {}};
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!wrong[i].empty()) {
      result.wrong.push_back(wrong[i]);
      continue;
    }
    result.paths.push_back(files[i].string());
    result.set.pixels.insert(result.set.pixels.end(), pixels[i].begin(), pixels[i].end());
    result.set.labels.push_back(0);
  }
  return result;
}

}  // namespace programs
