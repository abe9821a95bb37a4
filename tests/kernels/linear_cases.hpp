// Runs one linear layer on any backend with operands made from seeds, so that the same case on two backends
// can be compared.
#pragma once

#include "backends.hpp"

namespace sdepth::test {

template <class B, LinearShape S>
[[nodiscard]] Results run_linear(int batch, int threads) {
  const std::size_t pixels = static_cast<std::size_t>(batch) * S.in.pixels();
  const auto features = static_cast<std::size_t>(S.features);
  Activations<B> in(random_numbers(pixels * static_cast<std::size_t>(S.in.channels), 1), S.in.channels);
  Packed<B> weights(random_numbers(S.in.size() * features, 2), S.features),
      bias(random_numbers(features, 3), S.features);
  Activations<B> dy(random_numbers(static_cast<std::size_t>(batch) * features, 4), S.features);
  Activations<B> out(static_cast<std::size_t>(batch), S.features), dx(pixels, S.in.channels);
  Packed<B> weight_gradient(S.in.size(), S.features), bias_gradient(1, S.features);
  typename B::Context context(threads);
  choose_rounding<B>(context);
  B::template linear_forward<S>(context, batch, in.data(), weights.data(), S.bias ? bias.data() : nullptr,
                                out.data());
  B::template linear_backward<S>(context, batch, dy.data(), in.data(), weights.data(), weight_gradient.data(),
                                 S.bias ? bias_gradient.data() : nullptr, dx.data());
  Results results{{"out", out.dense()}, {"dx", dx.dense()}, {"weight gradient", weight_gradient.dense()}};
  if (S.bias) results["bias gradient"] = bias_gradient.dense();
  return results;
}

}  // namespace sdepth::test
