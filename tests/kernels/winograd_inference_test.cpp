// Winograd's kernel of inference, which makes rows of U in registers, on every instruction set: fast or not,
// it computes the convolution.
#include <algorithm>
#include <vector>

#include "inference_tensor.hpp"
#include "stage_cases.hpp"

namespace sdepth::test::winograd_inference_test {
namespace {

/// WinogradInference for every shape that Winograd can run.
struct RowsOfU {
  template <class Arch, ConvShape S>
  struct Kernels : cpu::WinogradKernels<Arch, S, cpu::default_caches<Arch>> {
    template <cpu::Scratch From>
    using ForwardFrom =
        cpu::WinogradInference<Arch, From, cpu::output_image<Arch, S>, S.in.channels, S.channels_out>;
  };
};

/// Outputs [count, H, W, C] of a convolution, `at_once` images in a call.
template <class B, ConvShape S>
[[nodiscard]] std::vector<float> convolve(const std::vector<float>& images, std::size_t at_once) {
  using Conv = typename B::ForInference::template Conv<S>;
  using In = InferenceTensor<B, S.in>;
  using Out = InferenceTensor<B, S.out()>;
  const std::size_t count = images.size() / S.in.size();
  const Packed<B> weights(
      random_numbers(static_cast<std::size_t>(S.kernel * S.kernel * S.in.channels * S.channels_out), 2),
      S.channels_out);
  Packed<B> from = weights, bias(random_numbers(static_cast<std::size_t>(S.channels_out), 3), S.channels_out);
  std::vector<float> numbers(Conv::size), work(Conv::work_size + 1), x, y(count * Out::layout.size), all;
  Conv::prepare(from.data(), bias.data(), numbers.data());
  for (std::size_t n = 0; n < count; ++n) {
    const float* image = images.data() + n * S.in.size();
    const In tensor(std::vector<float>(image, image + S.in.size()));
    x.insert(x.end(), tensor.numbers.begin(), tensor.numbers.end());
  }
  for (std::size_t n = 0; n < count; n += at_once)
    Conv::template run<Ending{.activated = true}, ReLU, ReLU>(static_cast<int>(std::min(at_once, count - n)),
                                                              x.data() + n * In::layout.size, numbers.data(),
                                                              y.data() + n * Out::layout.size, work.data());
  for (std::size_t n = 0; n < count; ++n) {
    Out out;
    std::copy_n(y.data() + n * Out::layout.size, Out::layout.size, out.numbers.begin());
    const std::vector<float> dense = out.dense();
    all.insert(all.end(), dense.begin(), dense.end());
  }
  return all;
}

/// Relative errors were 4.5e-7 to 9.1e-7 where they were measured, the largest for 64 channels.
template <ConvShape S>
void check_shape() {
  CAPTURE(S.in.channels);
  CAPTURE(S.in.height);
  using B = Cpu<xsimd::default_arch, RowsOfU>;
  const std::vector<float> images = random_numbers(5 * S.in.size(), 1);
  const std::vector<float> expected = convolve<Reference, S>(images, 1), alone = convolve<B, S>(images, 1);
  const double error = relative_error(alone, expected);
  MESSAGE(S.in.channels, " to ", S.channels_out, " channels: ", error);
  CHECK(error < 1.5e-6);
  for (const std::size_t at_once : {2U, 3U, 5U}) CHECK(convolve<B, S>(images, at_once) == alone);
}

TEST_CASE(
    "rows of U made in registers compute the convolution, with the same bits for an image in any group") {
  check_shape<ConvShape{{16, 32, 32}, 16, 3, 1, 1}>();
  check_shape<ConvShape{{64, 8, 8}, 64, 3, 1, 1}>();
  check_shape<ConvShape{{21, 7, 9}, 33, 3, 1, 1}>();   // tiles beyond the image, channels that fill no vector
  check_shape<ConvShape{{18, 12, 4}, 16, 3, 1, 0}>();  // 2 and 3 tiles to a block, on a copy of the image
}

}  // namespace
}  // namespace sdepth::test::winograd_inference_test
