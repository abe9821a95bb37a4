// The border between the network's layouts and PyTorch's: weights leave and enter through here, number by
// number, exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/network/parameters.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Numbers of a parameter as PyTorch counts them: the product of its shape, no padding.
[[nodiscard]] inline std::size_t pytorch_size(const ParameterInfo& info) noexcept {
  std::size_t size = 1;
  for (const std::int64_t extent : info.shape) size *= static_cast<std::size_t>(extent);
  return size;
}

/// Calls visit(i, j) for every number of a parameter: i its index in PyTorch's tensor, running through 0, 1,
/// 2, …; j its index in storage, counted from the parameter's first number.
///
///     conv     i over [o][c][y][x]    j = ((y · kernel + x) · C_in + c) · s + o           s = out_stride
///     linear   i over [o][c][h][w]    j = ((h · W + w) · C_in + c) · s + o
///     others   i over [o]             j = o
template <class Visit>
void for_each_number(const ParameterInfo& info, Visit&& visit) {
  const auto extent = [&](std::size_t dimension) { return static_cast<std::size_t>(info.shape[dimension]); };
  std::size_t outputs = extent(0), channels = 1, height = 1, width = 1;
  if (info.kind == ParameterKind::conv_weight) {
    channels = extent(1), height = extent(2), width = extent(3);
  } else if (info.kind == ParameterKind::linear_weight) {
    channels = static_cast<std::size_t>(info.in.channels);
    height = static_cast<std::size_t>(info.in.height);
    width = static_cast<std::size_t>(info.in.width);
  }
  const auto stride = static_cast<std::size_t>(info.out_stride);
  std::size_t i = 0;
  for (std::size_t o = 0; o < outputs; ++o)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t y = 0; y < height; ++y)
        for (std::size_t x = 0; x < width; ++x) visit(i++, ((y * width + x) * channels + c) * stride + o);
}

/// A parameter's numbers in PyTorch's order, without padding.
/// @param buffer  The whole flat buffer that `info.offset` counts in: parameters, or running statistics;
///                gradients and momentum, which are laid out like parameters, as well.
template <class T>
[[nodiscard]] std::vector<float> to_pytorch(const ParameterInfo& info, const T* buffer) {
  std::vector<float> values(pytorch_size(info));
  const T* storage = buffer + info.offset;
  for_each_number(info, [&](std::size_t i, std::size_t j) { values[i] = static_cast<float>(storage[j]); });
  return values;
}

/// The opposite of to_pytorch: puts `values`, in PyTorch's order, into their places in `buffer`. Padding
/// keeps what it holds. Throws Error where there are more or fewer values than the parameter has numbers,
/// before anything is written.
template <class T>
void from_pytorch(const ParameterInfo& info, std::span<const float> values, T* buffer) {
  if (values.size() != pytorch_size(info))
    fail(info.name, " has ", pytorch_size(info), " numbers, ", values.size(),
         " were given; are they of another network?");
  T* storage = buffer + info.offset;
  for_each_number(info, [&](std::size_t i, std::size_t j) { storage[j] = static_cast<T>(values[i]); });
}

}  // namespace sdepth::inline SDEPTH_ISA
