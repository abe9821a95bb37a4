// How the parts of a weight gradient, each the sums of one block over some of the images, become one: in two
// rounds of about equal length, so that no block waits for more than a few loads in a row.
#pragma once

#include <cstddef>

#include <sdepth/kernels/cuda/channel_sums.hpp>
#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/vector.hpp>
#include <sdepth/kernels/cuda/weight_gradient_tiling.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Where the parts of a weight gradient lie, and where the result goes. Part of the kernel's operands; made
/// on the host by weight_gradient_parts_in.
struct WeightGradientParts {
  int count = 0;
  int group = 0;  // parts that are joined at once
  int groups = 0;
  int weights = 0;               // numbers of [k, k, C_in, C_out']
  std::size_t size = 0;          // of a part: those, then [C_out'] of the bias
  float* numbers = nullptr;      // [count][size]; of a single part the result itself
  unsigned* counters = nullptr;  // [blocks][groups + 1], zero before and after the kernel
  float* weight_gradient = nullptr;
  float* bias_gradient = nullptr;

  [[nodiscard]] __device__ float* of(int part) const {
    return numbers + static_cast<std::size_t>(part) * size;
  }
  [[nodiscard]] __device__ float* bias_of(int part) const {
    return count > 1 ? of(part) + weights : bias_gradient;
  }

  friend bool operator==(const WeightGradientParts&, const WeightGradientParts&) = default;
};

/// @param blocks  with different sums   @param bias  numbers of the bias, 0: none
[[nodiscard]] inline WeightGradientParts weight_gradient_parts_in(Workspace& workspace, int count, int blocks,
                                                                  int weights, int bias,
                                                                  float* weight_gradient,
                                                                  float* bias_gradient) {
  if (count == 1) return {1, 1, 1, weights, 0, weight_gradient, nullptr, weight_gradient, bias_gradient};
  int group = 8;  // fewer are not worth a second round
  while (group * group < count) group *= 2;
  const int groups = (count + group - 1) / group;
  const auto size = static_cast<std::size_t>(weights + bias);
  return {count,
          group,
          groups,
          weights,
          size,
          workspace.scratch(static_cast<std::size_t>(count) * size),
          workspace.counter(static_cast<std::size_t>(blocks) * static_cast<std::size_t>(groups + 1)),
          weight_gradient,
          bias_gradient};
}

/// Calls visit(place) for each group of 4 neighbouring output channels whose sums belong to a block, of which
/// place is the first's in a part; by all threads together.
template <class B, class Visit>
__device__ inline void for_each_place(int block, bool bias, const Visit& visit) {
  constexpr WeightGradientTiling t = B::tiling;
  constexpr int kernel = t.shape.kernel, channels_in = t.shape.in.channels,
                pitch = padded(t.shape.channels_out);
  constexpr int across = t.channels_out / quad, in_tap = t.channels_in * across, in_row = t.taps * in_tap;
  const int first_out = block % t.parts_out * t.channels_out,
            first_in = block / t.parts_out % t.parts_in * t.channels_in;
  const int first_row = block / t.parts_out / t.parts_in * t.block_tap_rows;
  for (int i = static_cast<int>(threadIdx.x); i < t.block_tap_rows * in_row; i += t.threads()) {
    const int row = first_row + i / in_row, kernel_row = row / t.taps_in_row,
              tap = row % t.taps_in_row * t.taps + i % in_row / in_tap;
    const int in = first_in + i % in_tap / across, out = first_out + i % across * quad;
    if (kernel_row < kernel && tap < kernel && in < channels_in && out < pitch)
      visit(((kernel_row * kernel + tap) * channels_in + in) * pitch + out);
  }
  if (bias && first_in == 0 && first_row == 0)
    for (int i = static_cast<int>(threadIdx.x); i < across; i += t.threads())
      if (first_out + i * quad < pitch) visit(kernel * kernel * channels_in * pitch + first_out + i * quad);
}

/// Adds `count` parts that lie `apart` numbers from each other, in double and in their order.
[[nodiscard]] __device__ inline float4 sum_of_parts(const float* from, int count, std::size_t apart) {
  double sums[quad] = {};
#pragma unroll 8
  for (int i = 0; i < count; ++i) {
    const float4 v = load_4(from + static_cast<std::size_t>(i) * apart);
    sums[0] += static_cast<double>(v.x);
    sums[1] += static_cast<double>(v.y);
    sums[2] += static_cast<double>(v.z);
    sums[3] += static_cast<double>(v.w);
  }
  return make_float4(static_cast<float>(sums[0]), static_cast<float>(sums[1]), static_cast<float>(sums[2]),
                     static_cast<float>(sums[3]));
}

/// Makes the result from the parts that blocks with the same sums have written. Called by all threads of all
/// blocks as the last thing they do.
/// @param block  which sums   @param part  whose numbers this block has written   @param word  of shared
///               memory, overwritten
template <class B>
__device__ inline void join_weight_gradients(const WeightGradientParts& parts, int block, int part, bool bias,
                                             float* word) {
  unsigned* const counters = parts.counters + block * (parts.groups + 1);
  const int group = part / parts.group, first = group * parts.group;
  const int members = parts.count - first < parts.group ? parts.count - first : parts.group;
  const auto to_result = [&](int place, const float4& sum) {
    store_4(
        place < parts.weights ? parts.weight_gradient + place : parts.bias_gradient + (place - parts.weights),
        sum);
  };
  if (!last_to_arrive(counters + group, members, word)) return;
  // The group's sums take the place of its first part, which nobody reads any more.
  for_each_place<B>(block, bias, [&](int place) {
    float* const of_first = parts.of(first) + place;
    const float4 sum = sum_of_parts(of_first, members, parts.size);
    if (parts.groups == 1)
      to_result(place, sum);
    else
      store_4(of_first, sum);
  });
  if (parts.groups == 1) return;
  if (!last_to_arrive(counters + parts.groups, parts.groups, word)) return;
  for_each_place<B>(block, bias, [&](int place) {
    to_result(place, sum_of_parts(parts.numbers + place, parts.groups,
                                  parts.size * static_cast<std::size_t>(parts.group)));
  });
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
