// The convolutions that ResNets consist of, as stages: batch 128 (16 of pictures of 224 × 224), all threads,
// buffers that rotate through more than L3, so that each call finds its operands in memory as a training step
// does. GFLOPS are counted as direct convolution, whatever the algorithm.
//
//   forward           Source with norm and ReLU pending → raw output and its statistics
//   input_gradient    plain gradient → gradient of the input
//   weight_gradient   plain gradient and a plain input → gradient of the weights
//   backward          all that a training step does: both gradients through the norms, mask and sums; counted as two convolutions
//   block_forward, block_backward   the first convolution of a residual block: it also reads the shortcut and writes the block's input; backward it adds
//                     the shortcut's gradient
//
// conv3x3/…: the convolutions that a network consists of, named CHANNELSxEXTENT. conv/…: the others: the stem
// (3 channels, the network's input, no gradient of it), those of stride 2, and those of 1×1.
//
// …_cached/forward/…: the forward stage of few images on one thread, operands in L2, weights prepared: the
// arithmetic alone. conv3x3_product/…: of that the products alone, counted as what they are.
#include <algorithm>
#include <random>
#include <string>

#include "measure.hpp"

#include <sdepth/core/memory.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>

namespace sdepth::bench {
namespace {

enum class Direction { forward, input_gradient, weight_gradient, backward, block_forward, block_backward };

/// Numbers that a stage reads and writes: tensors of its input and of its output, and weights; an array that
/// is read and written counts for both.
[[nodiscard]] constexpr double numbers_moved(Direction direction, bool network_input, double in, double out,
                                             double weights) {
  switch (direction) {
    case Direction::forward:
      return in + out + weights;
    case Direction::input_gradient:
    case Direction::weight_gradient:
      return in + out + weights;
    case Direction::backward:  // x, dy, y; dx
      return (network_input ? 1 : 2) * in + 2 * out + 2 * weights;
    case Direction::block_forward:  // x, shortcut, finished; y
      return 3 * in + out + weights;
    case Direction::block_backward:  // finished, x for the norm's sums, dx twice; dy, y
      return 4 * in + 2 * out + 2 * weights;
  }
  return 0;
}

void randomise(Buffer<float>& buffer) {
  std::minstd_rand random(1);
  std::uniform_real_distribution<float> numbers(-1, 1);
  for (float& number : buffer.span()) number = numbers(random);
}

/// The tensors of one call: x and y are raw, dy and dx their gradients.
struct Tensors {
  Tensors(std::size_t in, std::size_t out) : x(in), y(out), dx(in), dy(out), shortcut(in), finished(in) {
    for (Buffer<float>* buffer : {&x, &y, &dy, &shortcut, &finished}) randomise(*buffer);
  }
  Buffer<float> x, y, dx, dy, shortcut, finished;
};

template <ConvShape shape, int batch>
void convolution(benchmark::State& state, Direction direction) {
  using Backend = Cpu<>;
  constexpr int channels_in = shape.network_input ? shape.in.channels : Backend::padded(shape.in.channels);
  constexpr int channels_out = Backend::padded(shape.channels_out);
  constexpr std::size_t in = batch * shape.in.pixels() * channels_in,
                        out = batch * shape.out().pixels() * channels_out;
  std::vector<Tensors> sets;
  for (std::size_t bytes = 0; bytes < rotation_bytes; bytes += (in + out) * sizeof(float))
    sets.emplace_back(in, out);
  constexpr int channels = channels_in > channels_out ? channels_in : channels_out;
  Buffer<float> weights(
      static_cast<std::size_t>(shape.kernel * shape.kernel * shape.in.channels * channels_out));
  Buffer<float> weight_gradient(weights.size()), numbers(16 * channels);
  randomise(weights);
  randomise(numbers);
  const auto channel_numbers = [&](std::size_t i) { return numbers.data() + i * channels; };
  const Norm<float> norm{channel_numbers(0), channel_numbers(1), channel_numbers(2), channel_numbers(3),
                         channel_numbers(4), channel_numbers(5), channel_numbers(6)};
  Backend::Context context;
  std::size_t next = 0;
  const bool both_gradients =
      (direction == Direction::backward || direction == Direction::block_backward) && !shape.network_input;
  const double operations = 2.0 * shape.kernel * shape.kernel * shape.in.channels * shape.channels_out *
                            static_cast<double>(batch * shape.out().pixels()) * (both_gradients ? 2 : 1);
  const double moved = sizeof(float) * numbers_moved(direction, shape.network_input, in, out,
                                                     static_cast<double>(weights.size()));
  measure(state, context.threads(), {operations, moved}, [&] {
    Tensors& t = sets[next++ % sets.size()];
    const Source<float> source = shape.network_input
                                     ? Source<float>{.x = t.x.data()}
                                     : Source<float>{.x = t.x.data(), .norm = &norm, .activated = true};
    float* dx = shape.network_input ? nullptr : t.dx.data();
    const SourceSums<float> sums = shape.network_input
                                       ? SourceSums<float>{}
                                       : SourceSums<float>{channel_numbers(8), channel_numbers(9), nullptr};
    const Source<float> block{.x = t.x.data(),
                              .norm = &norm,
                              .shortcut = t.shortcut.data(),
                              .activated = true,
                              .finished = t.finished.data()};
    switch (direction) {
      case Direction::forward:
        return Backend::conv_forward<shape>(context, batch, source, weights.data(), nullptr, t.y.data(),
                                            {channel_numbers(8), channel_numbers(9)});
      case Direction::input_gradient:
        return Backend::conv_backward<shape>(context, batch, {.dy = t.dy.data()}, {.x = t.x.data()},
                                             weights.data(), nullptr, nullptr, nullptr, t.dx.data(), {});
      case Direction::weight_gradient:
        return Backend::conv_backward<shape>(context, batch, {.dy = t.dy.data()}, {.x = t.x.data()},
                                             weights.data(), weight_gradient.data(), nullptr, nullptr,
                                             nullptr, {});
      case Direction::backward:
        return Backend::conv_backward<shape>(context, batch, {t.dy.data(), t.y.data(), &norm}, source,
                                             weights.data(), weight_gradient.data(), nullptr, nullptr, dx,
                                             sums);
      case Direction::block_forward:
        return Backend::conv_forward<shape>(context, batch, block, weights.data(), nullptr, t.y.data(),
                                            {channel_numbers(8), channel_numbers(9)});
      case Direction::block_backward:
        return Backend::conv_backward<shape>(context, batch, {t.dy.data(), t.y.data(), &norm}, block,
                                             weights.data(), weight_gradient.data(), nullptr, dx, dx, sums);
    }
  });
}

/// One thread and few images again and again, weights prepared: operands and results stay in L2, so that the
/// arithmetic of a forward stage is seen alone. With `product` only the products of Winograd's positions,
/// counted as what they are.
template <ConvShape shape>
void cached(benchmark::State& state, bool product) {
  using Arch = xsimd::default_arch;
  using Kernel = typename cpu::Fastest::Kernels<Arch, shape>::Forward;
  constexpr std::size_t in = Kernel::scratch.image.size(), out = Kernel::out.size();
  constexpr std::size_t room = 256 << 10;  // bytes of operands and results: half of a small L2
  constexpr int images =
      std::max(1, static_cast<int>(room / sizeof(float) / ((in + out) * Kernel::images))) * Kernel::images;
  constexpr int channels = std::max(Kernel::out.channels, Kernel::scratch.image.channels);
  Buffer<float> x(in * images), y(out * images), numbers(8 * channels), work(Kernel::work_size);
  Buffer<float> weights(
      static_cast<std::size_t>(shape.kernel * shape.kernel * shape.in.channels * Kernel::out.channels));
  Buffer<float> prepared(std::max<std::size_t>(Kernel::prepared_size, 1)),
      scratch(Kernel::images * Kernel::scratch.size());
  for (Buffer<float>* buffer : {&x, &weights, &numbers, &work}) randomise(*buffer);
  for (int task = 0; task < Kernel::prepare_tasks; ++task)
    Kernel::prepare(task, weights.data(), prepared.data());
  const float* form = Kernel::prepared_size ? prepared.data() : weights.data();
  const auto channel_numbers = [&](int i) { return numbers.data() + i * channels; };
  const Norm<float> norm{channel_numbers(0), channel_numbers(1), channel_numbers(2), channel_numbers(3)};
  const Source<float> source = shape.network_input
                                   ? Source<float>{.x = x.data()}
                                   : Source<float>{.x = x.data(), .norm = &norm, .activated = true};
  const double direct = 2.0 * shape.kernel * shape.kernel * shape.in.channels * shape.channels_out *
                        shape.out().pixels() * images;
  const int times = static_cast<int>(3e7 / direct) + 1;  // about a third of a millisecond
  double operations = direct * times;
  if constexpr (Kernel::tiled)
    if (product)
      operations =
          2.0 * 36 * shape.in.channels * Kernel::out.channels * Kernel::images * Kernel::tiles * times;
  measure(state, 1, {operations}, [&] {
    cpu::Moments moments(channel_numbers(4), channel_numbers(5));
    cpu::Prefetcher nothing;
    for (int i = 0; i < times; ++i) {
      if constexpr (Kernel::tiled)
        if (product) {
          Kernel::multiply(Kernel::images, form, work.data(), nothing);
          continue;
        }
      for (int n = 0; n < images; n += Kernel::images)
        cpu::forward_group<Arch, shape, ReLU, Kernel>(source, {n, n + Kernel::images},
                                                      {n, n + Kernel::images}, form, nullptr, scratch.data(),
                                                      work.data(), y.data(), &moments, {});
    }
  });
}

template <ConvShape shape>
void add_cached(const char* group, const char* name) {
  benchmark::RegisterBenchmark((std::string(group) + "_cached/forward/" + name).c_str(), cached<shape>,
                               false);
  if constexpr (cpu::winograd_pays(shape))
    benchmark::RegisterBenchmark((std::string(group) + "_product/" + name).c_str(), cached<shape>, true);
}

template <ConvShape shape, int batch = 128>
void add(const char* group, const char* name,
         std::initializer_list<std::pair<const char*, Direction>> directions) {
  for (const auto& [direction_name, direction] : directions)
    benchmark::RegisterBenchmark((std::string(group) + "/" + direction_name + "/" + name).c_str(),
                                 convolution<shape, batch>, direction);
}

constexpr ConvShape conv3x3(int channels, int extent) {
  return {{channels, extent, extent}, channels, 3, 1, 1};
}
constexpr ConvShape stem{{3, 32, 32}, 16, 3, 1, 1, false, true}, stride2_16{{16, 32, 32}, 32, 3, 2, 1},
    stride2_32{{32, 16, 16}, 64, 3, 2, 1};
constexpr ConvShape projection_32{{32, 16, 16}, 64, 1, 2, 0}, stem7{{3, 224, 224}, 64, 7, 2, 3, false, true};
constexpr ConvShape stride2_64{{64, 56, 56}, 128, 3, 2, 1}, wide_64{{64, 14, 14}, 256, 1, 1, 0},
    narrow_256{{256, 14, 14}, 64, 1, 1, 0};

const bool registered = [] {
  const auto body = {std::pair("forward", Direction::forward),
                     std::pair("input_gradient", Direction::input_gradient),
                     std::pair("weight_gradient", Direction::weight_gradient),
                     std::pair("backward", Direction::backward),
                     std::pair("block_forward", Direction::block_forward),
                     std::pair("block_backward", Direction::block_backward)};
  add<conv3x3(16, 32)>("conv3x3", "16x32", body);
  add<conv3x3(32, 16)>("conv3x3", "32x16", body);
  add<conv3x3(64, 8)>("conv3x3", "64x8", body);
  const auto others = {std::pair("forward", Direction::forward), std::pair("backward", Direction::backward)};
  add<conv3x3(64, 56), 16>("conv3x3", "64x56", others);
  add<conv3x3(128, 28), 16>("conv3x3", "128x28", others);
  add<conv3x3(256, 14), 16>("conv3x3", "256x14", others);
  add<conv3x3(512, 7), 16>("conv3x3", "512x7", others);
  add<stem>("conv", "stem", others);
  add<stride2_16>("conv", "stride2_16x32", others);
  add<stride2_32>("conv", "stride2_32x16", others);
  add<projection_32>("conv", "projection_32x16", others);
  add<stem7, 16>("conv", "stem7_224", others);
  add<stride2_64, 16>("conv", "stride2_64x56", others);
  add<wide_64>("conv", "1x1_64to256x14", others);
  add<narrow_256>("conv", "1x1_256to64x14", others);
  add_cached<conv3x3(16, 32)>("conv3x3", "16x32");
  add_cached<conv3x3(32, 16)>("conv3x3", "32x16");
  add_cached<conv3x3(64, 8)>("conv3x3", "64x8");
  add_cached<conv3x3(128, 28)>("conv3x3", "128x28");
  add_cached<conv3x3(256, 14)>("conv3x3", "256x14");
  add_cached<conv3x3(512, 7)>("conv3x3", "512x7");
  add_cached<stem>("conv", "stem");
  add_cached<stride2_16>("conv", "stride2_16x32");
  add_cached<stride2_32>("conv", "stride2_32x16");
  add_cached<projection_32>("conv", "projection_32x16");
  add_cached<stem7>("conv", "stem7_224");
  add_cached<wide_64>("conv", "1x1_64to256x14");
  add_cached<narrow_256>("conv", "1x1_256to64x14");
  return true;
}();

}  // namespace
}  // namespace sdepth::bench
