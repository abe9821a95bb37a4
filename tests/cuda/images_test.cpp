// Images on their way from an upload buffer to a walk's input, on the device against the host's.
#include <sdepth/kernels/cuda/images.hpp>
#include <sdepth/run/images.hpp>

#include "points.hpp"

namespace sdepth::test::images_test {
namespace {

template <template <class> class Layout, class T>
void check_images(Shape shape, int batch, int stride) {
  CAPTURE(shape.channels);
  CAPTURE(stride);
  std::vector<T> numbers(static_cast<std::size_t>(batch) * shape.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<T>(i * 37 % 256);
  const std::size_t size =
      static_cast<std::size_t>(batch) * shape.pixels() * static_cast<std::size_t>(stride);
  std::vector<float> expected(size, 0.0F), found(size + 4, -1.0F);
  detail::copy_images(shape, Layout<T>{numbers}, 0, batch, static_cast<std::size_t>(stride), expected.data());
  expected.resize(size + 4, -1.0F);  // what lies behind is left alone
  cuda::Context context;
  constexpr bool last = std::is_same_v<Layout<T>, NHWC<T>>;
  cuda::copy_images(context, shape, last ? cuda::ImageOrder::channels_last : cuda::ImageOrder::channels_first,
                    batch, numbers.data(), stride, found.data());
  context.synchronize();
  CHECK(found == expected);
}

TEST_CASE("cuda: images arrive as on the host, to the bit, whatever their order, type and stride") {
  for (const Shape shape : {Shape{3, 5, 7}, Shape{1, 4, 4}, Shape{9, 3, 3}})
    for (const int stride : {shape.channels, round_up(shape.channels, 8), shape.channels + 1})
      for (const int batch : {1, 3, 9}) {
        check_images<NHWC, std::uint8_t>(shape, batch, stride);
        check_images<NCHW, std::uint8_t>(shape, batch, stride);
        check_images<NHWC, float>(shape, batch, stride);
        check_images<NCHW, float>(shape, batch, stride);
      }
}

TEST_CASE("cuda: a batch of more numbers than an index holds is an error") {
  cuda::Context context;
  CHECK_THROWS_WITH_AS(
      (cuda::copy_images<float, float>(context, {3, 1024, 1024}, cuda::ImageOrder::channels_last, 1 << 20,
                                       nullptr, 3, nullptr)),
      doctest::Contains("use a smaller batch"), Error);
}

}  // namespace
}  // namespace sdepth::test::images_test
