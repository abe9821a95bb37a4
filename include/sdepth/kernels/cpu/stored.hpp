// Numbers between memory and registers: floats as they are, those of 16 bits widened on the way in, and
// activations in bfloat16 rounded on the way out.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/core/float16.hpp>
#include <sdepth/kernels/cpu/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// As many words, or halves of words, as a vector has lanes: the compiler's own vectors, the same for every
/// instruction set.
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
/// By the instructions that take least: g++ widens 8 numbers by halves, and one permutation that leaves out
/// what lies below costs less than widening and a shift (measured, an image through 110 layers with weights
/// in bfloat16: AVX2 2.5 → 1.8 ms, AVX-512 1.77 → 1.53).
template <class Arch>
SDEPTH_INLINE Vector<Arch> widen(typename Bits<Arch>::Halves halves) {
#ifdef __AVX512BW__
  if constexpr (lanes<Arch> == 16) {
    const __m512i twice = _mm512_set_epi16(15, 15, 14, 14, 13, 13, 12, 12, 11, 11, 10, 10, 9, 9, 8, 8, 7, 7,
                                           6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    const __m512i all = _mm512_castsi256_si512(std::bit_cast<__m256i>(halves));
    return Vector<Arch>(_mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaaU, twice, all)));
  }
#endif
#ifdef __AVX2__
  if constexpr (lanes<Arch> == 8) {
    const __m256i words = _mm256_cvtepu16_epi32(std::bit_cast<__m128i>(halves));
    return Vector<Arch>(_mm256_castsi256_ps(_mm256_slli_epi32(words, 16)));
  }
#endif
  return std::bit_cast<Vector<Arch>>(__builtin_convertvector(halves, typename Bits<Arch>::Words) << 16);
}

template <class Arch>
SDEPTH_INLINE Vector<Arch> load(const bfloat16* p) {
  typename Bits<Arch>::Halves halves;
  std::memcpy(&halves, p, sizeof halves);
  return widen<Arch>(halves);
}
/// The same bits as float16 says, by an instruction where there is one.
template <class Arch>
SDEPTH_INLINE Vector<Arch> load(const float16* p) {
  typename Bits<Arch>::Halves halves;
  std::memcpy(&halves, p, sizeof halves);
#ifdef __AVX512F__
  if constexpr (lanes<Arch> == 16) return Vector<Arch>(_mm512_cvtph_ps(std::bit_cast<__m256i>(halves)));
#endif
#ifdef __F16C__
  if constexpr (lanes<Arch> == 8) return Vector<Arch>(_mm256_cvtph_ps(std::bit_cast<__m128i>(halves)));
#endif
  using Words = typename Bits<Arch>::Words;
  using Floats [[gnu::vector_size(4 * lanes<Arch>)]] = float;
  const auto x = __builtin_convertvector(halves, Words);
  const Words magnitude = x & 0x7fffU, word = magnitude << 13;
  const auto denormal = std::bit_cast<Words>(__builtin_convertvector(magnitude, Floats) * float16::unit);
  const Words large = word | (magnitude > float16::infinite ? Words{} + (0x7f800000U | float16::quiet)
                                                            : Words{} + 0x7f800000U);
  const Words finite = magnitude < float16::smallest_normal ? denormal : word + float16::bias;
  return std::bit_cast<Vector<Arch>>((x & 0x8000U) << 16 | (magnitude < float16::infinite ? finite : large));
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

/// One weight to memory, rounded where it lies there in 16 bits. That memory may be floats' otherwise, so
/// nothing but bytes is written.
template <class Weight>
SDEPTH_INLINE void put(float x, Weight* to) {
  if constexpr (std::is_same_v<Weight, float>) {
    *to = x;
  } else {
    const Weight rounded(x);
    std::memcpy(static_cast<void*>(to), &rounded, sizeof rounded);
  }
}
template <class Weight>
void put_all(const float* from, std::size_t count, Weight* to) {
  for (std::size_t i = 0; i < count; ++i) put(from[i], to + i);
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
