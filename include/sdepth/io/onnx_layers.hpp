// A network's layers and blocks as nodes of an ONNX graph, with norms and survival folded into the weights
// before them, or as nodes of their own.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <sdepth/core/exactly.hpp>
#include <sdepth/io/onnx_graph.hpp>
#include <sdepth/io/trained_network.hpp>
#include <sdepth/layers/pointwise.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// A value of the graph: [batch, C, H, W], or [batch, C] behind a linear layer.
struct OnnxValue {
  std::string name;
  Shape shape;
  bool flat = false;
};

class OnnxLayers {
 public:
  OnnxLayers(OnnxGraph& graph, const TrainedNetwork& trained, bool keep_norms)
      : graph_(graph), trained_(trained), keep_norms_(keep_norms) {}

  /// All of the network from `x` on. Returns its output, [batch, classes].
  [[nodiscard]] OnnxValue network(OnnxValue x) {
    std::vector<LayerDescription> trunk;
    std::size_t block = 0;
    const auto finish_trunk = [&] {
      x = layers(trunk, x, 1.0, "");
      trunk.clear();
    };
    for (const auto& part : trained_.network.parts) {
      if (const auto* layer = std::get_if<LayerDescription>(&part)) {
        trunk.push_back(*layer);
      } else {
        finish_trunk();
        x = residual_block(std::get<BlockDescription>(part), x, block++);
      }
    }
    finish_trunk();
    return flattened(x);
  }

 private:
  [[nodiscard]] OnnxValue residual_block(const BlockDescription& block, const OnnxValue& x,
                                         std::size_t index) {
    const std::string name = "blocks." + std::to_string(index);
    const bool runs = trained_.keep[index] != 0;
    if (!runs && block.identity) return x;
    OnnxValue sum = block.projection.empty() ? plain_shortcut(block, x, name + ".shortcut")
                                             : layers(block.projection, x, 1.0, name);
    if (runs) {
      OnnxValue branch = layers(block.branch, x, trained_.scales[index], name);
      if (branch.flat != sum.flat) branch = with_pixels(branch), sum = with_pixels(sum);
      sum.name = graph_.node("Add", name + ".sum", {branch.name, sum.name});
    }
    if (block.after_sum) sum = activation(*block.after_sum, sum);
    return sum;
  }

  /// Average or every stride-th pixel, then zero channels.
  [[nodiscard]] OnnxValue plain_shortcut(const BlockDescription& block, OnnxValue x,
                                         const std::string& name) {
    if (block.identity) return x;
    const ShortcutShape& s = block.shortcut;
    x = with_pixels(x);
    if (s.stride > 1 && block.subsamples) {
      const std::string starts = graph_.tensor(name + ".starts", {0, 0}),
                        ends = graph_.tensor(name + ".ends", {s.in.height, s.in.width}),
                        axes = graph_.tensor(name + ".axes", {2, 3}),
                        steps = graph_.tensor(name + ".steps", {s.stride, s.stride});
      x.name = graph_.node("Slice", name + ".slice", {x.name, starts, ends, axes, steps});
    } else if (s.stride > 1) {
      x.name = pool(s.pool(), x.name, name + ".pool");
    }
    if (const int more = s.channels_out - s.in.channels; more > 0)
      x.name = graph_.node("Pad", name + ".pad",
                           {x.name, graph_.tensor(name + ".pads", {0, 0, 0, 0, 0, more, 0, 0})});
    x.shape = s.out();
    return x;
  }

  /// A row of layers; what they give is multiplied by `factor`.
  [[nodiscard]] OnnxValue layers(const std::vector<LayerDescription>& row, OnnxValue x, double factor,
                                 const std::string& name) {
    const std::size_t end = factor_place(row);
    for (std::size_t i = 0; i < row.size(); ++i) {
      const LayerDescription& layer = row[i];
      const bool multiplies =
          std::holds_alternative<ConvShape>(layer.what) || std::holds_alternative<LinearShape>(layer.what);
      const bool is_norm = std::holds_alternative<NormDescription>(layer.what);
      const bool takes_norm = !keep_norms_ && multiplies && i + 1 < row.size() &&
                              std::holds_alternative<NormDescription>(row[i + 1].what);
      const bool takes_factor = !keep_norms_ && (multiplies || is_norm) && i + 1 + takes_norm == end;
      const double own_factor = takes_factor ? std::exchange(factor, 1.0) : 1.0;
      if (multiplies) {
        x = dense(layer, takes_norm ? &row[i + 1] : nullptr, own_factor, x);
        i += takes_norm;
      } else if (is_norm) {
        x = norm(layer, own_factor, x);
      } else if (const auto* shape = std::get_if<PoolShape>(&layer.what)) {
        x = {pool(*shape, with_pixels(x).name, name.empty() ? "pool" : name + ".pool"), layer.out};
      } else {
        x = activation(std::get<ActivationDescription>(layer.what), x);
      }
    }
    if (!exactly(factor, 1))
      x.name = graph_.node("Mul", name + ".scaled", {x.name, graph_.number(name + ".survival", factor)});
    return x;
  }

