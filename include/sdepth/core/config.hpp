// The library's macros, all of them: what a compiler must be told and C++ cannot say.
#pragma once

/// Unrolls the following loop n times; kernels use it for loops over register blocks, whose counts are compile-time constants.
#if defined(__clang__)
#define SDEPTH_PRAGMA(text) _Pragma(#text)
#define SDEPTH_UNROLL(n) SDEPTH_PRAGMA(clang loop unroll_count(n))
#else
#define SDEPTH_PRAGMA(text) _Pragma(#text)
#define SDEPTH_UNROLL(n) SDEPTH_PRAGMA(GCC unroll n)
#endif

/// For the small functions of a kernel whose arguments must stay in registers.
#define SDEPTH_INLINE [[gnu::always_inline]] inline
