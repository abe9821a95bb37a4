// The parameter plan: which numbers a network has, where they lie in its flat buffers, and what PyTorch calls
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

enum class ParameterKind { conv_weight, bias, linear_weight, bn_weight, bn_bias, running_mean, running_var };

/// One named tensor of a network.
///
/// Internal layouts, with s = out_stride, the padded number of output channels (padding holds zeros, and 1 or
/// 0 in running statistics): conv [kernel, kernel, C_in, s] for PyTorch's OIHW; linear [H·W·C_in in the order
/// h, w, c; s] for PyTorch's [out, C_in·H·W]; all others [s].
struct ParameterInfo {
  std::string name;
  ParameterKind kind = ParameterKind::bias;
  std::vector<std::int64_t> shape;  // PyTorch's
  std::size_t offset = 0;           // first number, in the flat buffer of parameters or of running statistics
  // the residual block whose branch it belongs to; -1: trunk, or a shortcut, which always runs
  int block = -1;
  Shape in;  // linear: the shape that is flattened
  int out_stride = 0;
  std::size_t size = 0;  // numbers of storage, padding included

  /// False for running statistics, which live in a buffer of their own.
  [[nodiscard]] bool trainable() const noexcept {
    return kind != ParameterKind::running_mean && kind != ParameterKind::running_var;
  }
};

/// Numbers of storage: trainable ones and running statistics.
struct ParameterSizes {
  std::size_t trainable = 0;
  std::size_t running = 0;
  friend constexpr ParameterSizes operator+(ParameterSizes a, ParameterSizes b) noexcept {
    return {a.trainable + b.trainable, a.running + b.running};
  }
  friend constexpr ParameterSizes operator*(int n, ParameterSizes a) noexcept {
    return {static_cast<std::size_t>(n) * a.trainable, static_cast<std::size_t>(n) * a.running};
  }
  friend constexpr bool operator==(const ParameterSizes&, const ParameterSizes&) = default;
};

namespace detail {

/// Names in PyTorch's manner: conv1, bn1, conv2, … counted within a prefix; a network's only linear layer is
/// fc.
struct Naming {
  std::string prefix;
  int block = -1;        // the tensors' ParameterInfo::block
  bool numbered = true;  // false: `conv`, `bn` without a number, as in a shortcut
  bool only_linear = false;
  int convolutions = 0;
  int norms = 0;
  int linears = 0;
  int blocks = 0;

  [[nodiscard]] std::string next(const char* kind, int& count) const {
    ++count;
    return prefix + kind + (numbered ? std::to_string(count) : std::string());
  }
};

/// Where the next tensor goes.
struct Planner {
  int lanes = 1;
  ParameterSizes used;
  std::vector<ParameterInfo> tensors;

  void add(std::string name, ParameterKind kind, std::vector<std::int64_t> shape, const Naming& naming,
           int channels, std::size_t rows, Shape in = {}) {
    ParameterInfo info{std::move(name), kind, std::move(shape),          0,
                       naming.block,    in,   round_up(channels, lanes), 0};
    info.size = rows * static_cast<std::size_t>(info.out_stride);
    std::size_t& offset = info.trainable() ? used.trainable : used.running;
    info.offset = offset;
    offset += info.size;
    tensors.push_back(std::move(info));
  }
};

}  // namespace detail

}  // namespace sdepth::inline SDEPTH_ISA