  /// factor · BN(x) as scale · x + shift, per channel, in double.
  struct Affine {
    std::vector<double> scale, shift;
  };
  [[nodiscard]] Affine affine(const LayerDescription& norm, double factor) const {
    const std::vector<float>*numbers = &trained_.numbers[norm.first_tensor], &weight = numbers[0],
          &bias = numbers[1], &mean = numbers[2], &variance = numbers[3];
    Affine result{std::vector<double>(weight.size()), std::vector<double>(weight.size())};
    for (std::size_t c = 0; c < weight.size(); ++c) {
      result.scale[c] =
          factor * static_cast<double>(weight[c]) / std::sqrt(static_cast<double>(variance[c]) + BN::eps);
      result.shift[c] =
          factor * static_cast<double>(bias[c]) - static_cast<double>(mean[c]) * result.scale[c];
    }
    return result;
  }

  /// Convolution or linear layer, with the norm behind it where there is one.
  [[nodiscard]] OnnxValue dense(const LayerDescription& layer, const LayerDescription* norm, double factor,
                                OnnxValue x) {
    const ParameterInfo& weight_info = trained_.network.tensors[layer.first_tensor];
    const auto channels = static_cast<std::size_t>(layer.out.channels);
    const auto* conv = std::get_if<ConvShape>(&layer.what);
    const bool has_bias = conv != nullptr ? conv->bias : std::get<LinearShape>(layer.what).bias;
    std::vector<float> weight = trained_.numbers[layer.first_tensor], bias(channels);
    const Affine by = norm != nullptr
                          ? affine(*norm, factor)
                          : Affine{std::vector<double>(channels, factor), std::vector<double>(channels)};
    const std::size_t rows = weight.size() / channels;
    for (std::size_t i = 0; i < weight.size(); ++i)
      weight[i] = static_cast<float>(by.scale[i / rows] * static_cast<double>(weight[i]));
    for (std::size_t c = 0; c < channels; ++c) {
      const double own = has_bias ? static_cast<double>(trained_.numbers[layer.first_tensor + 1][c]) : 0.0;
      bias[c] = static_cast<float>(by.scale[c] * own + by.shift[c]);
    }
    const std::string name = weight_info.name.substr(0, weight_info.name.rfind('.'));
    std::vector<std::string> inputs{"", graph_.tensor(name + ".weight", weight_info.shape, weight)};
    if (has_bias || norm != nullptr) {
      const std::int64_t shape[] = {layer.out.channels};
      inputs.push_back(graph_.tensor(name + ".bias", shape, bias));
    }
    if (conv != nullptr) {
      inputs[0] = with_pixels(x).name;
      const std::int64_t kernel = conv->kernel, stride = conv->stride, padding = conv->padding;
      return {graph_.node("Conv", name, inputs,
                          {{"kernel_shape", std::vector{kernel, kernel}},
                           {"strides", std::vector{stride, stride}},
                           {"pads", std::vector{padding, padding, padding, padding}}}),
              layer.out};
    }
    inputs[0] = flattened(x).name;
    return {graph_.node("Gemm", name, inputs, {{"transB", std::int64_t{1}}}), layer.out, true};
  }

  [[nodiscard]] OnnxValue norm(const LayerDescription& layer, double factor, OnnxValue x) {
    const std::string& first = trained_.network.tensors[layer.first_tensor].name;
    const std::string name = first.substr(0, first.rfind('.'));
    std::vector<std::string> inputs{x.name};
    const char* names[] = {".weight", ".bias", ".running_mean", ".running_var"};
    for (std::size_t i = 0; i < 4; ++i) {
      std::vector<float> values = trained_.numbers[layer.first_tensor + i];
      if (i < 2)
        for (float& value : values) value = static_cast<float>(factor * static_cast<double>(value));
      const std::int64_t shape[] = {static_cast<std::int64_t>(values.size())};
      inputs.push_back(graph_.tensor(name + names[i], shape, values));
    }
    x.name = graph_.node("BatchNormalization", name, inputs, {{"epsilon", static_cast<float>(BN::eps)}});
    return x;
  }

