// Built where protobuf is; else model_without_onnx.cpp.
#include <sdepth/io/onnx.hpp>

#include "model.hpp"

namespace programs {

void write_model(const std::filesystem::path& path, const sdepth::TrainedNetwork& network,
                 const ModelOptions& options) {
  sdepth::write_onnx(path, network,
                     {.keep_norms = options.keep_norms,
                      .normalization = options.normalization,
                      .with_normalization = options.with_normalization,
                      .input = options.input,
                      .output = options.output,
                      .metadata = options.metadata});
}

}  // namespace programs
