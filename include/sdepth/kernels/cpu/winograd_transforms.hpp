// The transforms of Winograd's F(4×4, 3×3), on vectors of channels.
//
//   forward           Y = Aᵀ[ Σ_ci U ⊙ V ]A       V = BᵀxB (6×6 tile),  U = G w Gᵀ
//   weight gradient   dU = Σ_tiles V ⊗ M           M = A dy Aᵀ (6×6 from a 4×4 tile of dy),  dw = Gᵀ dU G: the adjoint
//
// Interpolation points 0, ±1, ±2, ∞. Source: Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
#pragma once

#include <cstddef>

#include <sdepth/kernels/cpu/vector.hpp>

namespace sdepth::cpu {

inline constexpr int winograd_tile = 4;        // output pixels of a tile, per dimension
inline constexpr int winograd_positions = 36;  // (4 + 3 − 1)² products per tile, where direct convolution has 9·16

/// G, exact in double: weights are transformed in double, once per step.
inline constexpr double winograd_g[6][3] = {
    {.25, 0, 0}, {-1. / 6, -1. / 6, -1. / 6}, {-1. / 6, 1. / 6, -1. / 6}, {1. / 24, 1. / 12, 1. / 6}, {1. / 24, -1. / 12, 1. / 6},
    {0, 0, 1}};

/// One dimension of a transform: `inputs` vectors to `outputs`.
template <class Arch>
struct InputTransform {  // Bᵀ
  static constexpr int inputs = 6, outputs = 6;
  SDEPTH_INLINE static void apply(const Vector<Arch>* d, Vector<Arch>* r) {
    const Vector<Arch> four = all<Arch>(4.0F), five = all<Arch>(5.0F), difference = d[3] - d[1];
    const Vector<Arch> a = fnma<Arch>(four, d[2], d[4]), b = fnma<Arch>(four, d[1], d[3]), c = d[4] - d[2], e = difference + difference;
    r[0] = fma<Arch>(four, d[0], fnma<Arch>(five, d[2], d[4]));
    r[1] = a + b;
    r[2] = a - b;
    r[3] = c + e;
    r[4] = c - e;
    r[5] = fma<Arch>(four, d[1], fnma<Arch>(five, d[3], d[5]));
  }
};
template <class Arch>
struct OutputTransform {  // Aᵀ
  static constexpr int inputs = 6, outputs = 4;
  SDEPTH_INLINE static void apply(const Vector<Arch>* m, Vector<Arch>* o) {
    const Vector<Arch> a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], e = m[3] - m[4];
    o[0] = m[0] + a + c;
    o[1] = fma<Arch>(all<Arch>(2.0F), e, b);
    o[2] = fma<Arch>(all<Arch>(4.0F), c, a);
    o[3] = fma<Arch>(all<Arch>(8.0F), e, b) + m[5];
  }
};
template <class Arch>
struct GradientTransform {  // A
  static constexpr int inputs = 4, outputs = 6;
  SDEPTH_INLINE static void apply(const Vector<Arch>* y, Vector<Arch>* r) {
    const Vector<Arch> four = all<Arch>(4.0F);
    const Vector<Arch> e = y[0] + y[2], o = y[1] + y[3], e2 = fma<Arch>(four, y[2], y[0]), half = fma<Arch>(four, y[3], y[1]),
                       o2 = half + half;
    r[0] = y[0];
    r[1] = e + o;
    r[2] = e - o;
    r[3] = e2 + o2;
    r[4] = e2 - o2;
    r[5] = y[3];
  }
};
template <class Arch>
struct WeightTransform {  // Gᵀ
  static constexpr int inputs = 6, outputs = 3;
  SDEPTH_INLINE static void apply(const Vector<Arch>* u, Vector<Arch>* w) {
    const Vector<Arch> sixth = all<Arch>(1.0F / 6), s = u[3] + u[4], d = u[3] - u[4], a = u[1] + u[2];
    w[0] = fma<Arch>(all<Arch>(1.0F / 24), s, fnma<Arch>(sixth, a, all<Arch>(0.25F) * u[0]));
    w[1] = fma<Arch>(all<Arch>(1.0F / 12), d, sixth * (u[2] - u[1]));
    w[2] = fma<Arch>(sixth, s - a, u[5]);
  }
};

/// Both dimensions of a transform, T·x·Tᵀ: from(i, j) loads a vector, to(i, j, vector) takes one.
template <class Arch, class T, class From, class To>
SDEPTH_INLINE void transform_tile(const From& from, const To& to) {
  constexpr auto inputs = static_cast<std::size_t>(T::inputs), outputs = static_cast<std::size_t>(T::outputs);
  Vector<Arch> half[outputs][inputs];
  SDEPTH_UNROLL(6)
  for (int j = 0; j < T::inputs; ++j) {
    Vector<Arch> in[inputs], out[outputs];
    SDEPTH_UNROLL(6)
    for (int i = 0; i < T::inputs; ++i) in[i] = from(i, j);
    T::apply(in, out);
    SDEPTH_UNROLL(6)
    for (int i = 0; i < T::outputs; ++i) half[i][j] = out[i];
  }
  SDEPTH_UNROLL(6)
  for (int i = 0; i < T::outputs; ++i) {
    Vector<Arch> out[outputs];
    T::apply(half[i], out);
    SDEPTH_UNROLL(6)
    for (int j = 0; j < T::outputs; ++j) to(i, j, out[j]);
  }
}

}  // namespace sdepth::cpu
