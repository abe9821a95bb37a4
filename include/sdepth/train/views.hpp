// Parameters in place, for a user's own loop: as Eigen's matrices, and convolutions in PyTorch's order.
#pragma once

// Names of Eigen's that are macros after <complex.h> and X11's headers.
#pragma push_macro("I")
#undef I
#pragma push_macro("Success")
#undef Success
#pragma push_macro("True")
#undef True
#pragma push_macro("Always")
#undef Always
#pragma push_macro("Below")
#undef Below
#pragma push_macro("index")
#undef index
#include <Eigen/Core>
#pragma pop_macro("I")
#pragma pop_macro("Success")
#pragma pop_macro("True")
#pragma pop_macro("Always")
#pragma pop_macro("Below")
#pragma pop_macro("index")

#include <array>
#include <cstddef>

#include <sdepth/core/error.hpp>
#include <sdepth/network/parameters.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A tensor in place, without padding: rows × columns with columns = output channels.
template <class T>
using MatrixView =
    Eigen::Map<Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>, 0, Eigen::OuterStride<>>;

/// The tensor's numbers in the buffer they live in. A convolution has a row per (kernel row, kernel column,
/// input channel), a linear layer per input (row, column, channel); biases and BN's vectors are one row.
template <class T>
[[nodiscard]] MatrixView<T> matrix_view(const ParameterInfo& tensor, T* buffer) {
  const auto stride = static_cast<Eigen::Index>(tensor.out_stride);
  return MatrixView<T>(buffer + tensor.offset, static_cast<Eigen::Index>(tensor.size) / stride,
                       static_cast<Eigen::Index>(tensor.shape[0]), Eigen::OuterStride<>(stride));
}

/// A convolution's weights in place, by PyTorch's indices: (output channel, input channel, row, column).
template <class T>
class OIHWView {
 public:
  /// Throws Error where the tensor is no convolution's weight.
  OIHWView(const ParameterInfo& tensor, T* buffer)
      : first_(buffer + tensor.offset), stride_(static_cast<std::size_t>(tensor.out_stride)) {
    if (tensor.kind != ParameterKind::conv_weight)
      fail("\"", tensor.name,
           "\" is not the weight of a convolution; parameter(name) reads every tensor, as a matrix");
    for (std::size_t i = 0; i < 4; ++i) shape_[i] = static_cast<std::size_t>(tensor.shape[i]);
  }

  /// [C_out, C_in, kernel, kernel]
  [[nodiscard]] const std::array<std::size_t, 4>& shape() const noexcept { return shape_; }
  /// @pre  each index is below its extent
  [[nodiscard]] T& operator()(std::size_t out, std::size_t in, std::size_t row,
                              std::size_t column) const noexcept {
    return first_[((row * shape_[3] + column) * shape_[1] + in) * stride_ + out];
  }

 private:
  T* first_;
  std::size_t stride_;
  std::array<std::size_t, 4> shape_{};
};
template <class T>
[[nodiscard]] OIHWView<T> oihw_view(const ParameterInfo& tensor, T* buffer) {
  return {tensor, buffer};
}

}  // namespace sdepth::inline SDEPTH_ISA
