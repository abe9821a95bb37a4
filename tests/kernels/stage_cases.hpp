// Runs one stage on any backend with operands made from seeds, so that the same case on two backends can be
// compared.
#pragma once

#include "backends.hpp"

namespace sdepth::test {

template <class B, ConvShape S, class A = ReLU>
[[nodiscard]] Results run_conv_forward(int batch, int threads, const Pending& pending) {
  const std::size_t in_pixels = static_cast<std::size_t>(batch) * S.in.pixels(),
                    out_pixels = static_cast<std::size_t>(batch) * S.out().pixels();
  const RandomSource<B> source(in_pixels, S.in.channels, pending, 1, !S.network_input);
  constexpr std::size_t taps = static_cast<std::size_t>(S.kernel * S.kernel * S.in.channels);
  Packed<B> weights(random_numbers(taps * static_cast<std::size_t>(S.channels_out), 2), S.channels_out);
  Packed<B> bias(random_numbers(static_cast<std::size_t>(S.channels_out), 3), S.channels_out);
  Activations<B> out(out_pixels, S.channels_out);
  Packed<B> mean(1, S.channels_out), variance(1, S.channels_out);
  typename B::Context context(threads);
  choose_rounding<B>(context);
  B::template conv_forward<S, A>(context, batch, source.get(), weights.data(), S.bias ? bias.data() : nullptr,
                                 out.data(), {mean.data(), variance.data()});
  Results results{{"out", out.dense()}, {"mean", mean.dense()}, {"variance", variance.dense()}};
  if (pending.finished) results["finished"] = source.finished().dense();
  return results;
}

/// What a backward stage is asked for besides the Source.
struct Backward {
  bool norm = true;       // the gradient passes a norm
  bool add = false;       // something is added
  bool in_place = false;  // out is the array that is added
  bool sums = true;
};

template <class B, ConvShape S, class A = ReLU>
[[nodiscard]] Results run_conv_backward(int batch, int threads, const Pending& pending,
                                        const Backward& backward) {
  const std::size_t in_pixels = static_cast<std::size_t>(batch) * S.in.pixels(),
                    out_pixels = static_cast<std::size_t>(batch) * S.out().pixels();
  const auto channels_in = static_cast<std::size_t>(S.in.channels),
             channels_out = static_cast<std::size_t>(S.channels_out);
  RandomSource<B> source(in_pixels, S.in.channels, pending, 1, !S.network_input);
  if (pending.finished) source.set_finished(random_numbers(in_pixels * channels_in, 50), S.in.channels);
  constexpr std::size_t taps = static_cast<std::size_t>(S.kernel * S.kernel);
  Packed<B> weights(random_numbers(taps * channels_in * channels_out, 2), S.channels_out);
  Activations<B> dy(random_numbers(out_pixels * channels_out, 5), S.channels_out),
      y(random_numbers(out_pixels * channels_out, 6), S.channels_out);
  const RandomNorm<B> norm(S.channels_out, 30);
  Activations<B> add(random_numbers(in_pixels * channels_in, 7), S.in.channels),
      other(in_pixels, S.in.channels);
  Activations<B>& out = backward.in_place ? add : other;
  Packed<B> weight_gradient(taps * channels_in, S.channels_out), bias_gradient(1, S.channels_out);
  Packed<B> dz(1, S.in.channels), dz_normalised(1, S.in.channels), dz_shortcut(1, S.in.channels);
  SourceSums<float> sums;
  if (backward.sums && !S.network_input)
    sums = {dz.data(), pending.norm ? dz_normalised.data() : nullptr,
            pending.shortcut_norm ? dz_shortcut.data() : nullptr};
  typename B::Context context(threads);
  choose_rounding<B>(context);
  B::template conv_backward<S, A>(
      context, batch, {dy.data(), y.data(), backward.norm ? norm.get() : nullptr}, source.get(),
      weights.data(), weight_gradient.data(), S.bias ? bias_gradient.data() : nullptr,
      backward.add ? add.data() : nullptr, S.network_input ? nullptr : out.data(), sums);
  Results results{{"weight gradient", weight_gradient.dense()}};
  if (S.bias) results["bias gradient"] = bias_gradient.dense();
  if (!S.network_input) results["out"] = out.dense();
  if (sums.dz) results["dz"] = dz.dense();
  if (sums.dz_normalised) results["dz normalised"] = dz_normalised.dense();
  if (sums.dz_normalised_shortcut) results["dz normalised, shortcut"] = dz_shortcut.dense();
  return results;
}

/// What a stage without a convolution is asked for besides its Source.
struct Finish {
  bool statistics = true;  // or sums
  int alias = 0;           // backward: 1 out is dy, 2 out is add
  bool norm = true;        // of the gradient
  bool add = true;
};

template <class B, Shape S, class A = ReLU>
[[nodiscard]] Results run_finish(int batch, const Pending& pending, const Finish& wanted = {},
                                 int threads = 1) {
  const RandomSource<B> source(static_cast<std::size_t>(batch) * S.pixels(), S.channels, pending, 1);
  Packed<B> mean(1, S.channels), variance(1, S.channels);
  typename B::Context context(threads);
  choose_rounding<B>(context);
  B::template finish<S, A>(
      context, batch, source.get(),
      wanted.statistics ? Statistics<float>{mean.data(), variance.data()} : Statistics<float>{});
  Results results;
  if (wanted.statistics) results = {{"mean", mean.dense()}, {"variance", variance.dense()}};
  if (pending.finished) results["finished"] = source.finished().dense();
  return results;
}

template <class B, Shape S, class A = ReLU>
[[nodiscard]] Results run_finish_backward(int batch, const Pending& pending, const Finish& wanted,
                                          int threads = 1) {
  const std::size_t pixels = static_cast<std::size_t>(batch) * S.pixels(),
                    numbers = pixels * static_cast<std::size_t>(S.channels);
  RandomSource<B> source(pixels, S.channels, pending, 1);
  if (pending.finished) source.set_finished(random_numbers(numbers, 50), S.channels);
  Activations<B> dy(random_numbers(numbers, 5), S.channels), y(random_numbers(numbers, 6), S.channels),
      add(random_numbers(numbers, 7), S.channels), other(pixels, S.channels);
  Activations<B>& out = wanted.alias == 0 ? other : wanted.alias == 1 ? dy : add;
  const RandomNorm<B> gradient_norm(S.channels, 30);
  Packed<B> dz(1, S.channels), dz_normalised(1, S.channels), dz_shortcut(1, S.channels);
  SourceSums<float> sums;
  if (wanted.statistics)
    sums = {dz.data(), pending.norm ? dz_normalised.data() : nullptr,
            pending.shortcut_norm ? dz_shortcut.data() : nullptr};
  typename B::Context context(threads);
  choose_rounding<B>(context);
  B::template finish_backward<S, A>(context, batch,
                                    {dy.data(), y.data(), wanted.norm ? gradient_norm.get() : nullptr},
                                    source.get(), wanted.add ? add.data() : nullptr, out.data(), sums);
  Results results{{"out", out.dense()}};
  if (sums.dz) results["dz"] = dz.dense();
  if (sums.dz_normalised) results["dz normalised"] = dz_normalised.dense();
  if (sums.dz_normalised_shortcut) results["dz normalised, shortcut"] = dz_shortcut.dense();
  return results;
}

/// Forward and backward of one shape against the reference.
template <class B, ConvShape S>
void check_convolution(int batch) {
  CAPTURE(batch);
  CAPTURE(S.kernel);
  CAPTURE(S.stride);
  CAPTURE(S.padding);
  CAPTURE(S.in.channels);
  CAPTURE(S.in.height);
  CAPTURE(S.in.width);
  CAPTURE(S.channels_out);
  const Pending pending = S.network_input ? Pending{} : Pending{.norm = true, .activated = true};
  check_close(run_conv_forward<B, S>(batch, 2, pending), run_conv_forward<Reference, S>(batch, 1, pending),
              5e-6);
  const Backward backward{.add = true};
  check_close(run_conv_backward<B, S>(batch, 2, pending, backward),
              run_conv_backward<Reference, S>(batch, 1, pending, backward), 2e-5);
}

}  // namespace sdepth::test
