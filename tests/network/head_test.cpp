// What counts as a network's end in one number per class.
#include <doctest/doctest.h>

#include <sdepth/models/cifar_resnet.hpp>
#include <sdepth/network/head.hpp>

using namespace sdepth;

namespace {

template <class... Words>
using Net = Network<Input<3, 8, 8>, Conv<16>, BN, ReLU, Words...>;
using Block = BasicBlock<16>;

}  // namespace

TEST_CASE("a Linear, or a convolution to classes before a pool, ends a network that can be trained") {
  CHECK(head_error<CifarResNet<14>>() == HeadError::none);
  CHECK(head_error<Net<Block, GlobalAvgPool, Linear<10>>>() == HeadError::none);
  CHECK(head_error<Net<Block, Linear<10>, BN>>() == HeadError::none);
  CHECK(head_error<Net<Block, Conv<10, 1, 1, Bias::learned>, GlobalAvgPool>>() == HeadError::none);
  // as in Network in Network
  CHECK(head_error<Net<Block, Conv<10, 1>, BN, ReLU, GlobalAvgPool>>() == HeadError::none);
  CHECK(head_error<Net<Block, Conv<10>, AvgPool<8>>>() == HeadError::none);
  CHECK(head_error<Net<Block, GlobalAvgPool, Conv<10, 1>>>() == HeadError::none);
  // sees the whole image, as a Linear does
  CHECK(head_error<Net<Block, Conv<10, 8, 1, Bias::learned, 0>, BN>>() == HeadError::none);
}

TEST_CASE("features are no classes, but may be predicted") {
  CHECK(head_error<Net<Block, GlobalAvgPool>>() == HeadError::features);
  CHECK(head_error<Net<Repeat<2, Block>, ReLU, AvgPool<8>>>() == HeadError::features);
  CHECK(head_error<Net<GlobalAvgPool>>() == HeadError::features);
  CHECK(head_error<Network<Input<3, 8, 8>, GlobalAvgPool>>() == HeadError::features);
  CHECK(head_error<Net<Linear<16>, ReLU, Residual<Linear<16>>>>() == HeadError::features);
  CHECK(output_error<Net<Block, GlobalAvgPool>>() == HeadError::none);
  CHECK(output_error<Net<Block>>() == HeadError::many_numbers);
  CHECK(head_error<Net<Block>>() == HeadError::many_numbers);
}
