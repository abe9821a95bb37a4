// The few vector operations that the CPU kernels are made of. All of xsimd that they use goes through here, so that its versions differ in one place.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

// Names of xsimd's that are macros after <complex.h> and X11's headers.
#pragma push_macro("I")
#undef I
#pragma push_macro("Complex")
#undef Complex
#pragma push_macro("index")
#undef index
#include <xsimd/xsimd.hpp>
#pragma pop_macro("I")
#pragma pop_macro("Complex")
#pragma pop_macro("index")

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// A vector of `lanes<Arch>` floats.
template <class Arch>
using Vector = xsimd::batch<float, Arch>;

template <class Arch>
inline constexpr int lanes = static_cast<int>(Vector<Arch>::size);

/// Vector registers that a register block may use: 32 with AVX-512 and on 64-bit ARM, else 16.
template <class Arch>
inline constexpr int registers = lanes<Arch> >= 16 || std::is_base_of_v<xsimd::neon64, Arch> ? 32 : 16;

// Loads and stores are the unaligned ones: where data is aligned, as activations and scratch are, they cost the same.
template <class Arch>
SDEPTH_INLINE Vector<Arch> load(const float* p) {
  return Vector<Arch>::load_unaligned(p);
}
template <class Arch>
SDEPTH_INLINE void store(float* p, const Vector<Arch>& v) {
  v.store_unaligned(p);
}
/// The first `Count` lanes from memory, the others zero.
template <class Arch, int Count>
SDEPTH_INLINE Vector<Arch> load_first(const float* p) {
  float values[static_cast<std::size_t>(lanes<Arch>)] = {};
  std::copy_n(p, Count, values);
  return load<Arch>(values);
}
/// All lanes x. Parentheses, not braces: in xsimd 8.1 braces pick the constructor that reads `lanes` numbers from memory.
template <class Arch>
SDEPTH_INLINE Vector<Arch> all(float x) {
  return Vector<Arch>(x);
}
/// a·b + c, and c − a·b.
template <class Arch>
SDEPTH_INLINE Vector<Arch> fma(const Vector<Arch>& a, const Vector<Arch>& b, const Vector<Arch>& c) {
  return xsimd::fma(a, b, c);
}
template <class Arch>
SDEPTH_INLINE Vector<Arch> fnma(const Vector<Arch>& a, const Vector<Arch>& b, const Vector<Arch>& c) {
  return xsimd::fnma(a, b, c);
}
/// 0 where v ≤ 0, else v: a NaN stays, so that divergence shows in the loss. (Not max: g++ 12 warns of its AVX-512 form, and its NaN rule differs by Arch.)
template <class Arch>
SDEPTH_INLINE Vector<Arch> relu(const Vector<Arch>& v) {
  const Vector<Arch> zero = all<Arch>(0.0F);
  return xsimd::select(v <= zero, zero, v);
}
/// 0 where v ≤ 0, else g: ReLU's backward. The gradient of a NaN passes, as PyTorch's does.
template <class Arch>
SDEPTH_INLINE Vector<Arch> where_positive(const Vector<Arch>& v, const Vector<Arch>& g) {
  const Vector<Arch> zero = all<Arch>(0.0F);
  return xsimd::select(v <= zero, zero, g);
}
/// Where a maximum so far gives way to a window's next number: a larger one, or a NaN.
template <class Arch>
SDEPTH_INLINE auto displaces(const Vector<Arch>& next, const Vector<Arch>& maximum) {
  return (next > maximum) || xsimd::isnan(next);
}

/// Calls f(std::true_type) or f(std::false_type): turns what is known before a loop into code without the question in the loop.
template <class F>
SDEPTH_INLINE void when(bool condition, F&& f) {
  if (condition)
    f(std::true_type{});
  else
    f(std::false_type{});
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
