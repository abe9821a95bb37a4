// The convolutions that a CIFAR ResNet consists of, as stages: batch 128, all threads, buffers that rotate through more than L3, so that each call
// finds its operands in memory as a training step does. GFLOPS are counted as direct convolution, whatever the algorithm.
//
//   forward           Source with norm and ReLU pending → raw output and its statistics
//   input_gradient    plain gradient → gradient of the input
//   weight_gradient   plain gradient and a plain input → gradient of the weights
//   backward          all that a training step does: both gradients through the norms, mask and sums; counted as two convolutions
//   block_forward, block_backward   the first convolution of a residual block: it also reads the shortcut and writes the block's input; backward it adds
//                     the shortcut's gradient
//
// conv3x3/…: the convolutions that a network consists of, named CHANNELSxEXTENT. conv/…: the others: the stem (3 channels, the network's input, no gradient
// of it), those of stride 2, and the 1×1 of a projection.
#include <random>
#include <string>

#include "measure.hpp"

#include <sdepth/core/memory.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>

namespace sdepth::bench {
namespace {

constexpr int batch = 128;
constexpr std::size_t rotation_bytes = std::size_t{160} << 20;  // five times an L3 of 32 MiB

enum class Direction { forward, input_gradient, weight_gradient, backward, block_forward, block_backward };

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

template <ConvShape shape>
void convolution(benchmark::State& state, Direction direction) {
  using Backend = Cpu<>;
  constexpr int channels_in = shape.network_input ? shape.in.channels : Backend::padded(shape.in.channels);
  constexpr int channels_out = Backend::padded(shape.channels_out);
  constexpr std::size_t in = batch * shape.in.pixels() * channels_in, out = batch * shape.out().pixels() * channels_out;
  std::vector<Tensors> sets;
  for (std::size_t bytes = 0; bytes < rotation_bytes; bytes += (in + out) * sizeof(float)) sets.emplace_back(in, out);
  constexpr int channels = channels_in > channels_out ? channels_in : channels_out;
  Buffer<float> weights(static_cast<std::size_t>(shape.kernel * shape.kernel * shape.in.channels * channels_out));
  Buffer<float> weight_gradient(weights.size()), numbers(16 * channels);
  randomise(weights);
  randomise(numbers);
  const auto channel_numbers = [&](std::size_t i) { return numbers.data() + i * channels; };
  const Norm<float> norm{channel_numbers(0), channel_numbers(1), channel_numbers(2), channel_numbers(3),
                         channel_numbers(4), channel_numbers(5), channel_numbers(6)};
  Backend::Space space;
  std::size_t next = 0;
  const bool both_gradients = (direction == Direction::backward || direction == Direction::block_backward) && !shape.network_input;
  const double operations = 2.0 * shape.kernel * shape.kernel * shape.in.channels * shape.channels_out *
                            static_cast<double>(batch * shape.out().pixels()) * (both_gradients ? 2 : 1);
  measure(state, space.threads(), operations, [&] {
    Tensors& t = sets[next++ % sets.size()];
    const Source<float> source =
        shape.network_input ? Source<float>{.x = t.x.data()} : Source<float>{.x = t.x.data(), .norm = &norm, .activated = true};
    float* dx = shape.network_input ? nullptr : t.dx.data();
    const SourceSums<float> sums =
        shape.network_input ? SourceSums<float>{} : SourceSums<float>{channel_numbers(8), channel_numbers(9), nullptr};
    const Source<float> block{
        .x = t.x.data(), .norm = &norm, .shortcut = t.shortcut.data(), .activated = true, .finished = t.finished.data()};
    switch (direction) {
      case Direction::forward:
        return Backend::conv_forward<shape>(space, batch, source, weights.data(), nullptr, t.y.data(),
                                            {channel_numbers(8), channel_numbers(9)});
      case Direction::input_gradient:
        return Backend::conv_backward<shape>(space, batch, {.dy = t.dy.data()}, {.x = t.x.data()}, weights.data(), nullptr, nullptr,
                                             nullptr, t.dx.data(), {});
      case Direction::weight_gradient:
        return Backend::conv_backward<shape>(space, batch, {.dy = t.dy.data()}, {.x = t.x.data()}, weights.data(), weight_gradient.data(),
                                             nullptr, nullptr, nullptr, {});
      case Direction::backward:
        return Backend::conv_backward<shape>(space, batch, {t.dy.data(), t.y.data(), &norm}, source, weights.data(), weight_gradient.data(),
                                             nullptr, nullptr, dx, sums);
      case Direction::block_forward:
        return Backend::conv_forward<shape>(space, batch, block, weights.data(), nullptr, t.y.data(),
                                            {channel_numbers(8), channel_numbers(9)});
      case Direction::block_backward:
        return Backend::conv_backward<shape>(space, batch, {t.dy.data(), t.y.data(), &norm}, block, weights.data(), weight_gradient.data(),
                                             nullptr, dx, dx, sums);
    }
  });
}

template <ConvShape shape>
void add(const char* group, const char* name, std::initializer_list<std::pair<const char*, Direction>> directions) {
  for (const auto& [direction_name, direction] : directions)
    benchmark::RegisterBenchmark((std::string(group) + "/" + direction_name + "/" + name).c_str(), convolution<shape>, direction);
}

const bool registered = [] {
  const auto body = {std::pair("forward", Direction::forward),
                     std::pair("input_gradient", Direction::input_gradient),
                     std::pair("weight_gradient", Direction::weight_gradient),
                     std::pair("backward", Direction::backward),
                     std::pair("block_forward", Direction::block_forward),
                     std::pair("block_backward", Direction::block_backward)};
  add<ConvShape{{16, 32, 32}, 16, 3, 1, 1}>("conv3x3", "16x32", body);
  add<ConvShape{{32, 16, 16}, 32, 3, 1, 1}>("conv3x3", "32x16", body);
  add<ConvShape{{64, 8, 8}, 64, 3, 1, 1}>("conv3x3", "64x8", body);
  const auto others = {std::pair("forward", Direction::forward), std::pair("backward", Direction::backward)};
  add<ConvShape{{3, 32, 32}, 16, 3, 1, 1, false, true}>("conv", "stem", others);
  add<ConvShape{{16, 32, 32}, 32, 3, 2, 1}>("conv", "stride2_16x32", others);
  add<ConvShape{{32, 16, 16}, 64, 3, 2, 1}>("conv", "stride2_32x16", others);
  add<ConvShape{{32, 16, 16}, 64, 1, 2, 0}>("conv", "projection_32x16", others);
  return true;
}();

}  // namespace
}  // namespace sdepth::bench
