// A second opinion on written ONNX models: plain loops in double over what the bytes say, by the operators'
// published definitions, with no code of the library. Source: https://onnx.ai/onnx/operators, opset 17.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <sdepth_onnx.pb.h>

namespace onnx_evaluator {

struct Value {
  std::vector<std::int64_t> shape;
  std::vector<double> numbers;
};

inline std::int64_t size_of(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

/// Element by element, with shapes aligned at the right and extents of 1 repeated.
template <class F>
Value elementwise(const std::vector<const Value*>& in, F f) {
  std::size_t rank = 0;
  for (const Value* v : in) rank = std::max(rank, v->shape.size());
  Value out{std::vector<std::int64_t>(rank, 1), {}};
  for (const Value* v : in)
    for (std::size_t d = 0; d < v->shape.size(); ++d) {
      std::int64_t& extent = out.shape[rank - v->shape.size() + d];
      if (extent != 1 && v->shape[d] != 1 && extent != v->shape[d])
        throw std::runtime_error("shapes do not broadcast");
      extent = std::max(extent, v->shape[d]);
    }
  std::vector<std::int64_t> at(rank, 0);
  for (std::int64_t i = 0; i < size_of(out.shape); ++i) {
    std::vector<double> x;
    for (const Value* v : in) {
      std::int64_t index = 0;
      for (std::size_t d = 0; d < v->shape.size(); ++d)
        index = index * v->shape[d] + (v->shape[d] == 1 ? 0 : at[rank - v->shape.size() + d]);
      x.push_back(v->numbers[static_cast<std::size_t>(index)]);
    }
    out.numbers.push_back(f(x));
    for (std::size_t d = rank; d-- > 0 && ++at[d] == out.shape[d];) at[d] = 0;
  }
  return out;
}

/// What convolutions and pools do at each place of the output: `f(n, c, y, x)`.
template <class F>
Value places(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, F f) {
  Value out{{n, c, h, w}, {}};
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = 0; j < c; ++j)
      for (std::int64_t y = 0; y < h; ++y)
        for (std::int64_t x = 0; x < w; ++x) out.numbers.push_back(f(i, j, y, x));
  return out;
}

struct Node {
  const sdepth_onnx::NodeProto& proto;
  std::vector<const Value*> in;

  [[nodiscard]] std::vector<std::int64_t> ints(const char* name) const {
    for (const auto& a : proto.attribute())
      if (a.name() == name && a.type() == sdepth_onnx::AttributeProto::INTS)
        return {a.ints().begin(), a.ints().end()};
    throw std::runtime_error(proto.op_type() + " has no list " + name);
  }
  [[nodiscard]] std::int64_t whole(const char* name, std::int64_t otherwise) const {
    for (const auto& a : proto.attribute())
      if (a.name() == name && a.type() == sdepth_onnx::AttributeProto::INT) return a.i();
    return otherwise;
  }
  [[nodiscard]] double number(const char* name) const {
    for (const auto& a : proto.attribute())
      if (a.name() == name && a.type() == sdepth_onnx::AttributeProto::FLOAT)
        return static_cast<double>(a.f());
    throw std::runtime_error(proto.op_type() + " has no number " + name);
  }
  [[nodiscard]] double at(std::size_t input, std::int64_t n, std::int64_t c, std::int64_t y,
                          std::int64_t x) const {
    const auto& s = in[input]->shape;
    return in[input]->numbers[static_cast<std::size_t>(((n * s[1] + c) * s[2] + y) * s[3] + x)];
  }
  [[nodiscard]] double one(std::size_t input, std::int64_t i) const {
    return in[input]->numbers.at(static_cast<std::size_t>(i));
  }

