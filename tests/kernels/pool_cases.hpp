// Runs one pool or parameter-free shortcut on any backend with operands made from seeds, so that the same
// case on two backends can be compared.
#pragma once

#include "backends.hpp"

namespace sdepth::test {

/// An average needs no input on its way back, and gets none.
template <class B, PoolShape S>
[[nodiscard]] Results run_pool(int batch, const std::vector<float>& numbers) {
  const std::size_t out_pixels = static_cast<std::size_t>(batch) * S.out().pixels(),
                    channels = static_cast<std::size_t>(S.in.channels);
  Activations<B> in(numbers, S.in.channels), out(out_pixels, S.in.channels),
      dx(static_cast<std::size_t>(batch) * S.in.pixels(), S.in.channels);
  Activations<B> dy(random_numbers(out_pixels * channels, 2), S.in.channels);
  typename B::Context context(2);
  choose_rounding<B>(context);
  B::template pool_forward<S>(context, batch, in.data(), out.data());
  B::template pool_backward<S>(context, batch, dy.data(), S.kind == PoolKind::maximum ? in.data() : nullptr,
                               dx.data());
  return {{"out", out.dense()}, {"dx", dx.dense()}};
}

/// @param numbers  of the input; empty: random ones
template <class B, ShortcutShape S>
[[nodiscard]] Results run_shortcut(int batch, std::vector<float> numbers = {}) {
  const std::size_t in_pixels = static_cast<std::size_t>(batch) * S.in.pixels(),
                    out_pixels = static_cast<std::size_t>(batch) * S.out().pixels();
  if (numbers.empty()) numbers = random_numbers(in_pixels * static_cast<std::size_t>(S.in.channels), 1);
  Activations<B> in(numbers, S.in.channels), out(out_pixels, S.channels_out);
  Activations<B> dy(random_numbers(out_pixels * static_cast<std::size_t>(S.channels_out), 2), S.channels_out),
      dx(in_pixels, S.in.channels);
  typename B::Context context(2);
  choose_rounding<B>(context);
  B::template shortcut_forward<S>(context, batch, in.data(), out.data());
  B::template shortcut_backward<S>(context, batch, dy.data(), dx.data());
  return {{"out", out.dense()}, {"dx", dx.dense()}};
}

}  // namespace sdepth::test
