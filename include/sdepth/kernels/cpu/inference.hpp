// The kernels of inference: tensors that keep the halo their convolutions want, so that nothing is copied
// between layers, and sinks that finish a layer's numbers on the way out. One thread, a group of images, no
// memory of its own; run/operations.hpp makes whole networks of them.
//
// A tensor is images of the geometry `tensor_of<Arch, Shape>`, one after the other. Kernels write the images'
// own pixels only: a halo that was zero stays so.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <sdepth/activations/relu.hpp>
#include <sdepth/kernels/cpu/convolution.hpp>
#include <sdepth/kernels/cpu/linear.hpp>
#include <sdepth/kernels/cpu/pool.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// A halo of 1, which 3×3 convolutions of padding 1 read, extended to whole tiles of Winograd's. Single
/// pixels have none: mostly linear layers read them.
template <class Arch, Shape S>
inline constexpr Scratch tensor_of = S.pixels() == 1 ? Scratch{{padded<Arch>(S.channels), 1, 1}, 0, 0, 1, 1}
                                                     : Scratch{{padded<Arch>(S.channels), S.height, S.width},
                                                               1,
                                                               1,
                                                               tiled_extent(S.height),
                                                               tiled_extent(S.width)};
[[nodiscard]] constexpr ImageLayout layout_of(const Scratch& s) noexcept {
  return {s.at(0, 0), static_cast<std::size_t>(s.row()), static_cast<std::size_t>(s.image.channels),
          s.size()};
}

/// One vector on its way to memory; see Ending.
template <class Arch, Ending E, class A, class After>
SDEPTH_INLINE void finish_to(float* to, Vector<Arch> v) {
  if constexpr (E.activated) v = A::forward(v);
  if constexpr (E.add) v = v + load<Arch>(to);
  if constexpr (E.activated_after) v = After::forward(v);
  store<Arch>(to, v);
}

/// A sink (see epilogue.hpp) that adds the bias and ends in a tensor of geometry To.
template <class Arch, Scratch To, Ending E, class A, class After>
class InferenceSink {
 public:
  InferenceSink(float* out, const float* bias) : out_(out), bias_(bias) {}

  void begin(int) const {}
  template <std::size_t Rows, std::size_t Columns>
  SDEPTH_INLINE void tile(int row, int column, int channel, Vector<Arch> (&values)[Rows][Columns]) const {
    tile_of<Rows, Columns>(row, column, channel,
                           [&](std::size_t i, std::size_t j, const Vector<Arch>& bias)
                               SDEPTH_INLINE_LAMBDA { return values[i][j] + bias; });
  }
  /// The same for a kernel that adds the bias with its last instruction. @param value  (row, column, bias) to
  /// their sum
  template <std::size_t Rows, std::size_t Columns, class Value>
  SDEPTH_INLINE void tile_of(int row, int column, int channel, const Value& value) const {
    const Vector<Arch> bias = load<Arch>(bias_ + channel);
    float* to = out_ + To.at(row, column) + channel;
    SDEPTH_UNROLL(4)
    for (std::size_t i = 0; i < Rows; ++i) {
      SDEPTH_UNROLL(4)
      for (std::size_t j = 0; j < Columns; ++j)
        finish_to<Arch, E, A, After>(
            to + static_cast<int>(i) * To.row() + static_cast<int>(j) * To.image.channels, value(i, j, bias));
    }
  }
  void block(int row, int column, int channel, const float* values, int rows, int columns, int row_step,
             int step) const {
    const Vector<Arch> bias = load<Arch>(bias_ + channel);
    for (int i = 0; i < rows; ++i) {
      const float* from = values + i * row_step;
      float* to = out_ + To.at(row + i, column) + channel;
      for (int j = 0; j < columns; ++j, from += step, to += To.image.channels)
        finish_to<Arch, E, A, After>(to, load<Arch>(from) + bias);
    }
  }

 private:
  float* out_;
  const float* bias_;
};

/// How many floats so many weights take the place of.
template <class Weight>
[[nodiscard]] constexpr std::size_t floats_for(std::size_t weights) noexcept {
  return (weights * sizeof(Weight) + sizeof(float) - 1) / sizeof(float);
}

