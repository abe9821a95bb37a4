// The library's macros, all of them: what a compiler must be told and C++ cannot say. Every header includes
// this one, directly or not, so it also refuses what no header can do without. A file that does not exist
// stops the compiler: without it hundreds of errors would follow the sentence.
#pragma once

#if (defined(__clang__) && !defined(__apple_build_version__) && __clang_major__ < 18) || \
    (!defined(__clang__) && defined(__GNUC__) && __GNUC__ < 11)
#error \
    "sdepth has numbers such as 0.5 as template arguments, which this compiler is too old for: use g++ 12 or clang 18, or later"
#include <stopped by the error above>
#elif __cplusplus < 202002L
#error \
    "sdepth is written in C++20: compile with -std=c++20 or later, or link the CMake target sdepth::sdepth, which asks for it"
#include <stopped by the error above>
#elif !defined(__cpp_exceptions) && !defined(__EXCEPTIONS)
#error "sdepth reports errors by exceptions: compile without -fno-exceptions"
#include <stopped by the error above>
#elif defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error \
    "sdepth checks that numbers are finite, and -ffast-math (-ffinite-math-only) takes these checks away: compile without it, or add -fno-finite-math-only behind it"
#include <stopped by the error above>
#elif defined(check)
#error \
    "a macro is called check, as functions of sdepth are: #undef check before sdepth's headers, or include these first"
#include <stopped by the error above>
#endif

/// The inline namespace that everything stands in, named after the instructions that this translation unit
/// may use. Without it, the same inline function compiled for two processors would be one symbol, of which
/// the linker keeps either: an old processor would be given a newer one's instructions. Features that all
/// processors with a named one have (FMA's BMI2 and F16C, say) are not in the name.
#if defined(__AVX512VBMI2__) && defined(__AVX512BF16__)
#define SDEPTH_ISA avx512_vbmi2_bf16
#elif defined(__AVX512VBMI2__)
#define SDEPTH_ISA avx512_vbmi2
#elif defined(__AVX512BF16__)
#define SDEPTH_ISA avx512_bf16
#elif defined(__AVX512VL__) && defined(__AVX512BW__) && defined(__AVX512DQ__)
#define SDEPTH_ISA avx512
#elif defined(__AVX512F__)
#define SDEPTH_ISA avx512f
#elif defined(__AVX2__) && defined(__FMA__)
#define SDEPTH_ISA avx2_fma
#elif defined(__AVX2__)
#define SDEPTH_ISA avx2
#elif defined(__AVX__) && defined(__FMA__)
#define SDEPTH_ISA avx_fma
#elif defined(__AVX__) && defined(__F16C__)
#define SDEPTH_ISA avx_f16c
#elif defined(__AVX__)
#define SDEPTH_ISA avx
#elif defined(__SSE4_2__)
#define SDEPTH_ISA sse4_2
#elif defined(__SSE4_1__)
#define SDEPTH_ISA sse4_1
#elif defined(__SSSE3__)
#define SDEPTH_ISA ssse3
#elif defined(__SSE3__)
#define SDEPTH_ISA sse3
#elif defined(__SSE2__)
#define SDEPTH_ISA sse2
#elif defined(__ARM_FEATURE_SVE2)
#define SDEPTH_ISA sve2
#elif defined(__ARM_FEATURE_SVE)
#define SDEPTH_ISA sve
#elif defined(__ARM_NEON) && defined(__ARM_FEATURE_ATOMICS)
#define SDEPTH_ISA neon_atomics
#elif defined(__ARM_NEON)
#define SDEPTH_ISA neon
#else
#define SDEPTH_ISA scalar
#endif

/// Unrolls the following loop n times; kernels use it for loops over register blocks, whose counts are
/// compile-time constants.
#if defined(__clang__)
#define SDEPTH_PRAGMA(text) _Pragma(#text)
#define SDEPTH_UNROLL(n) SDEPTH_PRAGMA(clang loop unroll_count(n))
#else
#define SDEPTH_PRAGMA(text) _Pragma(#text)
#define SDEPTH_UNROLL(n) SDEPTH_PRAGMA(GCC unroll n)
#endif

/// For the small functions of a kernel whose arguments must stay in registers.
#define SDEPTH_INLINE [[gnu::always_inline]] inline
/// The same for lambdas, behind their parameters. Compilers inline by the size of the whole file, so without
/// it a kernel's speed depends on what else a program contains (measured: 2.0 instead of 1.65 ms for an image
/// through 110 layers, where a program has two more networks).
#define SDEPTH_INLINE_LAMBDA __attribute__((always_inline))
