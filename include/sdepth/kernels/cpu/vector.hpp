// The few vector operations that the CPU kernels are made of. All of xsimd that they use goes through here,
// so that its versions differ in one place.
#pragma once

#include <cstddef>
#include <type_traits>

// g++ takes the undefined vectors in its own AVX-512 intrinsics, which exp is made of, for a mistake: GCC bug
// 105593.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

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
#include <sdepth/core/math.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// A vector of `lanes<Arch>` floats.
template <class Arch>
using Vector = xsimd::batch<float, Arch>;

template <class Arch>
inline constexpr int lanes = static_cast<int>(Vector<Arch>::size);

/// Vector registers that a register block may use: 32 with AVX-512 and on 64-bit ARM, else 16.
template <class Arch>
inline constexpr int registers = lanes<Arch> >= 16 || std::is_base_of_v<xsimd::neon64, Arch> ? 32 : 16;

// Loads and stores are the unaligned ones: where data is aligned, as activations and scratch are, they cost
// the same.
template <class Arch>
SDEPTH_INLINE Vector<Arch> load(const float* p) {
  return Vector<Arch>::load_unaligned(p);
}
template <class Arch>
SDEPTH_INLINE void store(float* p, const Vector<Arch>& v) {
  v.store_unaligned(p);
}
/// All lanes x. Parentheses, not braces: in xsimd 8.1 braces pick the constructor that reads `lanes` numbers
/// from memory.
template <class Arch>
SDEPTH_INLINE Vector<Arch> all(float x) {
  return Vector<Arch>(x);
}
/// a·b + c, and c − a·b. With AVX-512 xsimd 8.1 leaves it to the compiler to make one instruction of both
/// operations: g++ does, and rounds as it always has; clang does not (measured, an image through 20 layers:
/// 0.347 ms, 0.256 with the instruction named).
template <class Arch>
SDEPTH_INLINE Vector<Arch> fma(const Vector<Arch>& a, const Vector<Arch>& b, const Vector<Arch>& c) {
#if defined(__AVX512F__) && defined(__clang__)
  if constexpr (lanes<Arch> == 16) return Vector<Arch>(_mm512_fmadd_ps(a.data, b.data, c.data));
#endif
  return xsimd::fma(a, b, c);
}
template <class Arch>
SDEPTH_INLINE Vector<Arch> fnma(const Vector<Arch>& a, const Vector<Arch>& b, const Vector<Arch>& c) {
#if defined(__AVX512F__) && defined(__clang__)
  if constexpr (lanes<Arch> == 16) return Vector<Arch>(_mm512_fnmadd_ps(a.data, b.data, c.data));
#endif
  return xsimd::fnma(a, b, c);
}
/// Where a maximum so far gives way to a window's next number: a larger one, or a NaN.
template <class Arch>
SDEPTH_INLINE auto displaces(const Vector<Arch>& next, const Vector<Arch>& maximum) {
  return (next > maximum) || xsimd::isnan(next);
}

/// Calls f(std::true_type) or f(std::false_type): turns what is known before a loop into code without the
/// question in the loop.
template <class F>
SDEPTH_INLINE void when(bool condition, F&& f) {
  if (condition)
    f(std::true_type{});
  else
    f(std::false_type{});
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu

namespace sdepth::inline SDEPTH_ISA::math {

/// What formulas call with vectors. Relative errors, measured with xsimd 8.1 on levels 2, 3 and 4 of x86-64:
/// exp, expm1 and log1p 1.3e-7, tanh 1.4e-7, erf 1.7e-7, erfc 5e-7 below 2, growing to 5e-6 at 9, where it is
/// 4e-37.
template <class Arch>
struct Functions<xsimd::batch<float, Arch>> {
  using V = xsimd::batch<float, Arch>;
  [[nodiscard]] SDEPTH_INLINE static V constant(double x) { return V(static_cast<float>(x)); }
  [[nodiscard]] SDEPTH_INLINE static V select(const xsimd::batch_bool<float, Arch>& condition, const V& a,
                                              const V& b) {
    return xsimd::select(condition, a, b);
  }
  [[nodiscard]] SDEPTH_INLINE static V multiply_add(const V& a, const V& b, const V& c) {
    return xsimd::fma(a, b, c);
  }
  [[nodiscard]] SDEPTH_INLINE static V sqrt(const V& x) { return xsimd::sqrt(x); }
  [[nodiscard]] SDEPTH_INLINE static V sign(const V& x) { return xsimd::sign(x); }
  [[nodiscard]] SDEPTH_INLINE static V exp(const V& x) { return xsimd::exp(x); }
  [[nodiscard]] SDEPTH_INLINE static V expm1(const V& x) { return xsimd::expm1(x); }
  [[nodiscard]] SDEPTH_INLINE static V log1p(const V& x) { return xsimd::log1p(x); }
  [[nodiscard]] SDEPTH_INLINE static V tanh(const V& x) { return xsimd::tanh(x); }
  [[nodiscard]] SDEPTH_INLINE static V erf(const V& x) { return xsimd::erf(x); }
  [[nodiscard]] SDEPTH_INLINE static V erfc(const V& x) { return xsimd::erfc(x); }
};

}  // namespace sdepth::inline SDEPTH_ISA::math

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
