// The way in of every stage: rows of a Source or a Gradient, with what is pending applied, written to
// scratch.
//
// These functions know rows of pixels and numbers of channels at run time: they are the same code for all
// stages, so they are instantiated once per Arch.
#pragma once

#include <cstddef>
#include <type_traits>

#include <sdepth/activations/activation.hpp>
#include <sdepth/kernels/cpu/rounding.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// A run of pixels in a tensor [..., channels]: `at` is the index of its first number. channels is a multiple
/// of the lanes.
struct Run {
  std::size_t at = 0;
  int pixels = 0;
  int channels = 0;

  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(pixels) * static_cast<std::size_t>(channels);
  }
};

/// norm(x) of one vector of channels: its two numbers per channel are loaded once per run.
template <class Arch, bool Present>
struct NormLanes {
  Vector<Arch> scale, shift;
  NormLanes(const Norm<float>* norm, std::size_t c) {
    if constexpr (Present) {
      scale = load<Arch>(norm->scale + c);
      shift = load<Arch>(norm->shift + c);
    }
  }
  SDEPTH_INLINE Vector<Arch> operator()(const Vector<Arch>& x) const {
    if constexpr (Present) return fma<Arch>(x, scale, shift);
    return x;
  }
};

/// A is the activation, void: none. Channels are the outer loop: scale and shift stay in registers, and a run
/// is short enough to be in L1 when the next channels come.
template <class Arch, bool HasNorm, bool HasShortcut, bool HasShortcutNorm, class A, bool Finish,
          class Stored>
void write_value(const Source<float, Stored>& source, const Run& run, float* to) {
  const auto channels = static_cast<std::size_t>(run.channels);
  for (std::size_t c = 0; c < channels; c += lanes<Arch>) {
    const NormLanes<Arch, HasNorm> norm(source.norm, c);
    const NormLanes<Arch, HasShortcutNorm> shortcut_norm(source.shortcut_norm, c);
    for (std::size_t i = c; i < run.size(); i += channels) {
      Vector<Arch> v = norm(load<Arch>(source.x + run.at + i));
      if constexpr (HasShortcut) v = v + shortcut_norm(load<Arch>(source.shortcut + run.at + i));
      if constexpr (!std::is_void_v<A>) v = A::forward(v);
      if constexpr (Finish) v = store_rounded<Arch>(source.finished + run.at + i, v);
      store<Arch>(to + i, v);
    }
  }
}

/// The same where pixels are not padded to vectors, as the network's input is not.
template <class A, class Stored>
void write_unpadded_value(const Source<float, Stored>& source, const Run& run, float* to) {
  const auto channels = static_cast<std::size_t>(run.channels);
  for (std::size_t i = 0; i < run.size(); ++i) {
    const std::size_t c = i % channels;
    float v = source.x[run.at + i];
    if (source.norm) v = source.norm->scale[c] * v + source.norm->shift[c];
    if (source.shortcut)
      v += source.shortcut_norm
               ? source.shortcut_norm->scale[c] * source.shortcut[run.at + i] + source.shortcut_norm->shift[c]
               : static_cast<float>(source.shortcut[run.at + i]);
    if (source.activated) v = A::forward(v);
    to[i] = v;
  }
}

/// v of the run to `to`, and to source.finished where that is set, rounded by `rounder`, whose pixels are
/// counted from the image's first.
template <class Arch, class A, bool Padded = true, class Stored>
void read_source(const Source<float, Stored>& source, const Run& run, float* to,
                 const Rounder<Stored>& rounder = {}) {
  if constexpr (Rounder<Stored>::rounds && Padded)  // the network's input is finished already
    if (rounder && source.finished) {
      Source<float, Stored> unfinished = source;
      unfinished.finished = nullptr;
      read_source<Arch, A>(unfinished, run, to);
      rounder.template rows<Arch>(run.channels, run.at / static_cast<std::size_t>(run.channels), run.pixels,
                                  to);
      copy_numbers<Arch>(to, run.size(), source.finished + run.at);
      return;
    }
  if (source.plain() || !Padded) {
    if (source.plain())
      copy_numbers<Arch>(source.x + run.at, run.size(), to);
    else
      write_unpadded_value<A>(source, run, to);
    if (!source.finished) return;
    copy_numbers<Arch>(to, run.size(), source.finished + run.at);
    if constexpr (!std::is_same_v<Stored, float>)
      copy_numbers<Arch>(source.finished + run.at, run.size(), to);
    return;
  }
  when(source.norm, [&](auto norm) {
    when(source.shortcut, [&](auto shortcut) {
      when(source.shortcut && source.shortcut_norm, [&](auto shortcut_norm) {
        when(source.activated, [&](auto activated) {
          when(source.finished, [&](auto finish) {
            using Activation = std::conditional_t<activated, A, void>;
            if constexpr (shortcut || !shortcut_norm)
              write_value<Arch, norm, shortcut, shortcut_norm, Activation, finish>(source, run, to);
          });
        });
      });
    });
  });
}

