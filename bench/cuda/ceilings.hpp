// What the device at hand can do at most, measured in the program whose rows are compared with it: memory
// copied, multiply-adds in float32, TF32 products by the instruction that the convolutions use.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <sdepth/cuda.hpp>

#include "least_time.hpp"

namespace sdepth::roofline {

struct CeilingOperands {
  const float4* from = nullptr;
  float4* to = nullptr;
  std::size_t count = 0;
  int repetitions = 0;

  friend bool operator==(const CeilingOperands&, const CeilingOperands&) = default;
};

inline constexpr int ceiling_threads = 256;

/// Numbers in [-0.5, 0.5) from their place.
template <int threads>
__global__ void __launch_bounds__(threads) fill_kernel(const CeilingOperands o) {
  for (std::size_t i = std::size_t{blockIdx.x} * threads + threadIdx.x; i < o.count;
       i += std::size_t{gridDim.x} * threads) {
    const auto word = [i](std::uint32_t j) {
      std::uint32_t x = (static_cast<std::uint32_t>(i) * 4 + j) * 2654435761U;
      x = (x ^ x >> 15U) * 2246822519U;
      return static_cast<float>((x ^ x >> 13U) >> 8U) / 16777216.0F - 0.5F;
    };
    o.to[i] = make_float4(word(0), word(1), word(2), word(3));
  }
}
/// `numbers` of them, a multiple of 4, to `to`: what is timed must not be zeros.
inline void fill(cuda::Context& context, float* to, std::size_t numbers) {
  context.launch({"fill"}, fill_kernel<ceiling_threads>, cuda::Grid{.x = 1024, .threads = ceiling_threads},
                 CeilingOperands{nullptr, reinterpret_cast<float4*>(to), numbers / 4, 0});
}

/// 4 loads of 16 bytes a thread under way.
template <int threads>
__global__ void __launch_bounds__(threads) copy_kernel(const CeilingOperands o) {
  const std::size_t all = std::size_t{gridDim.x} * threads;
  std::size_t i = std::size_t{blockIdx.x} * threads + threadIdx.x;
  for (; i + 3 * all < o.count; i += 4 * all) {
    const float4 a = o.from[i], b = o.from[i + all], c = o.from[i + 2 * all], d = o.from[i + 3 * all];
    o.to[i] = a, o.to[i + all] = b, o.to[i + 2 * all] = c, o.to[i + 3 * all] = d;
  }
  for (; i < o.count; i += all) o.to[i] = o.from[i];
}

/// 16 chains a thread: 4 warps of one scheduler hide a latency of 4 cycles many times over.
template <int threads>
__global__ void __launch_bounds__(threads) multiply_add_kernel(const CeilingOperands o) {
  constexpr int chains = 16;
  // Of zeros, but the compiler does not know; multiplied are other numbers, for zeros let a device run
  // faster.
  const float start = o.from[threadIdx.x % 2].x + 0.37F, factor = o.from[0].y + 0.93F;
  float sums[chains];
#pragma unroll
  for (int i = 0; i < chains; ++i) sums[i] = start + static_cast<float>(i);
#pragma unroll 4
  for (int n = 0; n < o.repetitions; ++n)
#pragma unroll
    for (int i = 0; i < chains; ++i) sums[i] = fmaf(sums[i], factor, start);
  float all = 0;
#pragma unroll
  for (int i = 0; i < chains; ++i) all += sums[i];
  if (all == 1.5F) o.to[0].x = all;  // never, which the compiler does not know
}

/// 8 chains of products a warp.
template <int threads>
__global__ void __launch_bounds__(threads) product_kernel(const CeilingOperands o) {
  constexpr int chains = 8;
  const float start = o.from[threadIdx.x % 2].x + 0.37F * static_cast<float>(threadIdx.x % 13);
  const std::uint32_t a[4] = {cuda::to_tf32(start), cuda::to_tf32(start + 1), cuda::to_tf32(start),
                              cuda::to_tf32(start)};
  const std::uint32_t b[2] = {cuda::to_tf32(start), cuda::to_tf32(start + 2)};
  float sums[chains][4] = {};
#pragma unroll 2
  for (int n = 0; n < o.repetitions; ++n)
#pragma unroll
    for (int i = 0; i < chains; ++i) cuda::multiply_add(sums[i], a, b);
  float all = 0;
#pragma unroll
  for (int i = 0; i < chains; ++i) all += sums[i][0] + sums[i][1] + sums[i][2] + sums[i][3];
  if (all == 1.5F) o.to[0].x = all;
}

/// Of the current device: the best of five runs of some milliseconds each.
[[nodiscard]] inline Ceilings measured_ceilings() {
  constexpr std::size_t numbers = std::size_t{128} << 20;  // 512 MiB each way, more than any cache
  const cuda::DeviceBuffer<float4> from(numbers / 4, "the ceilings' numbers"),
      to(numbers / 4, "the ceilings' numbers");
  cuda::Context context;
  cudaDeviceProp device;
  cuda::check(cudaGetDeviceProperties(&device, context.device()), "cudaGetDeviceProperties");
  const auto blocks = static_cast<unsigned>(8 * device.multiProcessorCount);
  cudaEvent_t begin = nullptr, end = nullptr;
  cuda::check(cudaEventCreate(&begin), "cudaEventCreate");
  cuda::check(cudaEventCreate(&end), "cudaEventCreate");
  const auto best_rate = [&](void (*kernel)(CeilingOperands), double work, int repetitions) {
    double best = 0;
    for (int run = 0; run < 6; ++run) {  // the first is for the clocks
      cuda::check(cudaEventRecord(begin, context.stream()), "cudaEventRecord");
      context.launch({"ceiling"}, kernel, cuda::Grid{.x = blocks, .threads = ceiling_threads},
                     CeilingOperands{from.data(), to.data(), numbers / 4, repetitions});
      cuda::check(cudaEventRecord(end, context.stream()), "cudaEventRecord");
      cuda::check(cudaEventSynchronize(end), "cudaEventSynchronize");
      float ms = 0;
      cuda::check(cudaEventElapsedTime(&ms, begin, end), "cudaEventElapsedTime");
      if (run > 0) best = std::max(best, work / (static_cast<double>(ms) / 1e3));
    }
    return best;
  };
  constexpr int repetitions = 20000;
  const double threads = static_cast<double>(blocks) * ceiling_threads;
  Ceilings found{best_rate(copy_kernel<ceiling_threads>, 2.0 * numbers * sizeof(float), 0),
                 best_rate(multiply_add_kernel<ceiling_threads>, threads * 16 * 2 * repetitions, repetitions),
                 best_rate(product_kernel<ceiling_threads>, threads / 32 * 8 * 2 * 16 * 8 * 8 * repetitions,
                           repetitions)};
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  if (device.major < 8) found.products = found.fp32;  // no TF32: such a convolution takes the float32 path
  return found;
}

}  // namespace sdepth::roofline
