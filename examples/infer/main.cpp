// infer: runs trained weights over a test set, prints the error and writes the logits; and what becomes of
// the error with fewer residual blocks. Or over pictures of one's own, PNG and JPEG, and prints the likeliest
// classes. All of the program is sdepth/program; here are the networks.
//
// What it needs besides the weights travels in the metadata of model.safetensors, so for train's own files
//
//     infer --weights DIR/model.safetensors
//
// is enough. Files from elsewhere need --model and --data, and the other options where train's defaults are
// not what they were trained with. An option that is given wins over the metadata, with a note.
//
//     infer --weights DIR/model.safetensors cat.jpg holidays/
//
// says what is in this picture, and in all that lie in that folder.
//
//     infer --weights DIR/model.safetensors --block-removal blocks.csv --depth-curve curve.csv
//
// writes the error without each block, and error against time when blocks are dropped by that, or by
// survival.
#include <sdepth/program/infer.hpp>

#include "networks.hpp"

int main(int argc, char** argv) {
  using namespace programs;
  return sdepth::program::infer(
      argc, argv, {gray_classifiers(), colour_classifiers(), float16_classifiers(), bfloat16_classifiers()});
}
