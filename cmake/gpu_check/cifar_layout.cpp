// Writes procedural pictures in CIFAR-10's binary layout, as many as there, so that a training reads, shuffles and augments what it would of the real set:
// cifar_layout FOLDER.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/synthetic.hpp>

int main(int count, char** words) {
  using namespace sdepth;
  try {
    constexpr int records = 10000;  // of a file
    if (count != 2) fail("expected one folder, which gets six files");
    const std::filesystem::path folder = words[1];
    std::filesystem::create_directories(folder);
    constexpr Shape shape{3, 32, 32};
    std::vector<std::uint8_t> picture(shape.size());
    for (int file = 0; file < 6; ++file) {
      const bool test = file == 5;
      const std::filesystem::path path = folder / (test ? "test_batch.bin" : "data_batch_" + std::to_string(file + 1) + ".bin");
      std::ofstream out(path, std::ios::binary);
      for (int i = 0; i < records; ++i) {
        const int record = test ? i : file * records + i, label = record % 10;
        draw_synthetic(shape, 10, test ? Part::test : Part::train, record, 1, picture.data());
        out.put(static_cast<char>(label));
        for (std::size_t c = 0; c < 3; ++c)
          for (std::size_t pixel = 0; pixel < shape.pixels(); ++pixel) out.put(static_cast<char>(picture[pixel * 3 + c]));
      }
      if (!out.flush()) fail(path.string(), " could not be written; is there room for ", records * (shape.size() + 1), " bytes?");
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "cifar_layout: " << error.what() << '\n';
    return 1;
  }
}
