// The convolutions that a CIFAR ResNet consists of, as stages: batch 128, all threads, buffers that rotate through more than L3, so that each call
// finds its operands in memory as a training step does. GFLOPS are counted as direct convolution, whatever the algorithm.
//
//   forward           Source with norm and ReLU pending → raw output and its statistics
//   input_gradient    plain gradient → gradient of the input
//   weight_gradient   plain gradient and a plain input → gradient of the weights
//   backward          all that a training step does: both gradients through the norms, mask and sums; counted as two convolutions
//   block_forward, block_backward   the first convolution of a residual block: it also reads the shortcut and writes the block's input; backward it adds
//                     the shortcut's gradient
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
  explicit Tensors(std::size_t size) : x(size), y(size), dx(size), dy(size), shortcut(size), finished(size) {
    randomise(x);
    randomise(shortcut);
    randomise(finished);
    randomise(y);
    randomise(dy);
  }
  Buffer<float> x, y, dx, dy, shortcut, finished;
};

template <int Channels, int Extent>
void conv3x3(benchmark::State& state, Direction direction) {
  using Backend = Cpu<>;
  constexpr ConvShape shape{{Channels, Extent, Extent}, Channels, 3, 1, 1};
  constexpr std::size_t tensor = batch * shape.in.size();
  std::vector<Tensors> sets;
  for (std::size_t bytes = 0; bytes < rotation_bytes; bytes += 2 * tensor * sizeof(float)) sets.emplace_back(tensor);
  Buffer<float> weights(9 * Channels * Channels), weight_gradient(weights.size()), numbers(16 * Channels);
  randomise(weights);
  randomise(numbers);
  const auto channel_numbers = [&](std::size_t i) { return numbers.data() + i * Channels; };
  const Norm<float> norm{channel_numbers(0), channel_numbers(1), channel_numbers(2), channel_numbers(3),
                         channel_numbers(4), channel_numbers(5), channel_numbers(6)};
  Backend::Space space;
  std::size_t next = 0;
  const double operations = 2.0 * 9 * Channels * static_cast<double>(tensor) *
                            (direction == Direction::backward || direction == Direction::block_backward ? 2 : 1);
  measure(state, space.threads(), operations, [&] {
    Tensors& t = sets[next++ % sets.size()];
    const Source<float> source{.x = t.x.data(), .norm = &norm, .relu = true};
    const Source<float> block{.x = t.x.data(), .norm = &norm, .shortcut = t.shortcut.data(), .relu = true, .finished = t.finished.data()};
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
                                             nullptr, nullptr, t.dx.data(), {channel_numbers(8), channel_numbers(9), nullptr});
      case Direction::block_forward:
        return Backend::conv_forward<shape>(space, batch, block, weights.data(), nullptr, t.y.data(),
                                            {channel_numbers(8), channel_numbers(9)});
      case Direction::block_backward:
        return Backend::conv_backward<shape>(space, batch, {t.dy.data(), t.y.data(), &norm}, block, weights.data(), weight_gradient.data(),
                                             nullptr, t.dx.data(), t.dx.data(), {channel_numbers(8), channel_numbers(9), nullptr});
    }
  });
}

const bool registered = [] {
  const std::pair<const char*, Direction> directions[] = {{"forward", Direction::forward},
                                                          {"input_gradient", Direction::input_gradient},
                                                          {"weight_gradient", Direction::weight_gradient},
                                                          {"backward", Direction::backward},
                                                          {"block_forward", Direction::block_forward},
                                                          {"block_backward", Direction::block_backward}};
  const std::pair<const char*, void (*)(benchmark::State&, Direction)> shapes[] = {
      {"16x32", conv3x3<16, 32>}, {"32x16", conv3x3<32, 16>}, {"64x8", conv3x3<64, 8>}};
  for (const auto& [direction_name, direction] : directions)
    for (const auto& [shape_name, run] : shapes)
      benchmark::RegisterBenchmark((std::string("conv3x3/") + direction_name + "/" + shape_name).c_str(), run, direction);
  return true;
}();

}  // namespace
}  // namespace sdepth::bench
