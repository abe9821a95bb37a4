// Sums over batch and pixels, per channel: how the blocks of a kernel make one result of their parts, the
// same bits every time.
//
// Three numbers a channel travel together: (count, mean, sum of squared deviations from it) for a forward
// stage's statistics, (Σ dz, Σ dz·(x − mean), Σ dz·(shortcut − mean)) for a backward stage's. A thread
// gathers its own in registers and puts them into shared memory as a row; the block joins its rows and writes
// them to scratch memory as a part; of each group of parts the block that comes last joins the group, and of
// the groups the last makes the result. Which rows and parts are joined, and in which order, never depends on
// who comes when.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/norm_channel.hpp>
#include <sdepth/kernels/cuda/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Mean and squared deviations of one channel's numbers in one thread, in one pass: sums of distances from
/// the first number, which lies no further from the mean than √n deviations, so that the few numbers of a
/// thread lose no digits.
struct RunningMoments {
  float first = 0;
  float sum = 0;
  float squares = 0;
  int count = 0;

  __device__ void add(float v) {
    if (count == 0) first = v;
    const float distance = v - first;
    sum += distance;
    squares = fmaf(distance, distance, squares);
    ++count;
  }
  [[nodiscard]] __device__ float mean() const {
    return count > 0 ? first + sum / static_cast<float>(count) : 0.0F;
  }
  [[nodiscard]] __device__ float deviations() const {
    const float all = count > 0 ? squares - sum * sum / static_cast<float>(count) : 0.0F;
    return all < 0.0F ? 0.0F : all;  // not fmaxf, which makes zero of what is not a number
  }
};

/// Where the parts of one kernel's blocks meet. Part of the kernel's operands; made on the host by
/// channel_parts.
struct ChannelParts {
  int parts = 0;  // blocks that share channels
  int group = 0;  // parts that are joined at once
  int groups = 0;
  int pitch = 0;                 // channels of a block
  float* numbers = nullptr;      // [tiles][parts + groups][3][pitch]
  unsigned* counters = nullptr;  // [tiles][groups + 1], zero before and after the kernel

  [[nodiscard]] __device__ float* part(int tile, int i) const {
    return numbers + (static_cast<std::size_t>(tile) * static_cast<std::size_t>(parts + groups) +
                      static_cast<std::size_t>(i)) *
                         static_cast<std::size_t>(3 * pitch);
  }

  friend bool operator==(const ChannelParts&, const ChannelParts&) = default;
};

/// @param parts  blocks that share channels   @param pitch  channels of a block, a multiple of 8   @param
///               tiles  ranges of channels, each with blocks of its own
/// The operands live in Context::scratch from `offset` numbers on, which must be a multiple of 8.
[[nodiscard]] inline ChannelParts channel_parts(Context& context, int parts, int pitch, int tiles = 1,
                                                std::size_t offset = 0) {
  // A warp loads 32 parts in one go (8 of each of its 4 slices); two levels of equal size are the fewest
  // loads in a row.
  int group = 32;
  while (group < parts / group) group *= 2;
  const int groups = (parts + group - 1) / group;
  const std::size_t numbers = static_cast<std::size_t>(tiles) * static_cast<std::size_t>(parts + groups) *
                              static_cast<std::size_t>(3 * pitch);
  return {parts,
          group,
          groups,
          pitch,
          context.scratch(offset + numbers) + offset,
          context.counter(static_cast<std::size_t>(tiles * (groups + 1)))};
}

/// The merged moments of several sets of numbers: Chan's formula for all of them at once, around the mean of
/// one of them. Source: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
/// Sample Variances", 1979.
struct JoinedMoments {
  double origin, count = 0, sum = 0, squares = 0;

  /// @param first  the numbers of the first part
  __device__ explicit JoinedMoments(const float* first, int pitch)
      : origin(static_cast<double>(first[pitch])) {}
  __device__ void add(float n, float mean, float deviations) {
    const double distance = static_cast<double>(mean) - origin, weighted = static_cast<double>(n) * distance;
    count += static_cast<double>(n);
    sum += weighted;
    squares += static_cast<double>(deviations) + weighted * distance;
  }
  __device__ void across(int lanes_apart) {
    count += __shfl_xor_sync(whole_warp, count, lanes_apart);
    sum += __shfl_xor_sync(whole_warp, sum, lanes_apart);
    squares += __shfl_xor_sync(whole_warp, squares, lanes_apart);
  }
  __device__ void store(float* to, int pitch) const {
    const double shift = count > 0 ? sum / count : 0.0;
    to[0] = static_cast<float>(count);
    to[pitch] = static_cast<float>(origin + shift);
    to[2 * pitch] = static_cast<float>(squares - sum * shift);
  }
  __device__ void store_result(const StatisticsResult& result, int c) const {
    const double shift = count > 0 ? sum / count : 0.0;
    const float mean = static_cast<float>(origin + shift),
                variance = count > 0 ? static_cast<float>((squares - sum * shift) / count) : 0.0F;
    result.mean[c] = mean;
    result.variance[c] = variance < 0.0F ? 0.0F : variance;
    if (result.norm.gamma) norm_forward_channel(result.norm, c, mean, result.variance[c]);
  }
};

