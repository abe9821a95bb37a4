// Numbers of activations between memory and registers: floats as they are, bfloat16 widened on the way in and rounded on the way out.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/kernels/cpu/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// As many words, or halves of words, as a vector has lanes: the compiler's own vectors, the same for every instruction set.
template <class Arch>
struct Bits {
  using Words [[gnu::vector_size(4 * lanes<Arch>)]] = std::uint32_t;
  using Halves [[gnu::vector_size(2 * lanes<Arch>)]] = std::uint16_t;
};

/// Rounds as bfloat16 does, which says how.
template <class Arch>
SDEPTH_INLINE typename Bits<Arch>::Halves narrow(const Vector<Arch>& v) {
  using Halves = typename Bits<Arch>::Halves;
#ifdef __AVX512BF16__
  if constexpr (lanes<Arch> == 16) return std::bit_cast<Halves>(_mm512_cvtneps_pbh(v));
#ifdef __AVX512VL__
  if constexpr (lanes<Arch> == 8) return std::bit_cast<Halves>(_mm256_cvtneps_pbh(v));
#endif
#endif
  using Words = typename Bits<Arch>::Words;
  const auto x = std::bit_cast<Words>(v);
  const Words exponent = x & 0x7f800000U, sign = x & 0x80000000U;
  const auto not_a_number = (x & 0x7fffffffU) > 0x7f800000U;
  const Words nearest = x + 0x7fffU + ((x >> 16) & 1U);
  const Words flushed = exponent == 0U ? sign : nearest;
  return __builtin_convertvector((not_a_number ? x | 0x00400000U : flushed) >> 16, Halves);
}
template <class Arch>
SDEPTH_INLINE Vector<Arch> widen(typename Bits<Arch>::Halves halves) {
  return std::bit_cast<Vector<Arch>>(__builtin_convertvector(halves, typename Bits<Arch>::Words) << 16);
}

template <class Arch>
SDEPTH_INLINE Vector<Arch> load(const bfloat16* p) {
  typename Bits<Arch>::Halves halves;
  std::memcpy(&halves, p, sizeof halves);
  return widen<Arch>(halves);
}
template <class Arch>
SDEPTH_INLINE void store(bfloat16* p, const Vector<Arch>& v) {
  const auto halves = narrow<Arch>(v);
  std::memcpy(static_cast<void*>(p), &halves, sizeof halves);
}
/// Stores v, and returns what lies there now.
template <class Arch>
SDEPTH_INLINE Vector<Arch> store_rounded(float* p, const Vector<Arch>& v) {
  store<Arch>(p, v);
  return v;
}
template <class Arch>
SDEPTH_INLINE Vector<Arch> store_rounded(bfloat16* p, const Vector<Arch>& v) {
  const auto halves = narrow<Arch>(v);
  std::memcpy(static_cast<void*>(p), &halves, sizeof halves);
  return widen<Arch>(halves);
}

/// The first `Count` lanes from memory, the others zero.
template <class Arch, int Count, class Stored>
SDEPTH_INLINE Vector<Arch> load_first(const Stored* p) {
  Stored values[static_cast<std::size_t>(lanes<Arch>)] = {};
  std::copy_n(p, Count, values);
  return load<Arch>(values);
}

/// `count` numbers to where kernels compute, and from there.
template <class Arch, class From, class To>
void copy_numbers(const From* from, std::size_t count, To* to) {
  if constexpr (std::is_same_v<From, To>) {
    std::memcpy(to, from, count * sizeof(To));
  } else {
    const std::size_t whole = count - count % lanes<Arch>;
    for (std::size_t i = 0; i < whole; i += lanes<Arch>) store<Arch>(to + i, load<Arch>(from + i));
    for (std::size_t i = whole; i < count; ++i) to[i] = static_cast<To>(static_cast<float>(from[i]));
  }
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