  [[nodiscard]] std::string pool(const PoolShape& s, const std::string& x, const std::string& name) {
    const bool average = s.kind == PoolKind::average;
    if (s.window_height == s.in.height && s.window_width == s.in.width && s.padding == 0)
      return graph_.node(average ? "GlobalAveragePool" : "GlobalMaxPool", name, {x});
    const std::vector<std::int64_t> window{s.window_height, s.window_width}, strides(2, s.stride),
        pads(4, s.padding);
    if (!average)
      return graph_.node("MaxPool", name, {x},
                         {{"kernel_shape", window}, {"strides", strides}, {"pads", pads}});
    // The average divides by the whole window, but where that reaches beyond the image, by the pixels that
    // are there.
    return graph_.node("AveragePool", name, {x},
                       {{"kernel_shape", window},
                        {"strides", strides},
                        {"pads", pads},
                        {"ceil_mode", std::int64_t{s.ceil_mode}},
                        {"count_include_pad", std::int64_t{!s.ceil_mode}}});
  }

  [[nodiscard]] OnnxValue activation(const ActivationDescription& a, OnnxValue x) {
    using Kind = ActivationDescription::Kind;
    if (a.kind == Kind::relu) {
      x.name = graph_.node("Relu", x.name + ".relu", {x.name});
    } else if (a.kind == Kind::leaky_relu) {
      x.name = graph_.node("LeakyRelu", x.name + ".leaky_relu", {x.name},
                           {{"alpha", static_cast<float>(a.negative_slope)}});
    } else if (a.kind == Kind::silu) {
      x.name = graph_.node("Mul", x.name + ".silu",
                           {x.name, graph_.node("Sigmoid", x.name + ".sigmoid", {x.name})});
    } else if (a.kind == Kind::hardswish) {
      x.name = graph_.node("HardSwish", x.name + ".hardswish", {x.name});
    } else {
      std::map<const FormulaStep*, std::string> known;
      x.name = formula(a.formula, x.name, known);
    }
    return x;
  }

  /// The nodes of a formula in `x`. @param known  results that are there already
  [[nodiscard]] std::string formula(const Formula& step, const std::string& x,
                                    std::map<const FormulaStep*, std::string>& known) {
    using Kind = FormulaStep::Kind;
    if (step->kind == Kind::input) return x;
    if (const auto found = known.find(step.get()); found != known.end()) return found->second;
    if (step->kind == Kind::constant) return known[step.get()] = graph_.number(x + ".constant", step->number);
    static const std::map<Kind, const char*> operations{{Kind::negate, "Neg"},
                                                        {Kind::add, "Add"},
                                                        {Kind::subtract, "Sub"},
                                                        {Kind::multiply, "Mul"},
                                                        {Kind::divide, "Div"},
                                                        {Kind::less, "Less"},
                                                        {Kind::less_or_equal, "LessOrEqual"},
                                                        {Kind::equal, "Equal"},
                                                        {Kind::logical_and, "And"},
                                                        {Kind::logical_or, "Or"},
                                                        {Kind::logical_not, "Not"},
                                                        {Kind::select, "Where"},
                                                        {Kind::sqrt, "Sqrt"},
                                                        {Kind::sign, "Sign"},
                                                        {Kind::exp, "Exp"},
                                                        {Kind::log, "Log"},
                                                        {Kind::tanh, "Tanh"},
                                                        {Kind::erf, "Erf"}};
    std::vector<std::string> inputs;
    for (const Formula& operand : step->operands)
      if (operand) inputs.push_back(formula(operand, x, known));
    return known[step.get()] = graph_.node(operations.at(step->kind), x + ".formula", inputs);
  }

  /// [batch, C·H·W]
  [[nodiscard]] OnnxValue flattened(const OnnxValue& x) {
    if (x.flat) return x;
    return {graph_.node("Flatten", x.name + ".flat", {x.name}, {{"axis", std::int64_t{1}}}), x.shape, true};
  }
  /// [batch, C, H, W]
  [[nodiscard]] OnnxValue with_pixels(const OnnxValue& x) {
    if (!x.flat) return x;
    const std::string extents =
        graph_.tensor(x.name + ".extents", {-1, x.shape.channels, x.shape.height, x.shape.width});
    return {graph_.node("Reshape", x.name + ".pixels", {x.name, extents}), x.shape};
  }

  OnnxGraph& graph_;
  const TrainedNetwork& trained_;
  bool keep_norms_;
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