  [[nodiscard]] Value conv() const {
    const auto& x = in[0]->shape;
    const auto& w = in[1]->shape;
    const auto stride = ints("strides"), pads = ints("pads");
    if (w[1] != x[1] || ints("kernel_shape") != std::vector{w[2], w[3]})
      throw std::runtime_error("Conv: weights do not fit");
    const std::int64_t height = (x[2] + pads[0] + pads[2] - w[2]) / stride[0] + 1,
                       width = (x[3] + pads[1] + pads[3] - w[3]) / stride[1] + 1;
    return places(x[0], w[0], height, width, [&](auto n, auto o, auto oy, auto ox) {
      double sum = in.size() > 2 ? one(2, o) : 0;
      for (std::int64_t c = 0; c < x[1]; ++c)
        for (std::int64_t ky = 0; ky < w[2]; ++ky)
          for (std::int64_t kx = 0; kx < w[3]; ++kx) {
            const std::int64_t iy = oy * stride[0] + ky - pads[0], ix = ox * stride[1] + kx - pads[1];
            if (iy >= 0 && ix >= 0 && iy < x[2] && ix < x[3])
              sum += at(0, n, c, iy, ix) * at(1, o, c, ky, kx);
          }
      return sum;
    });
  }
  [[nodiscard]] Value pool(bool average) const {
    const auto& x = in[0]->shape;
    const auto kernel = ints("kernel_shape"), stride = ints("strides"), pads = ints("pads");
    const bool ceil_mode = whole("ceil_mode", 0) != 0, with_padding = whole("count_include_pad", 0) != 0;
    const auto extent = [&](std::size_t d) {
      return (x[2 + d] + 2 * pads[d] - kernel[d] + (ceil_mode ? stride[d] - 1 : 0)) / stride[d] + 1;
    };
    return places(x[0], x[1], extent(0), extent(1), [&](auto n, auto c, auto oy, auto ox) {
      double sum = 0, largest = -std::numeric_limits<double>::infinity();
      std::int64_t count = 0;
      for (std::int64_t ky = 0; ky < kernel[0]; ++ky)
        for (std::int64_t kx = 0; kx < kernel[1]; ++kx) {
          const std::int64_t iy = oy * stride[0] + ky - pads[0], ix = ox * stride[1] + kx - pads[1];
          if (iy < 0 || ix < 0 || iy >= x[2] || ix >= x[3]) continue;
          sum += at(0, n, c, iy, ix), largest = std::max(largest, at(0, n, c, iy, ix)), ++count;
        }
      return average ? sum / static_cast<double>(with_padding ? kernel[0] * kernel[1] : count) : largest;
    });
  }
  [[nodiscard]] Value global_pool(bool average) const {
    const auto& x = in[0]->shape;
    return places(x[0], x[1], 1, 1, [&](auto n, auto c, auto, auto) {
      double sum = 0, largest = -std::numeric_limits<double>::infinity();
      for (std::int64_t y = 0; y < x[2]; ++y)
        for (std::int64_t i = 0; i < x[3]; ++i)
          sum += at(0, n, c, y, i), largest = std::max(largest, at(0, n, c, y, i));
      return average ? sum / static_cast<double>(x[2] * x[3]) : largest;
    });
  }
  [[nodiscard]] Value norm() const {
    Value out = *in[0];
    const std::int64_t channels = out.shape[1], inner = size_of(out.shape) / (out.shape[0] * channels);
    for (std::size_t i = 0; i < out.numbers.size(); ++i) {
      const std::int64_t c = static_cast<std::int64_t>(i) / inner % channels;
      out.numbers[i] =
          (out.numbers[i] - one(3, c)) / std::sqrt(one(4, c) + number("epsilon")) * one(1, c) + one(2, c);
    }
    return out;
  }
  [[nodiscard]] Value gemm() const {
    if (whole("transB", 0) != 1) throw std::runtime_error("Gemm: expected transB");
    const auto rows = in[0]->shape[0], inner = in[0]->shape.at(1), columns = in[1]->shape[0];
    if (in[1]->shape[1] != inner || in[0]->shape.size() != 2)
      throw std::runtime_error("Gemm: weights do not fit");
    Value out{{rows, columns}, {}};
    for (std::int64_t n = 0; n < rows; ++n)
      for (std::int64_t o = 0; o < columns; ++o) {
        double sum = in.size() > 2 ? one(2, o) : 0;
        for (std::int64_t i = 0; i < inner; ++i) sum += one(0, n * inner + i) * one(1, o * inner + i);
        out.numbers.push_back(sum);
      }
    return out;
  }
  /// Every step-th pixel of the last two axes.
  [[nodiscard]] Value slice() const {
    const auto& x = in[0]->shape;
    if (in[3]->numbers != std::vector<double>{2, 3} || in[1]->numbers != std::vector<double>{0, 0} ||
        in[2]->numbers != std::vector{static_cast<double>(x[2]), static_cast<double>(x[3])})
      throw std::runtime_error("Slice: expected whole pictures");
    const auto sy = static_cast<std::int64_t>(one(4, 0)), sx = static_cast<std::int64_t>(one(4, 1));
    return places(x[0], x[1], (x[2] + sy - 1) / sy, (x[3] + sx - 1) / sx,
                  [&](auto n, auto c, auto y, auto i) { return at(0, n, c, y * sy, i * sx); });
  }
  [[nodiscard]] Value pad() const {
    const auto& x = in[0]->shape;
    const auto& p = in[1]->numbers;
    if (p != std::vector<double>{0, 0, 0, 0, 0, p.at(5), 0, 0})
      throw std::runtime_error("Pad: expected channels behind");
    return places(x[0], x[1] + static_cast<std::int64_t>(p[5]), x[2], x[3],
                  [&](auto n, auto c, auto y, auto i) { return c < x[1] ? at(0, n, c, y, i) : 0.0; });
  }
  [[nodiscard]] Value reshaped() const {
    Value out = *in[0];
    if (proto.op_type() == "Flatten") {
      out.shape = {in[0]->shape[0], size_of(in[0]->shape) / in[0]->shape[0]};
      return out;
    }
    out.shape.clear();
    for (const double extent : in[1]->numbers) out.shape.push_back(static_cast<std::int64_t>(extent));
    if (out.shape.at(0) != -1) throw std::runtime_error("Reshape: expected a free batch");
    out.shape[0] = 1;
    out.shape[0] = size_of(in[0]->shape) / size_of(out.shape);
    return out;
  }

