// Four channels at once: 16 bytes of floats, the widest access of a thread, or 8 of bfloat16, and a whole
// number of them in every pixel (channels are padded to 8).
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Channels of one access.
inline constexpr int quad = 4;

/// @pre  p on a 16-byte boundary, as every number i of a tensor with i % 4 == 0 is.
[[nodiscard]] __device__ __forceinline__ float4 load_4(const float* p) {
  return *reinterpret_cast<const float4*>(p);
}
__device__ __forceinline__ void store_4(float* p, const float4& v) { *reinterpret_cast<float4*>(p) = v; }

/// The same of four bfloat16, @pre on an 8-byte boundary. They are rounded by bfloat16's own integer
/// operations, and not by the device's instruction (8.0 and later), which keeps denormal numbers: everyone
/// shall store the same bits.
[[nodiscard]] __device__ __forceinline__ float4 widened(const uint2& pairs) {
  const auto upper = [](unsigned bits) { return std::bit_cast<float>(bits & 0xFFFF0000U); };
  return make_float4(upper(pairs.x << 16), upper(pairs.x), upper(pairs.y << 16), upper(pairs.y));
}
[[nodiscard]] __device__ __forceinline__ float4 load_4(const bfloat16* p) {
  return widened(*reinterpret_cast<const uint2*>(p));
}
[[nodiscard]] __device__ __forceinline__ unsigned pair_of(float a, float b) {
  return static_cast<unsigned>(bfloat16(a).bits) | static_cast<unsigned>(bfloat16(b).bits) << 16;
}
__device__ __forceinline__ void store_4(bfloat16* p, const float4& v) {
  *reinterpret_cast<uint2*>(p) = make_uint2(pair_of(v.x, v.y), pair_of(v.z, v.w));
}

/// f of each of the four.
template <class F, class... Quads>
[[nodiscard]] __device__ __forceinline__ float4 each(const F& f, const Quads&... v) {
  return make_float4(f(v.x...), f(v.y...), f(v.z...), f(v.w...));
}
[[nodiscard]] __device__ __forceinline__ float4 all_four(float x) { return make_float4(x, x, x, x); }
/// The numbers that v becomes in memory.
template <class Stored>
[[nodiscard]] __device__ __forceinline__ float4 rounded(const float4& v) {
  if constexpr (std::is_same_v<Stored, float>)
    return v;
  else
    return each([](float x) { return static_cast<float>(Stored(x)); }, v);
}
/// Writes v, and returns what lies there then: what is summed up.
template <class Stored>
[[nodiscard]] __device__ __forceinline__ float4 stored_4(Stored* p, const float4& v) {
  store_4(p, v);
  return rounded<Stored>(v);
}

/// Begins to copy four numbers from global to the four floats `to` of shared memory, zeros where `inside` is
/// false. Numbers of 16 bits arrive as they are, in the first half: the thread that copied them reads them by
/// arrived_4.
template <class Stored>
__device__ __forceinline__ void fetch_4(float* to, const Stored* from, bool inside) {
  if constexpr (std::is_same_v<Stored, float>)
    copy_4(to, from, inside);
  else if (inside)
    copy_8_bytes(to, from);
  else
    store_4(to, all_four(0.0F));
}
template <class Stored>
[[nodiscard]] __device__ __forceinline__ float4 arrived_4(const float* at) {
  if constexpr (std::is_same_v<Stored, float>)
    return load_4(at);
  else
    return widened(make_uint2(std::bit_cast<unsigned>(at[0]), std::bit_cast<unsigned>(at[1])));
}
/// The same with numbers that shared memory has as floats when they have arrived, for all threads: of 16 bits
/// they are waited for.
template <class Stored>
__device__ __forceinline__ void fetch_floats_4(float* to, const Stored* from, bool inside) {
  if constexpr (std::is_same_v<Stored, float>)
    copy_4(to, from, inside);
  else
    store_4(to, inside ? load_4(from) : all_four(0.0F));
}
template <class Stored>
__device__ __forceinline__ void fetch_float(float* to, const Stored* from, bool inside) {
  if constexpr (std::is_same_v<Stored, float>)
    copy_1(to, from, inside);
  else
    *to = inside ? static_cast<float>(*from) : 0.0F;
}
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
