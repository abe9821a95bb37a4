// The transforms of Winograd's F(4×4, 3×3), on vectors of channels.
//
//   forward           Y = Aᵀ[ Σ_ci U ⊙ V ]A       V = BᵀxB (6×6 tile),  U = G w Gᵀ
//   weight gradient   dU = Σ_tiles V ⊗ M           M = A dy Aᵀ (6×6 from a 4×4 tile of dy),  dw = Gᵀ dU G: the adjoint
//
// Interpolation points 0, ±3/4, ±3/2, ∞: half the rounding error of the customary 0, ±1, ±2, ∞ (measured over
// 48 channels: 6.5e-7 against 1.36e-6 relative, direct convolution in float32 2.9e-7), because the powers of
// the points stay near 1; all entries of A and B are short binary fractions, so they are exact. Source:
// Lavin, Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016; on points: Alam et al.,
// "Winograd Convolution for Deep Neural Networks: Efficient Point Selection", 2022.
#pragma once

#include <cstddef>

#include <sdepth/kernels/cpu/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

inline constexpr int winograd_tile = 4;  // output pixels of a tile, per dimension
// (4 + 3 − 1)² products per tile, where direct convolution has 9·16
inline constexpr int winograd_positions = 36;

namespace winograd_points {
inline constexpr double a = 0.75, b = 1.5;       // the points are 0, ±a, ±b, ∞
inline constexpr double a2 = a * a, b2 = b * b;  // 9/16, 9/4
inline constexpr double product = a2 * b2;       // of the squares
inline constexpr double sum = a2 + b2;
}  // namespace winograd_points

/// G, in double: weights are transformed in double, once per step. Row of point p: (1, p, p²) / Π (p − other
/// points).
inline constexpr double winograd_g[6][3] = {
    {1 / winograd_points::product, 0, 0},
    {1 / (2 * winograd_points::a2 * (winograd_points::a2 - winograd_points::b2)),
     1 / (2 * winograd_points::a * (winograd_points::a2 - winograd_points::b2)),
     1 / (2 * (winograd_points::a2 - winograd_points::b2))},
    {1 / (2 * winograd_points::a2 * (winograd_points::a2 - winograd_points::b2)),
     -1 / (2 * winograd_points::a * (winograd_points::a2 - winograd_points::b2)),
     1 / (2 * (winograd_points::a2 - winograd_points::b2))},
    {1 / (2 * winograd_points::b2 * (winograd_points::b2 - winograd_points::a2)),
     1 / (2 * winograd_points::b * (winograd_points::b2 - winograd_points::a2)),
     1 / (2 * (winograd_points::b2 - winograd_points::a2))},
    {1 / (2 * winograd_points::b2 * (winograd_points::b2 - winograd_points::a2)),
     -1 / (2 * winograd_points::b * (winograd_points::b2 - winograd_points::a2)),
     1 / (2 * (winograd_points::b2 - winograd_points::a2))},
    {0, 0, 1}};

/// A constant in all lanes.
template <class Arch>
SDEPTH_INLINE Vector<Arch> constant(double x) {
  return all<Arch>(static_cast<float>(x));
}