  [[nodiscard]] Value run() const {
    using X = const std::vector<double>&;
    static const std::map<std::string, double (*)(X)> functions{
        {"Add", [](X x) { return x[0] + x[1]; }},
        {"Sub", [](X x) { return x[0] - x[1]; }},
        {"Mul", [](X x) { return x[0] * x[1]; }},
        {"Div", [](X x) { return x[0] / x[1]; }},
        {"Neg", [](X x) { return -x[0]; }},
        {"Relu", [](X x) { return x[0] > 0 ? x[0] : 0; }},
        {"Sigmoid", [](X x) { return 1 / (1 + std::exp(-x[0])); }},
        {"HardSwish", [](X x) { return x[0] * std::clamp(x[0] / 6 + 0.5, 0.0, 1.0); }},
        {"Exp", [](X x) { return std::exp(x[0]); }},
        {"Log", [](X x) { return std::log(x[0]); }},
        {"Tanh", [](X x) { return std::tanh(x[0]); }},
        {"Erf", [](X x) { return std::erf(x[0]); }},
        {"Sqrt", [](X x) { return std::sqrt(x[0]); }},
        {"Sign", [](X x) { return x[0] > 0   ? 1.0
                                  : x[0] < 0 ? -1.0
                                             : 0.0; }},
        {"Less", [](X x) { return x[0] < x[1] ? 1.0 : 0.0; }},
        {"LessOrEqual", [](X x) { return x[0] <= x[1] ? 1.0 : 0.0; }},
        {"Equal", [](X x) { return x[0] == x[1] ? 1.0 : 0.0; }},
        {"And", [](X x) { return x[0] != 0 && x[1] != 0 ? 1.0 : 0.0; }},
        {"Or", [](X x) { return x[0] != 0 || x[1] != 0 ? 1.0 : 0.0; }},
        {"Not", [](X x) { return x[0] == 0 ? 1.0 : 0.0; }},
        {"Where", [](X x) { return x[0] != 0 ? x[1] : x[2]; }},
        {"Identity", [](X x) { return x[0]; }},
        {"Cast", [](X x) { return x[0]; }}};
    const std::string& op = proto.op_type();
    if (const auto found = functions.find(op); found != functions.end())
      return elementwise(in, found->second);
    if (op == "LeakyRelu")
      return elementwise(in, [slope = number("alpha")](X x) { return x[0] > 0 ? x[0] : slope * x[0]; });
    if (op == "Conv") return conv();
    if (op == "Gemm") return gemm();
    if (op == "BatchNormalization") return norm();
    if (op == "AveragePool" || op == "MaxPool") return pool(op == "AveragePool");
    if (op == "GlobalAveragePool" || op == "GlobalMaxPool") return global_pool(op == "GlobalAveragePool");
    if (op == "Slice") return slice();
    if (op == "Pad") return pad();
    if (op == "Flatten" || op == "Reshape") return reshaped();
    throw std::runtime_error("the evaluator has no operator " + op);
  }
};

/// The output of a model for one input. Every name must be made before it is read, and once.
inline Value run(const sdepth_onnx::ModelProto& model, const Value& input) {
  std::map<std::string, Value> values{{model.graph().input(0).name(), input}};
  const auto add = [&](const std::string& name, Value value) {
    if (name.empty() || !values.emplace(name, std::move(value)).second)
      throw std::runtime_error("the name " + name + " is made twice");
  };
  for (const auto& tensor : model.graph().initializer()) {
    Value value{{tensor.dims().begin(), tensor.dims().end()}, {}};
    const auto read = [&]<class Number>(Number) {
      std::vector<Number> numbers(tensor.raw_data().size() / sizeof(Number));
      std::memcpy(numbers.data(), tensor.raw_data().data(), tensor.raw_data().size());
      value.numbers.assign(numbers.begin(), numbers.end());
    };
    if (tensor.data_type() == sdepth_onnx::TensorProto::FLOAT) read(0.0F);
    if (tensor.data_type() == sdepth_onnx::TensorProto::INT64) read(std::int64_t{});
    if (size_of(value.shape) != static_cast<std::int64_t>(value.numbers.size()))
      throw std::runtime_error("a tensor has other extents");
    add(tensor.name(), value);
  }
  for (const auto& proto : model.graph().node()) {
    Node node{proto, {}};
    for (const std::string& name : proto.input()) node.in.push_back(&values.at(name));
    add(proto.output(0), node.run());
  }
  return values.at(model.graph().output(0).name());
}

}  // namespace onnx_evaluator
