// A folder of pictures to a trained model to predictions: DIR has a folder for each of 4 classes, of PNG or
// JPEG files of any size.
//
//     09_pictures --data-dir DIR --out run --epochs 20
//     09_pictures infer --weights run/model.safetensors cat.jpg holidays/
//
// A fifth of the pictures is for the test. Both have --help; docs/training_program.md and docs/pictures.md
// say more.
#include <string_view>

#include <sdepth/net.hpp>
#include <sdepth/program/infer.hpp>
#include <sdepth/program/pictures.hpp>
#include <sdepth/program/train.hpp>

using namespace sdepth;

// The network is a type. Its input is 3 x 32 x 32, whatever the pictures' sizes are; its last layer has a
// number for each class.
using Net = CifarResNet<14, Input<3, 32, 32>, 4>;

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "infer") return program::infer<Net>(argc - 1, argv + 1);
  return program::train<Net>(argc, argv, {.data = "folder", .batch = 16, .test_split = 0.2});
}
