// The reference's convolution stages: the definition, with sums in double.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <sdepth/kernels/reference/source.hpp>

namespace sdepth::inline SDEPTH_ISA::reference {

/// Calls body(input pixel, output pixel, tap) for every pair of pixels of an image that the kernel connects;
/// padding connects to nothing.
template <ConvShape S, class Body>
void for_each_tap(const Body& body) {
  constexpr Shape out = S.out();
  for (int h = 0; h < out.height; ++h)
    for (int w = 0; w < out.width; ++w)
      for (int kh = 0; kh < S.kernel; ++kh)
        for (int kw = 0; kw < S.kernel; ++kw) {
          const int y = h * S.stride + kh - S.padding, x = w * S.stride + kw - S.padding;
          if (0 <= y && y < S.in.height && 0 <= x && x < S.in.width)
            body(static_cast<std::size_t>(y * S.in.width + x), static_cast<std::size_t>(h * out.width + w),
                 static_cast<std::size_t>(kh * S.kernel + kw));
        }
}

/// out[n, h, w, co] = bias[co] + Σ v[n, h·stride + kh − padding, …, ci] · weights[kh, kw, ci, co].
template <ConvShape S, class A, class T, class Stored>
void conv_forward(int batch, const Source<T, Stored>& source, const T* weights, const T* bias, Stored* out,
                  Statistics<T> statistics, const RoundingNoise& noise = {}) {
  constexpr std::size_t ci = static_cast<std::size_t>(S.in.channels),
                        co = static_cast<std::size_t>(S.channels_out);
  constexpr std::size_t pixels_in = S.in.pixels(), pixels_out = S.out().pixels();
  std::vector<double> v(pixels_in * ci), y(pixels_out * co);
  const Written<Stored> written{noise, S.channels_out}, finished{noise.second(), S.in.channels};
  for (std::size_t n = 0; n < static_cast<std::size_t>(batch); ++n) {
    const Source<T, Stored> image = source.of_image(static_cast<int>(n), v.size());
    for (std::size_t i = 0; i < v.size(); ++i) {
      v[i] = value<A>(image, i, i % ci);
      if (image.finished) v[i] = static_cast<double>(image.finished[i] = finished(v[i], n * v.size() + i));
    }
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = bias ? static_cast<double>(bias[i % co]) : 0.0;
    for_each_tap<S>([&](std::size_t p, std::size_t q, std::size_t tap) {
      for (std::size_t i = 0; i < ci; ++i)
        for (std::size_t o = 0; o < co; ++o)
          y[q * co + o] += v[p * ci + i] * static_cast<double>(weights[(tap * ci + i) * co + o]);
    });
    for (std::size_t i = 0; i < y.size(); ++i) out[n * y.size() + i] = written(y[i], n * y.size() + i);
  }
  reference::statistics<T>(
      static_cast<std::size_t>(batch) * pixels_out, co,
      [&](std::size_t i, std::size_t c) { return static_cast<double>(out[i * co + c]); }, statistics);
}

/// The adjoint: gradients of weights, bias and, unless out is null, of the Source's raw numbers.
template <ConvShape S, class A, class T, class Stored>
void conv_backward(int batch, const Gradient<T, Stored>& gradient, const Source<T, Stored>& source,
                   const T* weights, T* weight_gradient, T* bias_gradient, const Stored* add, Stored* out,
                   SourceSums<T> sums, const RoundingNoise& noise = {}) {
  constexpr std::size_t ci = static_cast<std::size_t>(S.in.channels),
                        co = static_cast<std::size_t>(S.channels_out);
  constexpr std::size_t pixels_in = S.in.pixels(), pixels_out = S.out().pixels(),
                        taps = static_cast<std::size_t>(S.kernel * S.kernel);
  std::vector<double> v(pixels_in * ci), dv(v.size()), dvs(v.size() * static_cast<std::size_t>(batch)),
      dy(pixels_out * co), dw(taps * ci * co), db(co);
  for (int n = 0; n < batch; ++n) {
    const Source<T, Stored> image = source.of_image(n, v.size());
    const Gradient<T, Stored> image_gradient = gradient.of_image(n, dy.size());
    for (std::size_t i = 0; i < v.size(); ++i)
      v[i] = image.finished ? static_cast<double>(image.finished[i]) : value<A>(image, i, i % ci);
    for (std::size_t i = 0; i < dy.size(); ++i) db[i % co] += dy[i] = value(image_gradient, i, i % co);
    std::fill(dv.begin(), dv.end(), 0.0);
    for_each_tap<S>([&](std::size_t p, std::size_t q, std::size_t tap) {
      for (std::size_t i = 0; i < ci; ++i)
        for (std::size_t o = 0; o < co; ++o) {
          const std::size_t k = (tap * ci + i) * co + o;
          dw[k] += v[p * ci + i] * dy[q * co + o];
          dv[p * ci + i] += dy[q * co + o] * static_cast<double>(weights[k]);
        }
    });
    const std::size_t at = static_cast<std::size_t>(source.gradient_image(n)) * dv.size();
    for (std::size_t i = 0; i < dv.size(); ++i)
      dvs[static_cast<std::size_t>(n) * dv.size() + i] =
          dv[i] + (add ? static_cast<double>(add[at + i]) : 0.0);
  }
  for (std::size_t k = 0; k < dw.size(); ++k) weight_gradient[k] = static_cast<T>(dw[k]);
  for (std::size_t o = 0; bias_gradient && o < co; ++o) bias_gradient[o] = static_cast<T>(db[o]);
  if (out)
    finish_gradient<A>(batch, pixels_in, ci, source, dvs.data(), out, sums,
                       Written<Stored>{noise, S.in.channels});
}

}  // namespace sdepth::inline SDEPTH_ISA::reference
