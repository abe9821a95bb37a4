// Whether JPEG files feed a training of ResNet-18 at 224 x 224: the training program, which says what part of
// their time its steps waited for pictures; and pictures to try it with.
//
//     build/release/bench/loading draw DIR 5000
//     build/release/bench/loading --data folder --data-dir DIR --normalize imagenet --batch 32 --steps 50 --threads 2
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <jpeglib.h>

#include <sdepth/models/imagenet_resnet.hpp>
#include <sdepth/net.hpp>
#include <sdepth/program/pictures.hpp>
#include <sdepth/program/train.hpp>

namespace {

constexpr int width = 500, height = 375;  // ImageNet's usual size

/// Waves and noise, so that a file has about as many bytes as one of a photograph.
std::vector<std::uint8_t> picture(int number) {
  std::vector<std::uint8_t> pixels;
  std::uint32_t noise = 2 * static_cast<std::uint32_t>(number) + 1;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        noise = noise * 1664525U + 1013904223U;
        const double wave =
            std::sin(0.01 * (1 + number % 7) * x + c) + std::sin(0.013 * (1 + number % 5) * y + 0.1 * number);
        pixels.push_back(
            static_cast<std::uint8_t>(std::clamp(128 + 50 * wave + (noise >> 24) / 6.0 - 21, 0.0, 255.0)));
      }
  return pixels;
}

void write_jpeg(const std::filesystem::path& path, std::vector<std::uint8_t> pixels) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (!file) sdepth::fail(path.string(), " cannot be written; check the folder and its disk");
  jpeg_compress_struct library{};
  jpeg_error_mgr errors{};
  library.err = jpeg_std_error(&errors);
  jpeg_create_compress(&library);
  jpeg_stdio_dest(&library, file);
  library.image_width = width, library.image_height = height, library.input_components = 3,
  library.in_color_space = JCS_RGB;
  jpeg_set_defaults(&library);
  jpeg_set_quality(&library, 90, TRUE);
  jpeg_start_compress(&library, TRUE);
  while (library.next_scanline < library.image_height) {
    JSAMPROW row = pixels.data() + std::size_t{3} * width * library.next_scanline;
    jpeg_write_scanlines(&library, &row, 1);
  }
  jpeg_finish_compress(&library);
  jpeg_destroy_compress(&library);
  std::fclose(file);
}

/// Ten classes below DIR/train, and a few pictures of each below DIR/test.
int draw(const std::filesystem::path& directory, int pictures) {
  for (int i = 0; i < pictures + 20; ++i) {
    const auto folder = directory / (i < pictures ? "train" : "test") / ("class " + std::to_string(i % 10));
    std::filesystem::create_directories(folder);
    write_jpeg(folder / (std::to_string(i) + ".jpg"), picture(i));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "draw") return draw(argv[2], std::atoi(argv[3]));
  return sdepth::program::train<sdepth::ImageNetResNet<18, sdepth::Input<3, 224, 224>, 10>>(argc, argv);
}
