// A trained network as an ONNX model, for every program that runs these: ONNX Runtime, OpenVINO, TensorRT.
// Needs protobuf: the target sdepth::onnx.
//
//     write_onnx("net.onnx", trained_network(*trainer.weights(), trainer.survival()));
//
// Layout is NCHW, the batch is free, and the network is as small as its DepthPlan leaves it.
#pragma once

#include <climits>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sdepth_onnx.pb.h>

#include <sdepth/core/error.hpp>
#include <sdepth/io/file.hpp>
#include <sdepth/io/onnx_graph.hpp>
#include <sdepth/io/onnx_layers.hpp>
#include <sdepth/io/trained_network.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// How a network is written.
struct OnnxOptions {
  // norms and survival probabilities are nodes; else folded into the weights
  bool keep_norms = false;
  std::optional<InputNormalization> normalization{};  // goes into the metadata
  bool with_normalization = false;                    // as first nodes: the input are a picture's bytes
  std::string input = "images",
              // their names; "pixels" is what the input is to be called where it is bytes
      output = "logits";
  std::map<std::string, std::string> metadata{};  // more texts: "classes", a list of names as JSON
};

/// The nodes of (byte − mean) / scale. Returns what enters the network.
[[nodiscard]] inline std::string normalized_bytes(detail::OnnxGraph& graph,
                                                  const InputNormalization& normalization,
                                                  const std::string& bytes, Shape shape) {
  std::string x = graph.node("Cast", "normalization.cast", {bytes},
                             {{"to", std::int64_t{sdepth_onnx::TensorProto::FLOAT}}});
  const std::vector<std::int64_t> of_picture{1, shape.channels, shape.height, shape.width},
      of_channels{1, shape.channels, 1, 1}, of_one{1, 1, 1, 1};
  const auto tensor = [&](const char* name, const std::vector<float>& values) {
    const auto& extents = values.size() == 1              ? of_one
                          : values.size() == shape.size() ? of_picture
                                                          : of_channels;
    return graph.tensor(name, extents, values);
  };
  if (!normalization.mean.empty())
    x = graph.node("Sub", "normalization.centred", {x, tensor("normalization.mean", normalization.mean)});
  return graph.node("Div", "normalization.scaled", {x, tensor("normalization.scale", normalization.scale)});
}

/// The model in memory. @see write_onnx
[[nodiscard]] inline sdepth_onnx::ModelProto onnx_model(const TrainedNetwork& trained,
                                                        const OnnxOptions& options = {}) {
  const Shape in = trained.network.input;
  if (options.with_normalization && !options.normalization)
    fail(
        "onnx: the normalisation is to be a part of the model, but it is not known; give it, or leave it out");
  if (options.input.empty() || options.output.empty() || options.input == options.output)
    fail("onnx: expected two different names for the input and the output, found \"", options.input,
         "\" and \"", options.output, "\"");
  sdepth_onnx::ModelProto model;
  model.set_ir_version(8);
  model.set_producer_name("sdepth");
  model.add_opset_import()->set_version(17);
  sdepth_onnx::GraphProto& proto = *model.mutable_graph();
  proto.set_name("network");
  detail::OnnxGraph graph(proto);
  std::string x = graph.free_name(options.input);
  static_cast<void>(graph.free_name(options.output));
  const auto type =
      options.with_normalization ? sdepth_onnx::TensorProto::UINT8 : sdepth_onnx::TensorProto::FLOAT;
  graph.describe(
      *proto.add_input(), x, type, {in.channels, in.height, in.width},
      options.with_normalization ? "bytes of pictures, 0 to 255, NCHW" : "normalised pictures, NCHW");
  if (options.with_normalization) x = normalized_bytes(graph, *options.normalization, x, in);
  detail::OnnxLayers layers(graph, trained, options.keep_norms);
  const detail::OnnxValue result = layers.network({x, in});
  // The last node's output is the model's; nothing else reads it. Where the network's is another value, a
  // node passes it on.
  if (proto.node_size() == 0 || result.name != proto.node(proto.node_size() - 1).output(0))
    static_cast<void>(graph.node("Identity", "identity", {result.name}));
  proto.mutable_node(proto.node_size() - 1)->set_output(0, options.output);
  graph.describe(*proto.add_output(), options.output, sdepth_onnx::TensorProto::FLOAT,
                 {static_cast<int>(trained.network.output.size())}, "a logit for each class");

  std::map<std::string, std::string> metadata = options.metadata;
  metadata["residual_blocks"] =
      std::to_string(trained.blocks_kept()) + " of " + std::to_string(trained.keep.size());
  if (options.normalization && !options.with_normalization)
    metadata["normalization"] = normalization_text(*options.normalization);
  for (const auto& [key, value] : metadata) {
    auto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  return model;
}

/// Writes a model of opset 17: input [batch, C, H, W], float32, normalised, or the bytes of pictures; output
/// [batch, classes], float32. An activation of one's own becomes the operations of its formula. Throws Error
/// where the file cannot be written, which is then left as it was.
inline void write_onnx(const std::filesystem::path& path, const TrainedNetwork& trained,
                       const OnnxOptions& options = {}) {
  const sdepth_onnx::ModelProto model = onnx_model(trained, options);
  if (model.ByteSizeLong() > INT_MAX)
    fail(path.string(), " cannot be written: the model would have ", with_commas(model.ByteSizeLong()),
         " bytes, and ONNX allows 2,147,483,647; export a smaller network");
  write_file_atomically(path, model.SerializeAsString());
}

}  // namespace sdepth::inline SDEPTH_ISA