/// Sums of three numbers.
struct JoinedSums {
  double sums[3] = {};

  __device__ explicit JoinedSums(const float*, int) {}
  __device__ void add(float a, float b, float c) {
    sums[0] += static_cast<double>(a);
    sums[1] += static_cast<double>(b);
    sums[2] += static_cast<double>(c);
  }
  __device__ void across(int lanes_apart) {
    for (double& sum : sums) sum += __shfl_xor_sync(whole_warp, sum, lanes_apart);
  }
  __device__ void store(float* to, int pitch) const {
    for (int i = 0; i < 3; ++i) to[i * pitch] = static_cast<float>(sums[i]);
  }
  template <class Stored>
  __device__ void store_result(const Masking<Stored>& m, int c) const {
    const float dz = static_cast<float>(sums[0]);
    if (m.dz) m.dz[c] = dz;
    if (m.dz_normalised) {
      const float normalised = static_cast<float>(sums[1] * static_cast<double>(m.inverse_deviation[c]));
      m.dz_normalised[c] = normalised;
      if (m.norm.gamma) norm_backward_channel(m.norm, c, dz, normalised, m.failed);
    }
    if (m.dz_normalised_shortcut) {
      const float normalised =
          static_cast<float>(sums[2] * static_cast<double>(m.shortcut_inverse_deviation[c]));
      m.dz_normalised_shortcut[c] = normalised;
      if (m.shortcut_norm.gamma) norm_backward_channel(m.shortcut_norm, c, dz, normalised, m.failed);
    }
  }
};

/// Joins `count` sets of three numbers a channel, [count][3][pitch], by the whole block, and hands the joined
/// numbers of channel c to store(joined, c). A warp takes 8 channels, which lie in one sector of 32 bytes,
/// and four of the sets at a time.
template <class Joined, class Store>
__device__ inline void join(const float* from, int count, int pitch, int channels, const Store& store) {
  const int lane = static_cast<int>(threadIdx.x) % warp_size, slice = lane / lanes,
            slices = warp_size / lanes;
  const int warp = static_cast<int>(threadIdx.x) / warp_size,
            warps = static_cast<int>(blockDim.x) / warp_size;
  for (int c = warp * lanes + lane % lanes; c < channels; c += warps * lanes) {
    Joined joined(from + c, pitch);
#pragma unroll 4
    for (int i = slice; i < count; i += slices) {
      const float* p = from + static_cast<std::size_t>(i) * static_cast<std::size_t>(3 * pitch) + c;
      joined.add(p[0], p[pitch], p[2 * pitch]);
    }
    joined.across(lanes);
    joined.across(2 * lanes);
    if (slice == 0) store(joined, c);
  }
}

/// Whether this block is the last of `blocks` to come here; what the others wrote to global memory before is
/// then there to be read. Called by all threads. @param word  of shared memory, overwritten
__device__ inline bool last_to_arrive(unsigned* counter, int blocks, float* word) {
  __syncthreads();
  if (threadIdx.x == 0) {
    const bool last = count_arrival(counter) + 1U == static_cast<unsigned>(blocks);
    if (last) *counter = 0;
    *word = last ? 1.0F : 0.0F;
  }
  __syncthreads();
  return *word != 0.0F;
}

/// Makes the result per channel from the rows of all blocks. Called by all threads of all blocks, a whole
/// number of warps. Returns whether this block has made the result, as one does.
///
/// @tparam Joined  JoinedMoments with a StatisticsResult, JoinedSums with a Masking, as `result`: where the
///                 result goes
/// @param rows     [count][3][pitch] in shared memory, written by this block; overwritten
/// @param tile     which range of channels: its first is tile·pitch   @param part  which of the blocks that
///                 share them
/// @param channels of this range, a multiple of 8, at most the pitch
template <class Joined, class Result>
__device__ inline bool join_channels(const ChannelParts& parts, const Result& result, float* rows, int count,
                                     int tile, int part, int channels) {
  __syncthreads();
  const int pitch = parts.pitch, group = part / parts.group, first = group * parts.group;
  float* const own = parts.part(tile, part);
  join<Joined>(rows, count, pitch, channels,
               [&](const Joined& joined, int c) { joined.store(own + c, pitch); });

  unsigned* const counters = parts.counters + tile * (parts.groups + 1);
  const int members = parts.parts - first < parts.group ? parts.parts - first : parts.group;
  if (!last_to_arrive(counters + group, members, rows)) return false;
  float* const joined_group = parts.part(tile, parts.parts + group);
  join<Joined>(parts.part(tile, first), members, pitch, channels,
               [&](const Joined& joined, int c) { joined.store(joined_group + c, pitch); });

  if (!last_to_arrive(counters + parts.groups, parts.groups, rows)) return false;
  join<Joined>(parts.part(tile, parts.parts), parts.groups, pitch, channels,
               [&](const Joined& joined, int c) { joined.store_result(result, tile * pitch + c); });
  return true;
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