/// One convolution: the kernel that Convolution chooses, on a tensor where its geometry allows, else on a
/// copy.
///
/// Its numbers are the bias [padded(C_out)], then the weights in the kernel's form, each as a Weight.
template <class Arch, class Convolution, ConvShape S, class Weight>
struct ConvForInference {
  using Kernels = typename Convolution::template Kernels<Arch, S>;
  static constexpr Scratch wanted = Kernels::Forward::scratch;
  static constexpr Scratch tensor = tensor_of<Arch, S.in>;
  /// The network's input is laid out for its reader. A tensor's halo serves a smaller padding, too, but
  /// Winograd's tiles begin at its edge.
  static constexpr bool fits = !Kernels::Forward::tiled ? S.padding <= tensor.top : S.padding == tensor.top;
  static constexpr bool copies =
      !S.network_input && !(fits && wanted.height - wanted.top <= tensor.height - tensor.top &&
                            wanted.width - wanted.left <= tensor.width - tensor.left);
  static constexpr Scratch from = S.network_input ? wanted : tensor;
  using Kernel = typename Kernels::template ForwardFrom<(copies ? wanted : from)>;

  static constexpr int channels = padded<Arch>(S.channels_out);
  static constexpr std::size_t plain_size =
      static_cast<std::size_t>(S.kernel * S.kernel * S.in.channels * channels);
  static constexpr std::size_t weights_size = Kernel::prepared_size != 0 ? Kernel::prepared_size : plain_size;
  static constexpr std::size_t size =
      whole_lines(static_cast<std::size_t>(channels) + floats_for<Weight>(weights_size));
  static constexpr std::size_t copy_size = copies ? Kernel::images * wanted.size() : 0;
  static constexpr std::size_t work_size = copy_size + Kernel::work_size;
  static constexpr int images = Kernel::images;

  /// @param weights  [kernel, kernel, C_in, padded(C_out)]
  static void prepare(const float* weights, const float* bias, float* numbers) {
    std::copy_n(bias, channels, numbers);
    auto* const to = reinterpret_cast<Weight*>(numbers + channels);
    if constexpr (Kernel::prepared_size == 0) put_all(weights, plain_size, to);
    for (int task = 0; task < Kernel::prepare_tasks; ++task) Kernel::prepare(task, weights, to);
  }

  /// @param work  work_size floats of any content
  template <Ending E, class A = ReLU, class After = ReLU>
  static void run(int count, const float* in, const float* numbers, float* out, float* work) {
    constexpr Shape shape = Kernel::out;
    constexpr Scratch to = tensor_of<Arch, S.out()>;
    for (int n = 0; n < count; n += Kernel::images) {
      const int group = std::min(Kernel::images, count - n);
      const float* images_in = in + static_cast<std::size_t>(n) * from.size();
      if constexpr (copies) {
        copy(group, images_in, work);
        images_in = work;
      }
      Prefetcher nothing;  // tensors are in L2 already, and Winograd's products ask for weights themselves
      const auto sinks = [&](int g) {
        return InferenceSink<Arch, to, E, A, After>(out + static_cast<std::size_t>(n + g) * to.size(),
                                                    numbers);
      };
      const auto* const weights = reinterpret_cast<const Weight*>(numbers + channels);
      for (int row = 0; row < shape.height; row += Kernel::rows)
        Kernel::run(images_in, group, row, std::min(Kernel::rows, shape.height - row), weights,
                    work + copy_size, nothing, sinks);
    }
  }

 private:
  static void copy(int count, const float* in, float* scratch) {
    for (int g = 0; g < count; ++g, in += from.size(), scratch += wanted.size()) {
      clear_halo(wanted, scratch);
      for (int h = 0; h < S.in.height; ++h)
        std::memcpy(scratch + wanted.at(h, 0), in + from.at(h, 0),
                    static_cast<std::size_t>(S.in.width * from.image.channels) * sizeof(float));
    }
  }
};

/// What a backend offers to inference. Functions take `count` images and run on the calling thread.
/// @tparam Weight_  what folded weights lie in memory as; biases, tensors and all arithmetic are floats
template <class Arch, class Convolution, class Weight_ = float>
struct InferenceKernels {
  using Weight = Weight_;
  template <class Other>
  using Storing = InferenceKernels<Arch, Convolution, Other>;

  template <Shape S>
  static constexpr ImageLayout layout = layout_of(tensor_of<Arch, S>);
  /// The network's input, as its first convolution reads it.
  template <ConvShape S>
  static constexpr ImageLayout input_layout = layout_of(ConvForInference<Arch, Convolution, S, Weight>::from);
  template <ConvShape S>
  using Conv = ConvForInference<Arch, Convolution, S, Weight>;
  /// What the tensors of a group of images may take, in floats: a quarter of an L2 of 1 MiB. The rest is for
  /// weights and the kernels' own memory.
  static constexpr std::size_t group_size = 65536;

