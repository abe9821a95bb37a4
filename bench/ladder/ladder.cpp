// One stage of a network, from plain loops to what the library runs: build/release/bench/ladder prints what
// each step takes, and how far its numbers are from the first step's. docs/how_it_works.md shows the steps as
// they stand here.
//
// The stage: raw numbers of 16 channels of 32 x 32 → norm and ReLU, which are pending → 3 x 3 convolution to
// 16 channels → raw numbers, their mean and variance.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <vector>

#include <sdepth/core/memory.hpp>
#include <sdepth/core/philox.hpp>
#include <sdepth/kernels/cpu/cpu.hpp>

namespace {

using namespace sdepth;
using Arch = xsimd::default_arch;
using Vector = cpu::Vector<Arch>;

constexpr int channels = 16, extent = 32, images = 32, pixels = extent * extent, numbers = pixels * channels;
constexpr ConvShape shape{{channels, extent, extent}, channels, 3, 1, 1};

/// What the stage reads and writes. Images are [N, H, W, C], and in the first step [N, C, H, W]; weights [kh,
/// kw, in, out].
struct Stage {
  const float* x;
  const float* scale;  // of the norm that is pending, [C]
  const float* shift;
  const float* weights;
  float* v;     // norm and ReLU of x
  float* y;     // the result
  float* mean;  // of y, [C]
  float* variance;
};

/// Mean and variance of each channel: two passes over y.
void statistics(const Stage& s, int of_channel, int of_pixel) {
  for (int c = 0; c < channels; ++c) {
    const auto sum_up = [&](const auto& term) {
      double sum = 0;
      for (int n = 0; n < images; ++n)
        for (int p = 0; p < pixels; ++p)
          sum += term(static_cast<double>(s.y[n * numbers + c * of_channel + p * of_pixel]));
      return sum / (images * pixels);
    };
    const double mean = sum_up([](double y) { return y; });
    s.mean[c] = static_cast<float>(mean);
    s.variance[c] = static_cast<float>(sum_up([&](double y) { return (y - mean) * (y - mean); }));
  }
}

/// Norm and ReLU: a pass from x to v, channels last.
void activate(const Stage& s) {
  for (int i = 0; i < images * numbers; ++i)
    s.v[i] = std::max(0.0F, s.scale[i % channels] * s.x[i] + s.shift[i % channels]);
}

// [1] plain loops
void plain(const Stage& s) {
  for (int n = 0; n < images; ++n)
    for (int c = 0; c < channels; ++c)
      for (int p = n * numbers + c * pixels, end = p + pixels; p < end; ++p)
        s.v[p] = std::max(0.0F, s.scale[c] * s.x[p] + s.shift[c]);
  for (int n = 0; n < images; ++n)
    for (int o = 0; o < channels; ++o)
      for (int h = 0; h < extent; ++h)
        for (int w = 0; w < extent; ++w) {
          float sum = 0;
          for (int i = 0; i < channels; ++i)
            for (int y = std::max(h - 1, 0); y <= std::min(h + 1, extent - 1); ++y)
              for (int x = std::max(w - 1, 0); x <= std::min(w + 1, extent - 1); ++x)
                sum += s.v[n * numbers + i * pixels + y * extent + x] *
                       s.weights[(((y - h + 1) * 3 + x - w + 1) * channels + i) * channels + o];
          s.y[n * numbers + o * pixels + h * extent + w] = sum;
        }
  statistics(s, pixels, 1);
}
// [1]

// [2] channels last
void channels_last(const Stage& s) {
  activate(s);
  for (int n = 0; n < images; ++n)
    for (int h = 0; h < extent; ++h)
      for (int w = 0; w < extent; ++w) {
        float sums[channels] = {};
        for (int y = std::max(h - 1, 0); y <= std::min(h + 1, extent - 1); ++y)
          for (int x = std::max(w - 1, 0); x <= std::min(w + 1, extent - 1); ++x)
            for (int i = 0; i < channels; ++i) {
              const float v = s.v[n * numbers + (y * extent + x) * channels + i];
              const float* weights = s.weights + (((y - h + 1) * 3 + x - w + 1) * channels + i) * channels;
              // neighbours in memory: vector instructions
              for (int o = 0; o < channels; ++o) sums[o] += v * weights[o];
            }
        std::copy_n(sums, channels, s.y + n * numbers + (h * extent + w) * channels);
      }
  statistics(s, 1, channels);
}
// [2]

// [3] a block in registers
void in_registers(const Stage& s) {
  constexpr int lanes = cpu::lanes<Arch>, vectors = channels / lanes, columns = vectors == 1 ? 8 : 4,
                row = (extent + 2) * channels;
  // an image and a border of zeros: no tap asks whether it is inside
  static std::vector<float> padded((extent + 2) * row);
  for (int n = 0; n < images; ++n) {
    for (int h = 0; h < extent; ++h)
      for (int i = 0; i < extent * channels; ++i)
        padded[static_cast<std::size_t>((h + 1) * row + channels + i)] =
            std::max(0.0F, s.scale[i % channels] * s.x[n * numbers + h * extent * channels + i] +
                               s.shift[i % channels]);
    for (int h = 0; h < extent; ++h)
      for (int w = 0; w < extent; w += columns) {
        Vector sums[columns][vectors];
        for (auto& pixel : sums)
          for (Vector& sum : pixel) sum = cpu::all<Arch>(0.0F);
        for (int tap = 0; tap < 9; ++tap)
          for (int i = 0; i < channels; ++i) {
            const float* v = padded.data() + (h + tap / 3) * row + (w + tap % 3) * channels + i;
            const float* weights = s.weights + (tap * channels + i) * channels;
            SDEPTH_UNROLL(4)
            for (int o = 0; o < vectors; ++o) {
              const Vector weight = cpu::load<Arch>(weights + o * lanes);  // read once for all these pixels
              SDEPTH_UNROLL(8)
              for (int p = 0; p < columns; ++p)
                sums[p][o] = cpu::fma<Arch>(cpu::all<Arch>(v[p * channels]), weight, sums[p][o]);
            }
          }
        for (int p = 0; p < columns; ++p)
          for (int o = 0; o < vectors; ++o)
            cpu::store<Arch>(s.y + n * numbers + (h * extent + w + p) * channels + o * lanes, sums[p][o]);
      }
  }
  statistics(s, 1, channels);
}
// [3]

Workspace<float>& context() {
  static Workspace<float> one_thread(1);
  return one_thread;
}

// [4] the library's direct kernel, three passes
void direct(const Stage& s) {
  using Backend = Cpu<Arch, cpu::Direct>;
  activate(s);
  Backend::conv_forward<shape>(context(), images, {.x = s.v}, s.weights, nullptr, s.y, {});
  statistics(s, 1, channels);
}
// [4]

// [5] the same kernel, one pass
void fused(const Stage& s) {
  using Backend = Cpu<Arch, cpu::Direct>;
  Norm<float> norm;
  norm.scale = const_cast<float*>(s.scale), norm.shift = const_cast<float*>(s.shift);
  Backend::conv_forward<shape, ReLU>(context(), images, {.x = s.x, .norm = &norm, .activated = true},
                                     s.weights, nullptr, s.y, {s.mean, s.variance});
}
// [5]

// [6] Winograd, one pass
void winograd(const Stage& s) {
  using Backend = Cpu<Arch>;
  Norm<float> norm;
  norm.scale = const_cast<float*>(s.scale), norm.shift = const_cast<float*>(s.shift);
  Backend::conv_forward<shape, ReLU>(context(), images, {.x = s.x, .norm = &norm, .activated = true},
                                     s.weights, nullptr, s.y, {s.mean, s.variance});
}
// [6]

struct Step {
  const char* name;
  void (*run)(const Stage&);
  bool channels_first = false;
  double milliseconds = std::numeric_limits<double>::infinity();  // an image, of one thread
  // relative to the largest number of the first step's result
  double error = 0;
};

void randomise(Buffer<float>& buffer, std::uint32_t which) {
  for (std::size_t i = 0; i < buffer.size(); ++i)
    buffer[i] = static_cast<float>(2 * uniform(random_words(1, Purpose::synthetic, i, which)[0]) - 1);
}

}  // namespace

