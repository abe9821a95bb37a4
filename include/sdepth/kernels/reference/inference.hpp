// The reference's kernels of inference: its stages on dense tensors, and their endings. Its convolutions and
// pools allocate, as all of the reference does.
#pragma once

#include <algorithm>
#include <cstddef>

#include <sdepth/activations/relu.hpp>
#include <sdepth/kernels/reference/convolution.hpp>
#include <sdepth/kernels/reference/dense.hpp>
#include <sdepth/kernels/reference/pool.hpp>

namespace sdepth::inline SDEPTH_ISA::reference {

/// to = end(v); see Ending.
template <Ending E, class A, class After, class T>
void finish_to(T& to, double v) {
  if constexpr (E.activated) v = A::forward(v);
  if (E.add) v += static_cast<double>(to);
  if constexpr (E.activated_after) v = After::forward(v);
  to = static_cast<T>(v);
}

/// What a backend offers to inference; see cpu/inference.hpp. Weights are rounded to Weight, and lie in
/// memory as T all the same.
template <class T, class Weight_ = T>
struct InferenceKernels {
  using Weight = Weight_;
  template <class Other>
  using Storing = InferenceKernels<T, Other>;

  template <Shape S>
  static constexpr ImageLayout layout{0, static_cast<std::size_t>(S.width* S.channels),
                                      static_cast<std::size_t>(S.channels), S.size()};
  template <ConvShape S>
  static constexpr ImageLayout input_layout = layout<S.in>;
  static constexpr std::size_t group_size = 65536;

  [[nodiscard]] static constexpr std::size_t weights_size(std::size_t weights) noexcept { return weights; }
  static void store_weights(const T* weights, std::size_t count, T* to) {
    std::transform(weights, weights + count, to, [](T w) { return static_cast<T>(static_cast<Weight>(w)); });
  }

  template <ConvShape S>
  struct Conv {
    static constexpr std::size_t channels = static_cast<std::size_t>(S.channels_out);
    static constexpr std::size_t weights_size =
        static_cast<std::size_t>(S.kernel * S.kernel * S.in.channels) * channels;
    static constexpr std::size_t size = channels + weights_size;
    static constexpr std::size_t work_size = S.out().size();
    static constexpr int images = 1;

    static void prepare(const T* weights, const T* bias, T* numbers) {
      std::copy_n(bias, channels, numbers);
      store_weights(weights, weights_size, numbers + channels);
    }
    template <Ending E, class A = ReLU, class After = ReLU>
    static void run(int count, const T* in, const T* numbers, T* out, T* work) {
      for (int n = 0; n < count; ++n, in += S.in.size(), out += S.out().size()) {
        conv_forward<S, ReLU>(1, Source<T>{.x = in}, numbers + channels, numbers, work, {});
        for (std::size_t i = 0; i < S.out().size(); ++i)
          finish_to<E, A, After>(out[i], static_cast<double>(work[i]));
      }
    }
  };

  template <PoolShape S>
  static void pool(int count, const T* in, T* out) {
    pool_forward<S>(count, in, out);
  }
  template <ShortcutShape S>
  static void shortcut(int count, const T* in, T* out) {
    shortcut_forward<S>(count, in, out);
  }
  template <LinearShape S, bool Activated, class A = ReLU>
  static void linear(int count, const T* in, const T* weights, const T* bias, T* out) {
    linear_forward<S>(count, in, weights, bias, out);
    const std::size_t numbers = static_cast<std::size_t>(count) * S.out().size();
    for (std::size_t i = 0; Activated && i < numbers; ++i)
      finish_to<Ending{.activated = Activated}, A, A>(out[i], static_cast<double>(out[i]));
  }
  template <Shape S, Ending E, class A = ReLU, class After = ReLU>
  static void pointwise(int count, const T* in, const T* scale, const T* shift, T* out) {
    constexpr std::size_t channels = static_cast<std::size_t>(S.channels);
    for (std::size_t i = 0; i < static_cast<std::size_t>(count) * S.size(); ++i)
      finish_to<E, A, After>(out[i], static_cast<double>(scale[i % channels]) * static_cast<double>(in[i]) +
                                         static_cast<double>(shift[i % channels]));
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::reference
