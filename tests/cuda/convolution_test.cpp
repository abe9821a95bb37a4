// Convolutions on the device, forward and input gradient, against the reference: shapes, strides, paddings,
// everything that can be pending, sums, both precisions.
#include <cmath>
#include <limits>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/kernels/cuda/conv_forward.hpp>
#include <sdepth/kernels/cuda/conv_input_gradient.hpp>

#include "../kernels/stage_cases.hpp"

namespace sdepth::test::convolution_test {
namespace {

using cuda::ConvTile;
using cuda::Precision;

/// The kernels as a backend. Weight gradients are another kernel's: here they are zero.
template <Precision P>
struct Convolutions {
  using Scalar = float;
  using Stored = float;
  using Context = cuda::Context;
  static constexpr int lanes = cuda::lanes;
  [[nodiscard]] static constexpr int padded(int channels) { return cuda::padded(channels); }

  template <ConvShape S, class A = ReLU>
  static void conv_forward(Context& context, int batch, const Source<float>& source, const float* weights,
                           const float* bias, float* out, Statistics<float> statistics) {
    cuda::conv_forward<S, P, A>(context, batch, source, weights, bias, out, statistics);
    context.synchronize();
  }
  template <ConvShape S, class A = ReLU>
  static void conv_backward(Context& context, int batch, const Gradient<float>& gradient,
                            const Source<float>& source, const float* weights, float* weight_gradient,
                            float* bias_gradient, const float* add, float* out,
                            const SourceSums<float>& sums) {
    std::fill_n(weight_gradient, S.kernel * S.kernel * S.in.channels * padded(S.channels_out), 0.0F);
    if (bias_gradient) std::fill_n(bias_gradient, padded(S.channels_out), 0.0F);
    cuda::conv_input_gradient<S, P, A>(context, batch, gradient, source, weights, add, out, sums);
    context.synchronize();
  }
};
using Exact = Convolutions<Precision::float32>;
using Rounded = Convolutions<Precision::tf32>;
using Split = Convolutions<Precision::tf32x3>;

/// Relative errors: those of float32 sums, of products of three TF32 products too, and of factors with 11
/// bits of mantissa.
template <class B>
inline constexpr double forward_tolerance = std::is_same_v<B, Rounded> ? 2e-3 : 5e-6;
template <class B>
inline constexpr double backward_tolerance = std::is_same_v<B, Rounded> ? 2e-3 : 2e-5;

template <class B, ConvShape S, class A = ReLU>
void check_forward(int batch, const Pending& pending) {
  check_close(run_conv_forward<B, S, A>(batch, 1, pending),
              run_conv_forward<Reference, S, A>(batch, 1, pending), forward_tolerance<B>);
}
template <class B, ConvShape S, class A = ReLU>
void check_input_gradient(int batch, const Pending& pending, const Backward& backward) {
  Results expected = run_conv_backward<Reference, S, A>(batch, 1, pending, backward);
  expected.erase("weight gradient");
  expected.erase("bias gradient");
  check_close(run_conv_backward<B, S, A>(batch, 1, pending, backward), expected, backward_tolerance<B>);
}
/// The emulation's tensor cores are slow: fewer images then. @param finished  whether the forward stage also
/// writes its Source's values, and the backward stage takes its mask from there
template <class B, ConvShape S>
void check(int images, bool finished = true) {
  const int batch = std::is_same_v<B, Exact> ? images : (images + 1) / 2;
  CAPTURE(batch);
  CAPTURE(S.in.channels);
  CAPTURE(S.in.height);
  CAPTURE(S.in.width);
  CAPTURE(S.channels_out);
  CAPTURE(S.kernel);
  CAPTURE(S.stride);
  CAPTURE(S.padding);
  if constexpr (S.network_input) {
    check_forward<B, S>(batch, {});
  } else {
    check_forward<B, S>(batch, {.norm = true, .activated = true, .finished = finished});
    check_input_gradient<B, S>(batch, {.norm = true, .activated = true, .finished = finished}, {.add = true});
  }
}

#if defined(__SANITIZE_THREAD__)
// Races depend on the kind of a shape, not on its numbers, and everything takes ten times as long: several
// chunks of channels, several tiles, strides.
TEST_CASE_TEMPLATE("the device's convolutions have no races", B, Exact, Rounded) {
  check<B, ConvShape{{3, 9, 18}, 16, 3, 1, 1, false, true}>(1);
  check<B, ConvShape{{20, 9, 18}, 17, 3, 1, 1, true}>(1);
  check<B, ConvShape{{17, 9, 8}, 33, 3, 2, 1}>(1);
  check<B, ConvShape{{64, 2, 2}, 8, 3, 1, 1}>(33);
}
#else
TEST_CASE_TEMPLATE("the device's convolutions of the CIFAR ResNets agree with the reference", B, Exact,
                   Rounded) {
  check<B, ConvShape{{3, 32, 32}, 16, 3, 1, 1, false, true}>(2);
  check<B, ConvShape{{16, 32, 32}, 16, 3, 1, 1}>(1);
  check<B, ConvShape{{16, 32, 32}, 32, 3, 2, 1}>(1, false);
  check<B, ConvShape{{32, 16, 16}, 32, 3, 1, 1}>(2);
  check<B, ConvShape{{32, 16, 16}, 64, 1, 2, 0}>(2);
  check<B, ConvShape{{64, 8, 8}, 64, 3, 1, 1}>(3, false);
}

TEST_CASE("three products of TF32 have the accuracy of float32, which one has not") {
  const auto error = []<class B>(std::type_identity<B>) {
    constexpr ConvShape wide{{64, 4, 5}, 24, 3, 1, 1};
    const Pending pending{.norm = true, .activated = true};
    return relative_error(run_conv_forward<B, wide>(2, 1, pending).at("out"),
                          run_conv_forward<Reference, wide>(2, 1, pending).at("out"));
  };
  const double in_float32 = error(std::type_identity<Exact>{}), split = error(std::type_identity<Split>{});
  CAPTURE(in_float32);
  CHECK(split < 1e-6);
  CHECK(split < 3 * in_float32);
  CHECK(error(std::type_identity<Rounded>{}) > 1e-4);
  check<Split, ConvShape{{3, 9, 18}, 16, 3, 1, 1, false, true}>(2);
  check<Split, ConvShape{{17, 9, 8}, 33, 3, 2, 1}>(2);
  check<Split, ConvShape{{32, 8, 8}, 32, 3, 1, 1}>(2, false);
  check<Split, ConvShape{{20, 5, 5}, 40, 1, 1, 0}>(2);
}

TEST_CASE_TEMPLATE(
    "the device's convolutions agree with the reference where extents and channels fill no tile", B, Exact,
    Rounded) {
  check<B, ConvShape{{5, 9, 7}, 19, 3, 1, 1, true}>(2);
  check<B, ConvShape{{20, 18, 21}, 17, 3, 1, 1}>(1, false);
  check<B, ConvShape{{33, 7, 7}, 41, 3, 1, 1, true}>(3);
  check<B, ConvShape{{6, 1, 1}, 70, 3, 1, 1}>(3, false);
  check<B, ConvShape{{64, 2, 2}, 8, 3, 1, 1}>(67);
  check<B, ConvShape{{7, 3, 40}, 3, 3, 1, 1}>(2, false);
}

TEST_CASE_TEMPLATE(
    "the device's convolutions agree with the reference for kernels, strides and paddings of all kinds", B,
    Exact, Rounded) {
  check<B, ConvShape{{20, 5, 5}, 40, 1, 1, 0}>(2);
  check<B, ConvShape{{9, 6, 6}, 7, 3, 1, 0}>(2);
  check<B, ConvShape{{8, 5, 6}, 8, 3, 1, 2}>(2, false);
  check<B, ConvShape{{8, 9, 10}, 12, 5, 1, 2, true}>(2);
  check<B, ConvShape{{17, 9, 8}, 33, 3, 2, 1}>(2);
  check<B, ConvShape{{16, 6, 6}, 16, 2, 2, 0}>(2, false);
  check<B, ConvShape{{5, 10, 9}, 8, 4, 3, 1, true}>(2);
  check<B, ConvShape{{10, 9, 9}, 4, 1, 4, 0}>(2);  // pixels that no tap reads
  check<B, ConvShape{{10, 10, 10}, 4, 2, 3, 0}>(2);
  check<B, ConvShape{{9, 19, 17}, 10, 7, 4, 3}>(2);
  check<B, ConvShape{{16, 1, 2}, 9, 7, 1, 3}>(5);  // too few images' bands in shared memory
  check<B, ConvShape{{3, 21, 19}, 10, 7, 2, 3, true, true}>(2);
  check<B, ConvShape{{18, 9, 12}, 6, 3, 1, 1, false, true}>(2);
}
#endif

constexpr ConvShape shape{{10, 6, 5}, 18, 3, 1, 1, true};

TEST_CASE("a forward stage on the device applies all that is pending on its Source") {
  constexpr ConvShape stem{{3, 6, 5}, 18, 3, 1, 1, true, true};
  for (const Pending& pending : all_pending()) {
    check_forward<Exact, shape>(2, pending);
    check_forward<Exact, stem>(1, pending);
    if (pending.shortcut_norm) check_forward<Rounded, shape>(1, pending);
  }
}

TEST_CASE("a backward stage on the device masks by its Source and sums for its norms") {
  for (const Pending& pending : all_pending()) {
    check_input_gradient<Exact, shape>(2, pending, {.add = true});
    if (pending.shortcut_norm) check_input_gradient<Rounded, shape>(1, pending, {.add = true});
  }
}

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("stages on the device with activations that need their output or their input") {
  constexpr ConvShape stem{{3, 6, 5}, 18, 3, 1, 1, true, true};
  for (const Pending& pending : few_activated) {
    check_forward<Exact, shape, GELU>(2, pending);
    check_input_gradient<Exact, shape, GELU>(2, pending, {.add = true});
    check_input_gradient<Exact, shape, LeakyReLU<>>(2, pending, {.add = true});
  }
  check_forward<Exact, stem, GELU>(1, {.norm = true, .activated = true});
}
#endif

TEST_CASE("a backward stage on the device takes every kind of gradient, and may add in place") {
  const Pending pending{.norm = true, .shortcut = true, .activated = true};
  for (int bits = 0; bits < 16; ++bits)
    check_input_gradient<Exact, shape>(2, pending,
                                       {(bits & 1) != 0, (bits & 2) != 0, (bits & 6) == 6, (bits & 8) != 0});
}

TEST_CASE_TEMPLATE("convolutions on the device give the same bits from run to run", B, Exact, Rounded) {
  const Pending pending{.norm = true, .shortcut = true, .shortcut_norm = true, .activated = true};
  constexpr ConvShape many_blocks{{8, 9, 33}, 12, 3, 2, 1};
  const int batch = 17;  // more blocks than are joined at once
  static_assert(cuda::conv_forward_grid<many_blocks, Precision::float32>(17).x > 32);
  const Results forward = run_conv_forward<B, many_blocks>(batch, 1, pending);
  check_close(forward, run_conv_forward<Reference, many_blocks>(batch, 1, pending), forward_tolerance<B>);
  CHECK(run_conv_forward<B, many_blocks>(batch, 1, pending) == forward);
  const auto backward = [&] {
    return run_conv_backward<B, many_blocks>(std::is_same_v<B, Exact> ? batch : 1, 1, pending, {.add = true});
  };
  CHECK(backward() == backward());
}

TEST_CASE_TEMPLATE(
    "a NaN comes through a stage on the device: its ReLU keeps it, its outputs are NaN, and its gradient passes",
    B, Exact, Rounded) {
  constexpr ConvShape one{{8, 4, 5}, 8, 1, 1, 0};  // every pixel by itself
  constexpr std::size_t at = 43, pixel = at / 8;
  std::vector<float> x = random_numbers(one.in.size(), 1);
  x[at] = std::numeric_limits<float>::quiet_NaN();
  Packed<B> in(x, 8), weights(random_numbers(8 * 8, 2), 8), dy(random_numbers(one.out().size(), 3), 8),
      out(one.out().pixels(), 8), value(one.in.pixels(), 8), mean(1, 8), variance(1, 8),
      dx(one.in.pixels(), 8), weight_gradient(8, 8);
  typename B::Context context(1);
  B::template conv_forward<one>(context, 1, {.x = in.data(), .activated = true, .finished = value.data()},
                                weights.data(), nullptr, out.data(), {mean.data(), variance.data()});
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::isnan(value.dense()[i]) == (i == at));
  for (std::size_t i = 0; i < out.dense().size(); ++i) CHECK(std::isnan(out.dense()[i]) == (i / 8 == pixel));
  for (std::size_t c = 0; c < 8; ++c) CHECK((std::isnan(mean.dense()[c]) && std::isnan(variance.dense()[c])));
  for (float* const finished : {value.data(), static_cast<float*>(nullptr)}) {
    B::template conv_backward<one>(context, 1, {.dy = dy.data()},
                                   {.x = in.data(), .activated = true, .finished = finished}, weights.data(),
                                   weight_gradient.data(), nullptr, nullptr, dx.data(), {});
    for (std::size_t i = 0; i < x.size(); ++i) CHECK((dx.dense()[i] != 0.0F) == !(x[i] <= 0.0F));
  }
}

template <class B>
[[nodiscard]] Results run_large_mean() {
  constexpr ConvShape large{{8, 6, 7}, 12, 3, 1, 1, true};
  constexpr int batch = 40;
  Packed<B> x(random_numbers(batch * large.in.size(), 1), 8), weights(random_numbers(9 * 8 * 12, 2), 12);
  Packed<B> bias(std::vector<float>(12, 5000.0F), 12), out(batch * large.out().pixels(), 12), mean(1, 12),
      variance(1, 12);
  typename B::Context context(1);
  B::template conv_forward<large>(context, batch, {.x = x.data()}, weights.data(), bias.data(), out.data(),
                                  {mean.data(), variance.data()});
  return {{"mean", mean.dense()}, {"variance", variance.dense()}};
}

TEST_CASE("variances on the device keep their digits where the mean is large against the deviation") {
  // E[x²] − E[x]² in float would leave one correct digit.
  check_close(run_large_mean<Exact>(), run_large_mean<Reference>(), 2e-5);
}

TEST_CASE("tiles of convolutions fit into every device's shared memory and give it enough to do") {
  const auto fits = [](const ConvTile& t) {
    CAPTURE(t.pixels());
    CAPTURE(t.channels);
    CAPTURE(t.depth);
    CHECK(t.shared_bytes() <= cuda::most_shared_bytes);
    CHECK(t.pixels() * t.channels >= 4 * ConvTile::threads);
    CHECK(t.sums() <= 32);
    CHECK(t.band_pitch() / 4 % 2 == 1);
    CHECK((t.turned ? t.weight_pitch() / 4 % 2 == 1 : t.weight_pitch() % 16 == 8));
  };
  for (const int channels : {1, 3, 8, 24, 64, 512, 2048})
    for (const int extent : {1, 2, 7, 8, 33, 224})
      for (const int kernel : {1, 2, 3, 5, 7})
        for (int stride = 1; stride <= 4; ++stride)
          for (int padding = 0; padding < kernel; ++padding) {
            if (extent + 2 * padding < kernel) continue;
            const ConvShape s{{channels, extent, extent}, channels, kernel, stride, padding};
            fits(cuda::forward_tile(s, false));
            fits(cuda::input_gradient_tile(s));
            ConvShape stem = s;
            stem.network_input = true;
            fits(cuda::forward_tile(stem, false));
            fits(cuda::forward_tile(stem, true));
          }
  // ResNet-110 at batch 128: two blocks for each of 128 multiprocessors.
  CHECK(cuda::conv_forward_grid<ConvShape{{16, 32, 32}, 16}, Precision::float32>(128).x == 512);
  const auto small = cuda::conv_forward_grid<ConvShape{{32, 16, 16}, 32}, Precision::tf32>(128),
             smallest = cuda::conv_input_gradient_grid<ConvShape{{64, 8, 8}, 64}>(128);
  CHECK(small.x * small.y == 256);
  CHECK(smallest.x * smallest.y == 256);
}

}  // namespace
}  // namespace sdepth::test::convolution_test
