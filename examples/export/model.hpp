// ONNX models, which need protobuf, and so a .cpp of their own.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <sdepth/io/trained_network.hpp>

namespace programs {

/// As sdepth::OnnxOptions.
struct ModelOptions {
  bool keep_norms = false;
  std::optional<sdepth::InputNormalization> normalization;
  bool with_normalization = false;
  std::string input, output;
  std::map<std::string, std::string> metadata;
};

/// Throws Error where the file cannot be written, or this program was built without protobuf.
void write_model(const std::filesystem::path& path, const sdepth::TrainedNetwork& network,
                 const ModelOptions& options);

}  // namespace programs
