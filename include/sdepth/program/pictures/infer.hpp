// Adds pictures of one's own, PNG and JPEG, to infer: files and folders. Include it in one .cpp, and link
// sdepth::pictures; program/pictures.hpp includes it, and adds them to train as well.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <sdepth/core/parallel.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/data/presets.hpp>
#include <sdepth/pictures/folder.hpp>
#include <sdepth/program/picture_files.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// The files that can be read, each as test_transforms has it. Throws nothing: what is wrong with the others
/// is told.
[[nodiscard]] inline PictureFiles read_picture_files(std::span<const std::filesystem::path> files,
                                                     Shape shape, int classes, int threads) {
  const Compose fit{Channels{shape.channels}, FitInput{shape}};
  std::vector<std::vector<std::uint8_t>> pixels(files.size());
  std::vector<std::string> wrong(files.size());
  parallel_for(static_cast<int>(files.size()), threads, [&](int i, int) {
    const auto at = static_cast<std::size_t>(i);
    try {
      std::vector<std::uint8_t> bytes;
      Picture picture;
      RecordContext context;
      decode_picture_file(files[at], bytes, picture);
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

inline const bool picture_files_are_read = (picture_reader = {picture_files, read_picture_files}, true);

}  // namespace sdepth::inline SDEPTH_ISA::program
