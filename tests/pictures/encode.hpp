// Pictures that tests make: PNG and JPEG files in memory, of every kind that readers must understand.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <jpeglib.h>
#include <png.h>

#include "../data/scratch.hpp"

namespace sdepth::test {

/// A little EXIF block that holds the orientation alone, behind "Exif\0\0" in a JPEG.
[[nodiscard]] inline Bytes exif_with(int orientation, bool big_endian) {
  const auto o = static_cast<std::uint8_t>(orientation);
  if (big_endian)
    return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, o, 0, 0, 0, 0, 0, 0};
  return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, o, 0, 0, 0, 0, 0, 0, 0};
}

struct JpegOptions {
  J_COLOR_SPACE colours = JCS_RGB;
  int quality = 100;
  bool progressive = false;
  Bytes exif{};
  bool adobe = true;  // of CMYK: whether inks are written as Adobe's programs do
};

/// @param samples  [height, width, samples a pixel]
[[nodiscard]] inline Bytes jpeg_of(const Bytes& samples, int height, int width,
                                   const JpegOptions& options = {}) {
  jpeg_compress_struct library{};
  jpeg_error_mgr errors{};
  library.err = jpeg_std_error(&errors);
  jpeg_create_compress(&library);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&library, &memory, &size);
  library.image_width = static_cast<JDIMENSION>(width);
  library.image_height = static_cast<JDIMENSION>(height);
  library.input_components = options.colours == JCS_RGB ? 3 : options.colours == JCS_CMYK ? 4 : 1;
  library.in_color_space = options.colours;
  jpeg_set_defaults(&library);
  jpeg_set_quality(&library, options.quality, TRUE);
  if (options.quality == 100)
    for (int c = 0; c < library.num_components; ++c)
      library.comp_info[c].h_samp_factor = library.comp_info[c].v_samp_factor = 1;
  if (options.progressive) jpeg_simple_progression(&library);
  if (!options.adobe) library.write_Adobe_marker = FALSE;
  jpeg_start_compress(&library, TRUE);
  if (!options.exif.empty()) {
    Bytes marker{'E', 'x', 'i', 'f', 0, 0};
    marker.insert(marker.end(), options.exif.begin(), options.exif.end());
    jpeg_write_marker(&library, JPEG_APP0 + 1, marker.data(), static_cast<unsigned>(marker.size()));
  }
  Bytes row(static_cast<std::size_t>(width * library.input_components));
  while (library.next_scanline < library.image_height) {
    std::copy_n(samples.begin() + static_cast<std::ptrdiff_t>(library.next_scanline * row.size()), row.size(),
                row.begin());
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&library, &rows, 1);
  }
  jpeg_finish_compress(&library);
  jpeg_destroy_compress(&library);
  const Bytes bytes(memory, memory + size);
  std::free(memory);
  return bytes;
}

struct PngOptions {
  int type = PNG_COLOR_TYPE_RGB;
  int bits = 8;
  bool interlaced = false;
  Bytes exif{};
  std::vector<png_color> palette{};
};

/// @param rows  [height, bytes a row], as PNG has them: 16 bits as two bytes, the higher one first
[[nodiscard]] inline Bytes png_of(const Bytes& rows, int height, int width, const PngOptions& options = {}) {
  png_structp library = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(library);
  Bytes bytes;
  png_set_write_fn(
      library, &bytes,
      [](png_structp to, png_bytep data, std::size_t size) {
        Bytes& all = *static_cast<Bytes*>(png_get_io_ptr(to));
        all.insert(all.end(), data, data + size);
      },
      nullptr);
  png_set_IHDR(library, info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), options.bits,
               options.type, options.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (!options.palette.empty())
    png_set_PLTE(library, info, options.palette.data(), static_cast<int>(options.palette.size()));
  Bytes exif = options.exif;
  if (!exif.empty()) png_set_eXIf_1(library, info, static_cast<png_uint_32>(exif.size()), exif.data());
  png_write_info(library, info);
  Bytes copy = rows;
  const std::size_t row = rows.size() / static_cast<std::size_t>(height);
  std::vector<png_bytep> pointers;
  for (int y = 0; y < height; ++y) pointers.push_back(copy.data() + static_cast<std::size_t>(y) * row);
  png_write_image(library, pointers.data());
  png_write_end(library, info);
  png_destroy_write_struct(&library, &info);
  return bytes;
}

/// A smooth picture [height, width, channels], another one for each seed.
[[nodiscard]] inline Bytes smooth_picture(int height, int width, int channels, int seed = 0) {
  Bytes pixels;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < channels; ++c)
        pixels.push_back(static_cast<std::uint8_t>(
            (40 + seed * 37 + 60 * y / height * (c + 1) / channels + 20 * x / width * (channels - c)) % 256));
  return pixels;
}

}  // namespace sdepth::test