/// @param --check  each step once, and status 1 where one computes something else
int main(int argc, char** argv) {
  const bool check = argc > 1 && std::strcmp(argv[1], "--check") == 0;
  constexpr auto size = static_cast<std::size_t>(images * numbers);
  Buffer<float> x(size), x_channels_first(size), v(size), y(size), expected(size),
      weights(9 * channels * channels), norm(2 * channels), result(2 * channels);
  randomise(x, 0), randomise(weights, 1), randomise(norm, 2);
  for (int n = 0; n < images; ++n)
    for (int p = 0; p < pixels; ++p)
      for (int c = 0; c < channels; ++c)
        x_channels_first[static_cast<std::size_t>(n * numbers + c * pixels + p)] =
            x[static_cast<std::size_t>(n * numbers + p * channels + c)];
  Step steps[] = {{"plain loops", plain, true},
                  {"channels last", channels_last},
                  {"a block in registers", in_registers},
                  {"the library's direct kernel", direct},
                  {"fused", fused},
                  {"fused, Winograd", winograd}};
  std::vector<float> moments;
  for (int round = 0; round < (check ? 1 : 20); ++round)
    for (Step& step : steps) {  // in turns: a neighbour on the machine slows them all
      const Stage stage{step.channels_first ? x_channels_first.data() : x.data(),
                        norm.data(),
                        norm.data() + channels,
                        weights.data(),
                        v.data(),
                        y.data(),
                        result.data(),
                        result.data() + channels};
      const std::clock_t begin = std::clock();
      step.run(stage);
      step.milliseconds = std::min(step.milliseconds,
                                   1e3 * static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC / images);
      if (round > 0) continue;
      double largest = 0, distance = 0;
      for (int n = 0; n < images; ++n)
        for (int p = 0; p < pixels; ++p)
          for (int c = 0; c < channels; ++c) {
            const int here = n * numbers + (step.channels_first ? c * pixels + p : p * channels + c);
            float& first = expected[static_cast<std::size_t>(n * numbers + p * channels + c)];
            if (step.channels_first) first = y[static_cast<std::size_t>(here)];
            largest = std::max(largest, std::abs(static_cast<double>(first)));
            distance = std::max(distance, std::abs(static_cast<double>(y[static_cast<std::size_t>(here)]) -
                                                   static_cast<double>(first)));
          }
      step.error = distance / largest;
      if (step.channels_first) moments.assign(result.data(), result.data() + result.size());
      for (std::size_t i = 0; i < moments.size(); ++i)
        step.error = std::max(step.error, std::abs(static_cast<double>(result[i] - moments[i])) / largest);
    }
  std::printf(
      "| step | ms an image | GFLOP/s | times the first | largest distance from the first |\n|---|---|---|---|---|\n");
  int status = 0;
  for (const Step& step : steps) {
    std::printf("| %s | %.3f | %.1f | %.1f | %.1e |\n", step.name, step.milliseconds,
                2e-6 * 9 * channels * numbers / step.milliseconds, steps[0].milliseconds / step.milliseconds,
                step.error);
    if (!(step.error < 5e-6)) status = 1;
  }
  return status;
}
