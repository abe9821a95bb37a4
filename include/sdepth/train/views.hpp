// Parameters as Eigen maps, for a user's own loop.
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

}  // namespace sdepth::inline SDEPTH_ISA
