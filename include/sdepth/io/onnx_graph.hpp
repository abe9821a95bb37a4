// The parts of an ONNX model: nodes with attributes, tensors, and names that are taken once. What a network
// becomes in them is in io/onnx.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <sdepth_onnx.pb.h>

#include <sdepth/core/shape.hpp>
#include <sdepth/io/file.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// A node's attribute: a number, a whole number, or a list of whole numbers.
struct OnnxAttribute {
  const char* name;
  std::variant<float, std::int64_t, std::vector<std::int64_t>> value;
};

/// A graph that grows node by node. Every name that is asked for is free afterwards only with a number behind
/// it.
class OnnxGraph {
 public:
  explicit OnnxGraph(sdepth_onnx::GraphProto& graph) : graph_(graph) {}

  /// Appends a node with one output. Returns that one's name, which is the node's as well.
  /// @param name  what it is to be called if that is free
  std::string node(const char* operation, const std::string& name, const std::vector<std::string>& inputs,
                   std::initializer_list<OnnxAttribute> attributes = {}) {
    sdepth_onnx::NodeProto& node = *graph_.add_node();
    node.set_op_type(operation);
    node.set_name(free_name(name));
    node.add_output(node.name());
    for (const std::string& input : inputs) node.add_input(input);
    for (const OnnxAttribute& attribute : attributes) {
      sdepth_onnx::AttributeProto& added = *node.add_attribute();
      added.set_name(attribute.name);
      if (const auto* number = std::get_if<float>(&attribute.value)) {
        added.set_type(sdepth_onnx::AttributeProto::FLOAT);
        added.set_f(*number);
      } else if (const auto* whole = std::get_if<std::int64_t>(&attribute.value)) {
        added.set_type(sdepth_onnx::AttributeProto::INT);
        added.set_i(*whole);
      } else {
        added.set_type(sdepth_onnx::AttributeProto::INTS);
        for (const std::int64_t each : std::get<std::vector<std::int64_t>>(attribute.value))
          added.add_ints(each);
      }
    }
    return node.name();
  }

  /// Adds a tensor. Returns its name.
  std::string tensor(const std::string& name, std::span<const std::int64_t> shape,
                     std::span<const float> values) {
    return tensor_of(name, sdepth_onnx::TensorProto::FLOAT, shape, values);
  }
  std::string tensor(const std::string& name, const std::vector<std::int64_t>& values) {
    const std::int64_t size[] = {static_cast<std::int64_t>(values.size())};
    return tensor_of(name, sdepth_onnx::TensorProto::INT64, size, std::span(values));
  }
  /// A single number, which applies to all of another tensor.
  std::string number(const std::string& name, double value) {
    const auto rounded = static_cast<float>(value);
    return tensor(name, {}, {&rounded, 1});
  }

  /// An input or output of the graph of [batch, extents]; the batch is free.
  void describe(sdepth_onnx::ValueInfoProto& value, const std::string& name,
                sdepth_onnx::TensorProto::DataType type, const std::vector<int>& extents,
                const std::string& text) {
    value.set_name(name);
    value.set_doc_string(text);
    auto& tensor = *value.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape()->add_dim()->set_dim_param("batch");
    for (const int extent : extents) tensor.mutable_shape()->add_dim()->set_dim_value(extent);
  }

  /// `name`, or where that is taken, name_2, name_3, …
  [[nodiscard]] std::string free_name(const std::string& name) {
    std::string candidate = name;
    for (int i = 2; !taken_.insert(candidate).second; ++i) candidate = name + "_" + std::to_string(i);
    return candidate;
  }

 private:
  template <class Number>
  std::string tensor_of(const std::string& name, sdepth_onnx::TensorProto::DataType type,
                        std::span<const std::int64_t> shape, std::span<const Number> values) {
    sdepth_onnx::TensorProto& tensor = *graph_.add_initializer();
    tensor.set_name(free_name(name));
    tensor.set_data_type(type);
    for (const std::int64_t extent : shape) tensor.add_dims(extent);
    tensor.set_raw_data(values.data(), values.size_bytes());  // little-endian, as io/file.hpp has made sure
    return tensor.name();
  }

  sdepth_onnx::GraphProto& graph_;
  std::set<std::string> taken_;
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