  /// The weights of linear layers: how many floats they take the place of, and their way there.
  [[nodiscard]] static constexpr std::size_t weights_size(std::size_t weights) noexcept {
    return floats_for<Weight>(weights);
  }
  static void store_weights(const float* weights, std::size_t count, float* to) {
    put_all(weights, count, reinterpret_cast<Weight*>(to));
  }

  template <PoolShape S>
  static void pool(int count, const float* in, float* out) {
    pool_to<S, S.in.channels>(count, in, out);
  }
  template <ShortcutShape S>
  static void shortcut(int count, const float* in, float* out) {
    pool_to<S.pool(), S.channels_out>(count, in, out);
  }

  /// out = A::forward(bias + in · weights), A where Activated; see LinearShape. weights: where store_weights
  /// put them.
  template <LinearShape S, bool Activated, class A = ReLU>
  static void linear(int count, const float* in, const float* weights, const float* bias, float* out) {
    constexpr Scratch from = tensor_of<Arch, S.in>, to = tensor_of<Arch, S.out()>;
    constexpr int vectors = to.image.channels / lanes<Arch>, pixel = from.image.channels;
    constexpr bool merge = pixel == S.in.channels;  // a row of pixels is then one run of numbers
    constexpr Taps taps{.rows = S.in.height,
                        .columns = merge ? 1 : S.in.width,
                        .channels = S.in.channels * (merge ? S.in.width : 1),
                        .in_row = from.row(),
                        .in_column = pixel,
                        .weights_row = S.in.width * S.in.channels * to.image.channels,
                        .weights_column = S.in.channels * to.image.channels,
                        .weights_channel = to.image.channels};
    constexpr OutputDistances grid{.in_column = static_cast<int>(from.size()),
                                   .out_column = static_cast<int>(to.size())};
    constexpr Block block =
        choose_block<Arch>(1, LinearLayout<Arch, S>::many, vectors, static_cast<int>(S.in.size()));
    multiply_images<Arch, block, grid, taps, vectors>(count, in + from.at(0, 0),
                                                      reinterpret_cast<const Weight*>(weights), bias, out);
    if constexpr (Activated)
      for (int n = 0; n < count; ++n)
        for (int c = 0; c < to.image.channels; c += lanes<Arch>)
          finish_to<Arch, Ending{.activated = true}, A, A>(
              out + static_cast<std::size_t>(n) * to.size() + c,
              load<Arch>(out + static_cast<std::size_t>(n) * to.size() + c));
  }

  /// out = end(scale·in + shift), per channel. out may be in, unless the ending adds.
  template <Shape S, Ending E, class A = ReLU, class After = ReLU>
  static void pointwise(int count, const float* in, const float* scale, const float* shift, float* out) {
    constexpr Scratch tensor = tensor_of<Arch, S>;
    constexpr int step = tensor.image.channels;
    for (int n = 0; n < count; ++n)
      for (int h = 0; h < S.height; ++h) {
        const std::size_t row = static_cast<std::size_t>(n) * tensor.size() + tensor.at(h, 0);
        for (int c = 0; c < step; c += lanes<Arch>) {
          const Vector<Arch> a = load<Arch>(scale + c), b = load<Arch>(shift + c);
          const float* from = in + row + static_cast<std::size_t>(c);
          float* to = out + row + static_cast<std::size_t>(c);
          for (int w = 0; w < S.width; ++w)
            finish_to<Arch, E, A, After>(to + w * step, fma<Arch>(load<Arch>(from + w * step), a, b));
        }
      }
  }

 private:
  template <PoolShape S, int ChannelsOut>
  static void pool_to(int count, const float* in, float* out) {
    constexpr Scratch from = tensor_of<Arch, S.in>,
                      to = tensor_of<Arch, Shape{ChannelsOut, S.out().height, S.out().width}>;
    constexpr int channels = from.image.channels;
    constexpr auto row = static_cast<std::size_t>(from.row()), step = static_cast<std::size_t>(channels);
    for (int n = 0; n < count; ++n, in += from.size(), out += to.size())
      for (int h = 0; h < S.out().height; ++h)
        for (int w = 0; w < S.out().width; ++w) {
          const Window window = window_at<S>(h, w);
          float* result = out + to.at(h, w);
          for (int c = 0; c < channels; c += lanes<Arch>)
            store<Arch>(result + c, pool_window<Arch, S>(window, in + from.at(0, 0) + c, row, step));
          std::fill(result + channels, result + to.image.channels, 0.0F);
        }
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
