// Four channels at once: 16 bytes, the widest access of a thread, and a whole number of them in every pixel
// (channels are padded to 8).
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include <sdepth/kernels/cuda/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Channels of one access.
inline constexpr int quad = 4;

/// @pre  p on a 16-byte boundary, as every number i of a tensor with i % 4 == 0 is.
[[nodiscard]] __device__ __forceinline__ float4 load_4(const float* p) {
  return *reinterpret_cast<const float4*>(p);
}
__device__ __forceinline__ void store_4(float* p, const float4& v) { *reinterpret_cast<float4*>(p) = v; }

/// f of each of the four.
template <class F, class... Quads>
[[nodiscard]] __device__ __forceinline__ float4 each(const F& f, const Quads&... v) {
  return make_float4(f(v.x...), f(v.y...), f(v.z...), f(v.w...));
}
[[nodiscard]] __device__ __forceinline__ float4 all_four(float x) { return make_float4(x, x, x, x); }
[[nodiscard]] __device__ __forceinline__ float4 sum(const float4& a, const float4& b) {
  return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w);
}
/// a·b + c
[[nodiscard]] __device__ __forceinline__ float4 multiply_add(const float4& a, const float4& b,
                                                             const float4& c) {
  return make_float4(fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y), fmaf(a.z, b.z, c.z), fmaf(a.w, b.w, c.w));
}
[[nodiscard]] __device__ __forceinline__ float4 multiply_add(float a, const float4& b, const float4& c) {
  return multiply_add(all_four(a), b, c);
}
/// `v` with zeros from channel `channels` on; c is the channel of v.x.
[[nodiscard]] __device__ __forceinline__ float4 only_channels(const float4& v, int c, int channels) {
  return make_float4(c < channels ? v.x : 0.0F, c + 1 < channels ? v.y : 0.0F, c + 2 < channels ? v.z : 0.0F,
                     c + 3 < channels ? v.w : 0.0F);
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
