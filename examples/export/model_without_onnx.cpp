// Built where protobuf is missing.
#include <sdepth/core/error.hpp>

#include "model.hpp"

namespace programs {

void write_model(const std::filesystem::path&, const sdepth::TrainedNetwork&, const ModelOptions&) {
  sdepth::fail(
      "--onnx: this program was built without protobuf: install libprotobuf-dev and protobuf-compiler, and build it again");
}

}  // namespace programs
