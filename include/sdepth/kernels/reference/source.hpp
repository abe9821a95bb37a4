// The reference's reading and writing of operands, number by number: what a Source's value and a Gradient's
// value are.
#pragma once

#include <cmath>
#include <cstddef>

#include <sdepth/activations/activation.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/kernels/rounding.hpp>

namespace sdepth::inline SDEPTH_ISA::reference {

/// Values of an operand, in double. i: index into [N, H, W, C]; c: its channel.
template <class T>
[[nodiscard]] double normalised(const Norm<T>* norm, double x, std::size_t c) {
  return norm ? static_cast<double>(norm->scale[c]) * x + static_cast<double>(norm->shift[c]) : x;
}

/// Number i of an image before its activation.
template <class T, class Stored>
[[nodiscard]] double value_before(const Source<T, Stored>& source, std::size_t i, std::size_t c) {
  const double v = normalised(source.norm, static_cast<double>(source.x[i]), c);
  return source.shortcut ? v + normalised(source.shortcut_norm, static_cast<double>(source.shortcut[i]), c)
                         : v;
}
/// v of number i of an image.
template <class A, class T, class Stored>
[[nodiscard]] double value(const Source<T, Stored>& source, std::size_t i, std::size_t c) {
  const double v = value_before(source, i, c);
  return source.activated ? A::forward(v) : v;
}
/// The gradient of number i of an image before its activation, from that of v.
template <class A, class T, class Stored>
[[nodiscard]] double through_activation(const Source<T, Stored>& source, double gradient, std::size_t i,
                                        std::size_t c) {
  if (!source.activated) return gradient;
  if constexpr (A::derivative_from_output)
    return activation_backward<A>(
        gradient, source.finished ? static_cast<double>(source.finished[i]) : value<A>(source, i, c));
  else
    return activation_backward<A>(gradient, value_before(source, i, c));
}

template <class T, class Stored>
[[nodiscard]] double value(const Gradient<T, Stored>& gradient, std::size_t i, std::size_t c) {
  const auto dy = static_cast<double>(gradient.dy[i]);
  if (!gradient.norm) return dy;
  const Norm<T>& norm = *gradient.norm;
  return static_cast<double>(norm.gradient_scale[c]) * dy +
         static_cast<double>(norm.gradient_slope[c]) *
             (static_cast<double>(gradient.x[i]) - static_cast<double>(norm.mean[c])) +
         static_cast<double>(norm.gradient_offset[c]);
}

/// Mean and biased variance per channel of [count, channels] numbers given by at(i, c), in two passes.
template <class T, class At>
void statistics(std::size_t count, std::size_t channels, const At& at, Statistics<T> result) {
  for (std::size_t c = 0; result.mean && c < channels; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < count; ++i) sum += at(i, c);
    const double mean = sum / static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i) squares += (at(i, c) - mean) * (at(i, c) - mean);
    result.mean[c] = static_cast<T>(mean);
    result.variance[c] = static_cast<T>(squares / static_cast<double>(count));
  }
}

/// out = the gradient of the source before its activation, from `gradients`, that of its value; with the sums
/// its norms need. [batch, pixels, channels].
template <class A, class T, class Stored>
void finish_gradient(int batch, std::size_t pixels, std::size_t channels, const Source<T, Stored>& sources,
                     const double* gradients, Stored* outs, SourceSums<T> sums,
                     const Written<Stored>& written) {
  for (std::size_t c = 0; c < channels; ++c) {
    double dz_sum = 0, dz_normalised = 0, dz_shortcut = 0;
    for (int n = 0; n < batch; ++n) {
      const Source<T, Stored> source = sources.of_image(n, pixels * channels);
      const double* gradient = gradients + static_cast<std::size_t>(n) * pixels * channels;
      Stored* out = outs + static_cast<std::size_t>(sources.gradient_image(n)) * pixels * channels;
      double own_sum = 0, own_dz_x = 0;
      for (std::size_t i = c; i < pixels * channels; i += channels) {
        out[i] = written(through_activation<A>(source, gradient[i], i, c),
                         static_cast<std::size_t>(n) * pixels * channels + i);
        const auto dz = static_cast<double>(out[i]);
        own_sum += dz;
        if (source.norm)
          own_dz_x += dz * (static_cast<double>(source.x[i]) - static_cast<double>(source.norm->mean[c]));
        if (sums.dz_normalised_shortcut)
          dz_shortcut +=
              dz *
              (static_cast<double>(source.shortcut[i]) - static_cast<double>(source.shortcut_norm->mean[c])) *
              static_cast<double>(source.shortcut_norm->inverse_deviation[c]);
      }
      dz_sum += own_sum;
      if (sums.dz_normalised)
        dz_normalised += own_dz_x * static_cast<double>(source.norm->inverse_deviation[c]);
      if (sources.images && sources.images[n].sums) {
        sources.images[n].sums[c] = static_cast<T>(own_sum);
        sources.images[n].sums[channels + c] = static_cast<T>(own_dz_x);
      }
    }
    if (sums.dz) sums.dz[c] = static_cast<T>(dz_sum);
    if (sums.dz_normalised) sums.dz_normalised[c] = static_cast<T>(dz_normalised);
    if (sums.dz_normalised_shortcut) sums.dz_normalised_shortcut[c] = static_cast<T>(dz_shortcut);
  }
}

}  // namespace sdepth::inline SDEPTH_ISA::reference