// One dimension of a transform each: `inputs` vectors to `outputs`. Sums are written so that about half of
// the operations are plain additions, which processors with adders beside their multiply-add units (Zen) run
// at the same time.
template <class Arch>
struct InputTransform {  // Bᵀ: the coefficients of Π (x − other points)
  static constexpr int inputs = 6, outputs = 6;
  /// The outputs for the points ±p, from d[1 … 4]; `other` is the other pair's point.
  SDEPTH_INLINE static void pair(double p, double other, const Vector<Arch>* d, Vector<Arch>& plus,
                                 Vector<Arch>& minus) {
    const Vector<Arch> even = fnma<Arch>(constant<Arch>(other * other), d[2], d[4]);
    const Vector<Arch> odd = fnma<Arch>(constant<Arch>(p * other * other), d[1], constant<Arch>(p) * d[3]);
    plus = even + odd;
    minus = even - odd;
  }
  /// The output for the point 0 from d[0 … 4], and that for ∞ from d[1 … 5].
  SDEPTH_INLINE static Vector<Arch> end(const Vector<Arch>* d) {
    return fma<Arch>(constant<Arch>(winograd_points::product), d[0],
                     fnma<Arch>(constant<Arch>(winograd_points::sum), d[2], d[4]));
  }
  SDEPTH_INLINE static void apply(const Vector<Arch>* d, Vector<Arch>* r) {
    r[0] = end(d);
    pair(winograd_points::a, winograd_points::b, d, r[1], r[2]);
    pair(winograd_points::b, winograd_points::a, d, r[3], r[4]);
    r[5] = end(d + 1);
  }
};
template <class Arch>
struct OutputTransform {  // Aᵀ: powers of the points
  static constexpr int inputs = 6, outputs = 4;
  SDEPTH_INLINE static void apply(const Vector<Arch>* m, Vector<Arch>* o) {
    namespace p = winograd_points;
    const Vector<Arch> even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    o[0] = m[0] + even_a + even_b;
    o[1] = fma<Arch>(constant<Arch>(p::b), odd_b, constant<Arch>(p::a) * odd_a);
    o[2] = fma<Arch>(constant<Arch>(p::b2), even_b, constant<Arch>(p::a2) * even_a);
    o[3] =
        fma<Arch>(constant<Arch>(p::b * p::b2), odd_b, fma<Arch>(constant<Arch>(p::a * p::a2), odd_a, m[5]));
  }
};
template <class Arch>
struct GradientTransform {  // A
  static constexpr int inputs = 4, outputs = 6;
  SDEPTH_INLINE static void pair(double p, const Vector<Arch>* y, Vector<Arch>& plus, Vector<Arch>& minus) {
    const Vector<Arch> even = fma<Arch>(constant<Arch>(p * p), y[2], y[0]);
    const Vector<Arch> odd = fma<Arch>(constant<Arch>(p * p * p), y[3], constant<Arch>(p) * y[1]);
    plus = even + odd;
    minus = even - odd;
  }
  SDEPTH_INLINE static void apply(const Vector<Arch>* y, Vector<Arch>* r) {
    r[0] = y[0];
    pair(winograd_points::a, y, r[1], r[2]);
    pair(winograd_points::b, y, r[3], r[4]);
    r[5] = y[3];
  }
};
template <class Arch>
struct WeightTransform {  // Gᵀ
  static constexpr int inputs = 6, outputs = 3;
  SDEPTH_INLINE static void apply(const Vector<Arch>* u, Vector<Arch>* w) {
    const Vector<Arch> even_a = u[1] + u[2], odd_a = u[1] - u[2], even_b = u[3] + u[4], odd_b = u[3] - u[4];
    const auto g = [](int point, int power) { return constant<Arch>(winograd_g[point][power]); };
    w[0] = fma<Arch>(g(3, 0), even_b, fma<Arch>(g(1, 0), even_a, g(0, 0) * u[0]));
    w[1] = fma<Arch>(g(3, 1), odd_b, g(1, 1) * odd_a);
    w[2] = fma<Arch>(g(3, 2), even_b, fma<Arch>(g(1, 2), even_a, u[5]));
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

/// InputTransform in both dimensions. Rows of the result are made two at a time from fresh loads: all 36
/// vectors between the two dimensions would not fit any processor's registers, and loads are cheaper than the
/// spills.
template <class Arch, class From, class To>
SDEPTH_INLINE void transform_input_tile(const From& from, const To& to) {
  using T = InputTransform<Arch>;
  Vector<Arch> first[6], second[6];
  const auto put = [&](int i, const Vector<Arch>* half) SDEPTH_INLINE_LAMBDA {
    Vector<Arch> out[6];
    T::apply(half, out);
    SDEPTH_UNROLL(6)
    for (int j = 0; j < 6; ++j) to(i, j, out[j]);
  };
  const auto columns = [&](int low, int high, const auto& make) SDEPTH_INLINE_LAMBDA {
    SDEPTH_UNROLL(6)
    for (int j = 0; j < 6; ++j) {
      Vector<Arch> in[6];
      SDEPTH_UNROLL(6)
      // as many times as it is unrolled: else clang keeps a loop, and `in` lies in memory
      for (int i = 0; i < 6; ++i)
        if (low <= i && i <= high) in[i] = from(i, j);
      make(in, j);
    }
  };
  columns(1, 4, [&](const Vector<Arch>* in, int j) SDEPTH_INLINE_LAMBDA {
    T::pair(winograd_points::a, winograd_points::b, in, first[j], second[j]);
  });
  put(1, first);
  put(2, second);
  columns(1, 4, [&](const Vector<Arch>* in, int j) SDEPTH_INLINE_LAMBDA {
    T::pair(winograd_points::b, winograd_points::a, in, first[j], second[j]);
  });
  put(3, first);
  put(4, second);
  columns(0, 4, [&](const Vector<Arch>* in, int j) SDEPTH_INLINE_LAMBDA { first[j] = T::end(in); });
  put(0, first);
  columns(1, 5,
          [&](const Vector<Arch>* in, int j) SDEPTH_INLINE_LAMBDA { first[j] = T::end(in + 1); });
  put(5, first);
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
