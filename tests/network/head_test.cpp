// What counts as a network's end in one number per class.
#include <doctest/doctest.h>

#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/head.hpp>

namespace sdepth::test::head_test {

namespace {

template <class... Words>
using Net = Network<Input<3, 8, 8>, Conv<16>, BN, ReLU, Words...>;
using Block = BasicBlock<16>;

}  // namespace

TEST_CASE("a Linear, or a convolution to classes before a pool, ends a network that can be trained") {
  CHECK(detail::head_error<CifarResNet<14>>() == detail::HeadError::none);
  CHECK(detail::head_error<Net<Block, GlobalAvgPool, Linear<10>>>() == detail::HeadError::none);
  CHECK(detail::head_error<Net<Block, Linear<10>, BN>>() == detail::HeadError::none);
  CHECK(detail::head_error<Net<Block, Conv<10, 1, 1, Bias::learned>, GlobalAvgPool>>() ==
        detail::HeadError::none);
  // as in Network in Network
  CHECK(detail::head_error<Net<Block, Conv<10, 1>, BN, ReLU, GlobalAvgPool>>() == detail::HeadError::none);
  CHECK(detail::head_error<Net<Block, Conv<10>, AvgPool<8>>>() == detail::HeadError::none);
  CHECK(detail::head_error<Net<Block, GlobalAvgPool, Conv<10, 1>>>() == detail::HeadError::none);
  // sees the whole image, as a Linear does
  CHECK(detail::head_error<Net<Block, Conv<10, 8, 1, Bias::learned, 0>, BN>>() == detail::HeadError::none);
}

TEST_CASE("features are no classes, but may be predicted") {
  CHECK(detail::head_error<Net<Block, GlobalAvgPool>>() == detail::HeadError::features);
  CHECK(detail::head_error<Net<Repeat<2, Block>, ReLU, AvgPool<8>>>() == detail::HeadError::features);
  CHECK(detail::head_error<Net<GlobalAvgPool>>() == detail::HeadError::features);
  CHECK(detail::head_error<Network<Input<3, 8, 8>, GlobalAvgPool>>() == detail::HeadError::features);
  CHECK(detail::head_error<Net<Linear<16>, ReLU, Residual<Linear<16>>>>() == detail::HeadError::features);
  CHECK(detail::output_error<Net<Block, GlobalAvgPool>>() == detail::HeadError::none);
  CHECK(detail::output_error<Net<Block>>() == detail::HeadError::many_numbers);
  CHECK(detail::head_error<Net<Block>>() == detail::HeadError::many_numbers);
}

}  // namespace sdepth::test::head_test
