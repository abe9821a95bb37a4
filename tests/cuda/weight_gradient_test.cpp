// The gradient of a convolution's weights and bias on the device against the reference, in both precisions.
#include "../kernels/backends.hpp"

#include <sdepth/activations/gelu.hpp>
#include <sdepth/kernels/cuda/weight_gradient.hpp>

namespace sdepth::test::weight_gradient_test {
namespace {

/// The device's kernel with the functions of a backend that the cases below use.
template <cuda::Precision P>
struct CudaWeightGradient {
  using Stored = float;
  using Context = cuda::Context;
  [[nodiscard]] static constexpr int padded(int channels) noexcept { return cuda::padded(channels); }
  template <ConvShape S, class A>
  static void weight_gradient(Context& context, int batch, const Gradient<float>& gradient,
                              const Source<float>& source, float* weights, float* bias) {
    cuda::conv_weight_gradient<S, P, A>(context, batch, gradient, source, weights, bias);
    context.synchronize();
  }
};
struct ReferenceWeightGradient : Reference {
  template <ConvShape S, class A>
  static void weight_gradient(Context&, int batch, const Gradient<float>& gradient,
                              const Source<float>& source, float* weights, float* bias) {
    const std::vector<float> unused(
        static_cast<std::size_t>(S.kernel * S.kernel * S.in.channels * S.channels_out));
    reference::conv_backward<S, A, float, float>(batch, gradient, source, unused.data(), weights, bias,
                                                 nullptr, nullptr, {});
  }
};

template <class B, ConvShape S, class A = ReLU>
[[nodiscard]] Results run_weight_gradient(int batch, const Pending& pending, bool norm) {
  const std::size_t in_pixels = static_cast<std::size_t>(batch) * S.in.pixels(),
                    out_pixels = static_cast<std::size_t>(batch) * S.out().pixels();
  const auto channels_in = static_cast<std::size_t>(S.in.channels),
             channels_out = static_cast<std::size_t>(S.channels_out);
  RandomSource<B> source(in_pixels, S.in.channels, pending, 1, !S.network_input);
  if (pending.finished) source.set_finished(random_numbers(in_pixels * channels_in, 50), S.in.channels);
  Packed<B> dy(random_numbers(out_pixels * channels_out, 5), S.channels_out),
      y(random_numbers(out_pixels * channels_out, 6), S.channels_out);
  const RandomNorm<B> gradient_norm(S.channels_out, 30);
  Packed<B> weights(static_cast<std::size_t>(S.kernel * S.kernel) * channels_in, S.channels_out),
      bias(1, S.channels_out);
  typename B::Context context(1);
  B::template weight_gradient<S, A>(context, batch,
                                    {dy.data(), y.data(), norm ? gradient_norm.get() : nullptr}, source.get(),
                                    weights.data(), S.bias ? bias.data() : nullptr);
  Results results{{"weight gradient", weights.dense()}};
  if (S.bias) results["bias gradient"] = bias.dense();
  return results;
}

constexpr double float32_tolerance = 2e-6, tf32_tolerance = 2e-3;

/// @tparam WithThree  also by three products of TF32
template <ConvShape S, bool WithThree = false>
void check_both(int batch, const Pending& pending = {.norm = true, .activated = true}, bool norm = true) {
  CAPTURE(batch);
  CAPTURE(S.kernel);
  CAPTURE(S.stride);
  CAPTURE(S.padding);
  CAPTURE(S.in.channels);
  CAPTURE(S.in.height);
  CAPTURE(S.in.width);
  CAPTURE(S.channels_out);
  CAPTURE(pending.norm);
  CAPTURE(pending.shortcut);
  CAPTURE(pending.shortcut_norm);
  CAPTURE(pending.activated);
  CAPTURE(pending.finished);
  const Results expected = run_weight_gradient<ReferenceWeightGradient, S>(batch, pending, norm);
  const Results in_float32 =
      run_weight_gradient<CudaWeightGradient<cuda::Precision::float32>, S>(batch, pending, norm);
  check_close(in_float32, expected, float32_tolerance);
  const Results in_tf32 =
      run_weight_gradient<CudaWeightGradient<cuda::Precision::tf32>, S>(batch, pending, norm);
  check_close(in_tf32, expected, tf32_tolerance);
  if constexpr (WithThree)
    check_close(run_weight_gradient<CudaWeightGradient<cuda::Precision::tf32x3>, S>(batch, pending, norm),
                expected, float32_tolerance);
  // The bias gradient has no product.
  if (S.bias)
    CHECK(relative_error(in_tf32.at("bias gradient"), expected.at("bias gradient")) <= float32_tolerance);
}

/// So many parts that their sums are joined in two rounds, the last group not full; with a bias, and several
/// blocks with different sums.
void check_two_rounds() {
  constexpr ConvShape shape{{17, 40, 40}, 8, 3, 1, 1, true};
  for (const bool tf32 : {false, true}) {
    const cuda::WeightGradientTiling t = cuda::weight_gradient_tiling(shape, tf32);
    CHECK(t.blocks() > 1);
    CHECK(t.parts(3) > 16);
    CHECK(t.parts(3) % 8 != 0);
  }
  check_both<shape>(3, {.activated = true});
}

#if defined(__SANITIZE_THREAD__)
// Races depend on the kind of a shape, not on its numbers, and everything takes ten times as long: several
// parts, several pieces, strides, groups of taps.
TEST_CASE("cuda: the weight gradient has no races") {
  check_both<ConvShape{{20, 12, 18}, 17, 3, 1, 1}>(1);
  check_both<ConvShape{{24, 2, 2}, 40, 3, 1, 1, true}>(7);
  check_both<ConvShape{{17, 9, 8}, 33, 3, 2, 1}>(1);
  check_both<ConvShape{{3, 30, 31}, 20, 11, 4, 2, true, true}>(1, {});
  check_two_rounds();
}
#else
TEST_CASE("cuda: the weight gradients of the CIFAR ResNets agree with the reference") {
  check_both<ConvShape{{3, 32, 32}, 16, 3, 1, 1, false, true}>(1, {});
  check_both<ConvShape{{16, 32, 32}, 16, 3, 1, 1}>(1);
  check_both<ConvShape{{16, 16, 16}, 32, 3, 2, 1}>(2);
  check_both<ConvShape{{32, 16, 16}, 32, 3, 1, 1}>(2);
  check_both<ConvShape{{32, 16, 16}, 64, 1, 2, 0}>(2);
  check_both<ConvShape{{64, 8, 8}, 64, 3, 1, 1}>(3);
}

TEST_CASE("cuda: weight gradients of extents and channels that fill no tile agree with the reference") {
  check_both<ConvShape{{5, 9, 7}, 19, 3, 1, 1, true}>(2);
  check_both<ConvShape{{20, 12, 18}, 17, 3, 1, 1}>(1);
  check_both<ConvShape{{33, 7, 7}, 18, 3, 1, 1, true}, true>(5);
  check_both<ConvShape{{24, 2, 2}, 40, 3, 1, 1, true}>(7);
  check_both<ConvShape{{6, 1, 1}, 70, 3, 1, 1}>(19);
  check_both<ConvShape{{7, 3, 40}, 3, 3, 1, 1}>(2);
  check_both<ConvShape{{16, 9, 6}, 24, 3, 1, 0, true}>(2);
  check_both<ConvShape{{1, 5, 6}, 1, 3, 1, 2}>(9);
  check_both<ConvShape{{2, 6, 5}, 12, 3, 1, 1, true, true}>(3, {});
}

TEST_CASE("cuda: a weight gradient of many parts is joined in two rounds") { check_two_rounds(); }

TEST_CASE("cuda: weight gradients of kernels, strides and paddings of all kinds agree with the reference") {
  check_both<ConvShape{{20, 5, 5}, 40, 1, 1, 0}>(2);
  check_both<ConvShape{{4, 6, 5}, 9, 1, 1, 1, true}>(2);
  check_both<ConvShape{{8, 9, 10}, 12, 5, 1, 2, true}>(2);
  check_both<ConvShape{{17, 9, 8}, 33, 3, 2, 1}, true>(2);
  check_both<ConvShape{{16, 6, 6}, 16, 2, 2, 0}>(2);
  check_both<ConvShape{{5, 10, 9}, 8, 4, 3, 1, true}>(2);
  check_both<ConvShape{{4, 11, 12}, 6, 1, 3, 0}>(2);
  check_both<ConvShape{{16, 17, 18}, 16, 3, 4, 1}>(1);
  check_both<ConvShape{{3, 21, 19}, 10, 7, 2, 3, true, true}, true>(2, {});
  check_both<ConvShape{{16, 15, 15}, 32, 7, 4, 3}>(1);
  check_both<ConvShape{{3, 30, 31}, 20, 11, 4, 2, true, true}>(1, {});  // a row of taps in two groups
  check_both<ConvShape{{8, 8, 8}, 8, 8, 1, 0}>(9);                      // as large as the image
}
#endif

TEST_CASE("cuda: the weight gradient reads every kind of Source and Gradient") {
  for (const Pending& pending : all_pending())
    for (const bool norm : {false, true})
      check_both<ConvShape{{9, 5, 6}, 10, 3, 1, 1, true}>(1, pending, norm);
  check_both<ConvShape{{3, 5, 6}, 10, 3, 1, 1, true, true}>(1, {.norm = true, .activated = true}, false);
}

#if !defined(__SANITIZE_THREAD__)
TEST_CASE("cuda: the weight gradient applies other activations than ReLU") {
  constexpr ConvShape shape{{9, 5, 6}, 10, 3, 1, 1, true}, stem{{3, 5, 6}, 10, 3, 1, 1, true, true};
  using B = CudaWeightGradient<cuda::Precision::float32>;
  using Expected = ReferenceWeightGradient;
  for (const Pending& pending : few_activated)
    check_close(run_weight_gradient<B, shape, GELU>(1, pending, true),
                run_weight_gradient<Expected, shape, GELU>(1, pending, true), 5e-6);
  const Pending& norm = few_activated[0];
  check_close(run_weight_gradient<B, stem, GELU>(1, norm, false),
              run_weight_gradient<Expected, stem, GELU>(1, norm, false), 5e-6);
}
#endif

TEST_CASE_TEMPLATE("cuda: the weight gradient has the same bits every time", B,
                   CudaWeightGradient<cuda::Precision::float32>, CudaWeightGradient<cuda::Precision::tf32>) {
  constexpr ConvShape shape{{16, 20, 18}, 24, 3, 1, 1, true};
  const Results once = run_weight_gradient<B, shape>(3, {.norm = true, .activated = true}, true);
  CHECK(once == run_weight_gradient<B, shape>(3, {.norm = true, .activated = true}, true));
}

/// Whether the 32 lanes of a warp read from 32 banks, where lane (depth, group) reads number at(depth) +
/// group.
template <class At>
[[nodiscard]] bool without_conflicts(const At& at) {
  std::vector<bool> read(32);
  for (int depth = 0; depth < 4; ++depth)
    for (int group = 0; group < 8; ++group) read[static_cast<std::size_t>((at(depth) + group) % 32)] = true;
  return std::count(read.begin(), read.end(), true) == 32;
}

TEST_CASE("cuda: tensor cores get the numbers of a weight gradient without bank conflicts") {
  for (const int stride : {1, 2, 3})
    for (const int kernel : {1, 3, 5, 7})
      for (const int channels : {8, 16, 32, 64})
        for (const int extent : {8, 13, 32, 56}) {
          const cuda::WeightGradientTiling t = cuda::weight_gradient_tiling(
              {{channels, extent, extent}, 2 * channels, kernel, stride, kernel / 2}, true);
          CAPTURE(stride);
          CAPTURE(kernel);
          CAPTURE(channels);
          CAPTURE(extent);
          CHECK(without_conflicts([&](int row) { return row * t.gradient_pitch(); }));
          if (t.tile_height >= 4)
            CHECK(without_conflicts([&](int row) { return row * t.step() * t.band_pitch(); }));
        }
}

TEST_CASE("cuda: the pieces of a weight gradient are those that were meant") {
  constexpr auto blocks = [](const ConvShape& shape, bool tf32) {
    const cuda::WeightGradientTiling t = cuda::weight_gradient_tiling(shape, tf32);
    return t.blocks() * t.parts(128);
  };
  for (const bool tf32 : {false, true}) {
    for (const ConvShape& shape : {ConvShape{{16, 32, 32}, 16, 3, 1, 1}, ConvShape{{32, 16, 16}, 32, 3, 1, 1},
                                   ConvShape{{64, 8, 8}, 64, 3, 1, 1}})
      CHECK(blocks(shape, tf32) == 256);
    // No shape has more shared memory or threads than every device can give it.
    for (const int channels : {1, 3, 8, 16, 24, 64, 512})
      for (const int kernel : {1, 2, 3, 5, 7, 11})
        for (const int stride : {1, 2, 3, 4}) {
          const cuda::WeightGradientTiling t =
              cuda::weight_gradient_tiling({{channels, 56, 56}, channels, kernel, stride, kernel / 2}, tf32);
          CAPTURE(channels);
          CAPTURE(kernel);
          CAPTURE(stride);
          CHECK(t.shared_size(true, true) <= 16384);
          CHECK(t.threads() <= 256);
          if (!tf32) continue;
          CHECK(t.threads() == t.warps_of_slice() * t.tensor_slices() * 32);
          CHECK(t.tile_width % t.tensor_slices() == 0);
        }
  }
}

}  // namespace
}  // namespace sdepth::test::weight_gradient_test
