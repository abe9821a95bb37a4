// Convolutions of all kinds of shapes on every backend against the reference.
#include "stage_cases.hpp"

namespace sdepth::test::convolution_test {
namespace {

TEST_CASE_TEMPLATE_DEFINE("the convolutions of the CIFAR ResNets agree with the reference", B,
                          residual_network_convolutions) {
  check_convolution<B, ConvShape{{3, 32, 32}, 16, 3, 1, 1, false, true}>(3);
  check_convolution<B, ConvShape{{16, 32, 32}, 16, 3, 1, 1}>(2);
  check_convolution<B, ConvShape{{16, 32, 32}, 32, 3, 2, 1}>(2);
  check_convolution<B, ConvShape{{32, 16, 16}, 32, 3, 1, 1}>(9);
  check_convolution<B, ConvShape{{32, 16, 16}, 64, 1, 2, 0}>(3);
  check_convolution<B, ConvShape{{64, 8, 8}, 64, 3, 1, 1}>(10);
}
TEST_CASE_TEMPLATE_APPLY(residual_network_convolutions, Backends);

TEST_CASE_TEMPLATE_DEFINE("extents and channels that fill no block or vector agree with the reference", B,
                          remainders) {
  check_convolution<B, ConvShape{{5, 9, 7}, 19, 3, 1, 1, true}>(2);
  check_convolution<B, ConvShape{{20, 28, 28}, 17, 3, 1, 1}>(1);
  check_convolution<B, ConvShape{{16, 14, 14}, 48, 3, 1, 1}>(2);
  check_convolution<B, ConvShape{{33, 7, 7}, 17, 3, 1, 1, true}>(10);
  check_convolution<B, ConvShape{{64, 2, 2}, 40, 3, 1, 1}>(3);
  check_convolution<B, ConvShape{{6, 1, 1}, 70, 3, 1, 1}>(3);
  check_convolution<B, ConvShape{{7, 3, 40}, 3, 3, 1, 1}>(2);
  check_convolution<B, ConvShape{{16, 9, 6}, 24, 3, 1, 0, true}>(2);
  check_convolution<B, ConvShape{{18, 5, 6}, 16, 3, 1, 2}>(9);
}
TEST_CASE_TEMPLATE_APPLY(remainders, Backends);

TEST_CASE_TEMPLATE_DEFINE("kernels, strides and paddings of all kinds agree with the reference", B,
                          geometries) {
  check_convolution<B, ConvShape{{20, 5, 5}, 40, 1, 1, 0}>(2);
  check_convolution<B, ConvShape{{4, 6, 5}, 9, 1, 1, 1}>(2);
  check_convolution<B, ConvShape{{9, 6, 6}, 7, 3, 1, 0}>(2);
  check_convolution<B, ConvShape{{8, 5, 6}, 8, 3, 1, 2}>(2);
  check_convolution<B, ConvShape{{8, 9, 10}, 12, 5, 1, 2, true}>(2);
  check_convolution<B, ConvShape{{17, 9, 8}, 33, 3, 2, 1}>(2);
  check_convolution<B, ConvShape{{16, 6, 6}, 16, 2, 2, 0}>(2);
  check_convolution<B, ConvShape{{5, 10, 9}, 8, 4, 3, 1, true}>(2);
  check_convolution<B, ConvShape{{4, 11, 12}, 6, 1, 3, 0}>(2);
  check_convolution<B, ConvShape{{3, 21, 19}, 10, 7, 2, 3, true, true}>(2);
}
TEST_CASE_TEMPLATE_APPLY(geometries, Backends);

// Weights of 256 output channels and more are packed where they do not fit half of L2, and images are read
// together: those that fill a group and those that do not, cuts with and without a smaller block at their
// end, Winograd and direct kernels. The smaller L2 packs what a larger one leaves as it is.
TEST_CASE("weights too large for the caches are packed, and agree with the reference") {
  using SmallCaches =
      Cpu<xsimd::default_arch, cpu::FastestOn<cpu::Caches{.l1 = 8 << 10, .l2 = 16 << 10}>, float, 1>;
  using Arch = xsimd::default_arch;
  constexpr ConvShape winograd{{16, 7, 7}, 264, 3, 1, 1}, direct{{24, 5, 6}, 257, 3, 2, 1, true},
      point{{40, 7, 7}, 272, 1, 1, 0};
  constexpr cpu::Caches caches{.l1 = 8 << 10, .l2 = 16 << 10};
  static_assert(cpu::WinogradKernels<Arch, winograd, caches>::Forward::packs &&
                cpu::WinogradKernels<Arch, winograd, caches>::Forward::images == 4);
  static_assert(cpu::DirectKernels<Arch, direct, caches>::Forward::packs &&
                cpu::DirectKernels<Arch, point, caches>::Forward::packs);
  static_assert(!cpu::DirectKernels<Arch, point, cpu::Caches{}>::Forward::packs);
  static_assert(!cpu::WinogradKernels<Arch, ConvShape{{64, 8, 8}, 64, 3, 1, 1}, caches>::Forward::packs);
  check_convolution<SmallCaches, winograd>(9);
  check_convolution<SmallCaches, ConvShape{{264, 6, 7}, 16, 3, 1, 1}>(5);
  check_convolution<SmallCaches, direct>(2);
  check_convolution<SmallCaches, point>(2);
  check_convolution<Cpu<>, ConvShape{{256, 7, 7}, 256, 3, 1, 1}>(5);
  check_convolution<Cpu<>, ConvShape{{128, 5, 5}, 264, 3, 2, 1}>(2);
}

TEST_CASE("direct kernels can be asked for where Winograd would be taken") {
  using OnlyDirect = Cpu<xsimd::default_arch, cpu::Direct>;
  constexpr ConvShape shape{{32, 16, 16}, 32, 3, 1, 1};
  static_assert(cpu::winograd_pays(shape));
  check_convolution<OnlyDirect, shape>(3);
  const Results direct = run_conv_forward<OnlyDirect, shape>(3, 1, {}),
                fastest = run_conv_forward<Cpu<>, shape>(3, 1, {});
  CHECK(relative_error(direct.at("out"), run_conv_forward<Reference, shape>(3, 1, {}).at("out")) < 5e-7);
  CHECK(direct.at("out") != fastest.at("out"));
}

}  // namespace
}  // namespace sdepth::test::convolution_test