/// A Source whose first number is the given one's i-th.
template <class Stored>
[[nodiscard]] Source<float, Stored> at_number(Source<float, Stored> source, std::size_t i) noexcept {
  if (source.x) source.x += i;
  if (source.shortcut) source.shortcut += i;
  if (source.finished) source.finished += i;
  return source;
}

/// What a backward stage reads its v from: the finished values where there are any, else what they are made
/// of.
template <class Stored>
[[nodiscard]] Source<float, Stored> values_of(const Source<float, Stored>& source) {
  Source<float, Stored> values = source;
  if (source.finished) values = {.x = source.finished};
  return values;
}
/// The Source without its activation, of which nothing is finished.
template <class Stored>
[[nodiscard]] Source<float, Stored> before_activation(Source<float, Stored> source) {
  source.activated = false;
  source.finished = nullptr;
  return source;
}

/// For the way back through an activation: its outputs to `to`, or, where its derivative needs its input, the
/// derivatives. @see through_activation
template <class Arch, class A, class Stored>
void read_derivatives(const Source<float, Stored>& source, const Run& run, float* to) {
  if constexpr (A::derivative_from_output) {
    read_source<Arch, A>(values_of(source), run, to);
  } else {
    read_source<Arch, A>(before_activation(source), run, to);
    for (std::size_t i = 0; i < run.size(); i += lanes<Arch>)
      store<Arch>(to + i, A::derivative(load<Arch>(to + i)));
  }
}
/// Both v and what read_derivatives writes, of an activation whose derivative needs its input.
template <class Arch, class A, class Stored>
void read_values_and_derivatives(const Source<float, Stored>& source, const Run& run, float* values,
                                 float* derivatives) {
  read_source<Arch, A>(before_activation(source), run, derivatives);
  for (std::size_t i = 0; i < run.size(); i += lanes<Arch>) {
    const Vector<Arch> x = load<Arch>(derivatives + i);
    store<Arch>(values + i, source.finished ? load<Arch>(source.finished + run.at + i) : A::forward(x));
    store<Arch>(derivatives + i, A::derivative(x));
  }
}
/// The gradient of an activation's input from its output's and a number that read_derivatives wrote.
template <class Arch, class A>
SDEPTH_INLINE Vector<Arch> through_activation(const Vector<Arch>& gradient, const Vector<Arch>& number) {
  if constexpr (A::derivative_from_output)
    return activation_backward<A>(gradient, number);
  else
    return gradient * number;
}

template <class Arch, bool Sum, class Stored>
void write_norm_gradient(const Gradient<float, Stored>& gradient, const Run& run, float* to, float* sum) {
  const auto channels = static_cast<std::size_t>(run.channels);
  for (std::size_t c = 0; c < channels; c += lanes<Arch>) {
    const Norm<float>& norm = *gradient.norm;
    const Vector<Arch> scale = load<Arch>(norm.gradient_scale + c),
                       slope = load<Arch>(norm.gradient_slope + c);
    const Vector<Arch> offset = load<Arch>(norm.gradient_offset + c), mean = load<Arch>(norm.mean + c);
    Vector<Arch> total = all<Arch>(0.0F);
    for (std::size_t i = c; i < run.size(); i += channels) {
      const Vector<Arch> direct = fma<Arch>(load<Arch>(gradient.dy + run.at + i), scale, offset);
      const Vector<Arch> d = fma<Arch>(load<Arch>(gradient.x + run.at + i) - mean, slope, direct);
      store<Arch>(to + i, d);
      if constexpr (Sum) total = total + d;
    }
    if constexpr (Sum) store<Arch>(sum + c, load<Arch>(sum + c) + total);
  }
}

/// d of the run to `to`; per channel its sum is added to `sum` unless that is null.
template <class Arch, class Stored>
void read_gradient(const Gradient<float, Stored>& gradient, const Run& run, float* to, float* sum) {
  if (gradient.norm) {
    when(sum, [&](auto wanted) { write_norm_gradient<Arch, wanted>(gradient, run, to, sum); });
    return;
  }
  copy_numbers<Arch>(gradient.dy + run.at, run.size(), to);
  if (!sum) return;
  const auto channels = static_cast<std::size_t>(run.channels);
  for (std::size_t c = 0; c < channels; c += lanes<Arch>) {
    Vector<Arch> total = all<Arch>(0.0F);
    for (std::size_t i = c; i < run.size(); i += channels) total = total + load<Arch>(to + i);
    store<Arch>(sum + c, load<Arch>(sum + c) + total);
  }
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
