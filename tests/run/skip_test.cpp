// A skipped block is an alias: nothing of it is run, read or written, forward, backward or in the optimizer.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/run/block.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

#include "backends.hpp"

namespace sdepth::test::skip_test {

namespace {

using Block = Residual<Conv<8>, BN, ReLU, Conv<8>, BN>;
using Down = Residual<Conv<16, 3, 2>, BN, ReLU, Conv<16>, BN>;
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Repeat<3, StochasticDepth<Block, Uniform<0.5>>>,
                    StochasticDepth<Down, Uniform<0.5>>, GlobalAvgPool, Linear<4>>;

struct Data {
  std::vector<float> images;
  std::vector<int> labels;
};
Data some_data(int count) {
  Data data{std::vector<float>(static_cast<std::size_t>(count) * 3 * 64),
            std::vector<int>(static_cast<std::size_t>(count))};
  for (std::size_t i = 0; i < data.images.size(); ++i)
    data.images[i] = static_cast<float>(uniform(random_words(7, Purpose::synthetic, i, 0)[0])) - 0.5f;
  for (std::size_t n = 0; n < data.labels.size(); ++n) data.labels[n] = static_cast<int>(n % 4);
  return data;
}

template <class Backend>
std::vector<typename Backend::Scalar> numbers_of_block(const Trainer<Net, Backend>& trainer, int block) {
  std::vector<typename Backend::Scalar> all;
  const auto& weights = *trainer.weights();
  for (const ParameterInfo& tensor : weights.tensors()) {
    if (tensor.block != block) continue;
    const auto* first =
        (tensor.trainable() ? weights.parameters() : weights.running()).data() + tensor.offset;
    all.insert(all.end(), first, first + tensor.size);
  }
  return all;
}

}  // namespace

TEST_CASE_TEMPLATE(
    "a closed block's output is its input: the same pointer, no memory taken, its record untouched", Backend,
    AND_CPU(Reference)) {
  using T = typename Backend::Scalar;
  using Blocks =
      detail::Lowering<Chain<StochasticDepth<Block, Uniform<0.5>>>, Shape{8, 8, 8}, ReLU>::type::First;
  using BlockStage = detail::TrainingBlock<Backend, Blocks>;
  typename Backend::Context context(1);
  Arena activations(1 << 20), norms(1 << 20);
  detail::Slots<T> slots(4096);
  detail::Pass<Backend> pass{context, activations, norms, slots};
  pass.batch = 2;
  pass.training = true;
  const std::uint8_t closed = 0;
  pass.gates = &closed;

  Buffer<T> raw(4096), previous(4096);
  detail::NormState<T> norm;
  detail::PendingValue<T> value;
  value.x = raw.data();
  value.shortcut = previous.data();
  value.norm = &norm;
  value.activated = true;
  const detail::PendingValue<T> before = value;

  typename BlockStage::Record record;
  BlockStage::forward(pass, {}, record, value);
  CHECK(std::memcmp(&value, &before, sizeof value) == 0);
  CHECK(activations.used() == 0);
  CHECK(norms.used() == 0);
  CHECK(record.input.x == nullptr);
  CHECK(record.finished_input.x == nullptr);

  detail::GradientFlow<T> flow{slots.take(), {}, nullptr, nullptr};
  flow.gradient = {flow.dy, raw.data(), &norm};
  const detail::GradientFlow<T> flow_before = flow;
  BlockStage::backward(pass, {}, record, flow);
  CHECK(std::memcmp(&flow, &flow_before, sizeof flow) == 0);
}

TEST_CASE_TEMPLATE("skipped blocks keep gradients, running statistics and frozen parameters to the byte",
                   Backend, AND_CPU(Reference)) {
  const Data data = some_data(6);
  const std::vector<std::uint8_t> gates = {1, 0, 1, 0};
  for (const SkipUpdate policy : {SkipUpdate::frozen, SkipUpdate::as_code}) {
    TrainingOptions options;
    options.batch = 6;
    options.skip_update = policy;
    Trainer<Net, Backend> trainer(options);
    const std::vector<std::uint8_t> all(4, 1);
    trainer.step(NHWC<float>{data.images}, data.labels, all);  // momentum is no longer zero

    // A poison pattern in the gradients of what is going to be skipped.
    auto& gradients = const_cast<Buffer<typename Backend::Scalar>&>(trainer.gradients());
    for (const ParameterInfo& tensor : trainer.weights()->tensors())
      if (tensor.trainable() && tensor.block >= 0 && !gates[static_cast<std::size_t>(tensor.block)])
        std::fill_n(gradients.data() + tensor.offset, tensor.size, 12345.0f);
    std::vector<std::vector<float>> before;
    for (int block = 0; block < 4; ++block) before.push_back(numbers_of_block(trainer, block));
    const std::vector<float> running(
        trainer.weights()->running().data(),
        trainer.weights()->running().data() + trainer.weights()->running().size());

    trainer.step(NHWC<float>{data.images}, data.labels, gates);
    for (const ParameterInfo& tensor : trainer.weights()->tensors()) {
      CAPTURE(tensor.name);
      const bool skipped = tensor.block >= 0 && !gates[static_cast<std::size_t>(tensor.block)];
      if (tensor.trainable() && skipped)
        CHECK(std::all_of(gradients.data() + tensor.offset, gradients.data() + tensor.offset + tensor.size,
                          [](float g) { return g == 12345.0f; }));
      if (!tensor.trainable())
        CHECK(std::equal(running.data() + tensor.offset, running.data() + tensor.offset + tensor.size,
                         trainer.weights()->running().data() + tensor.offset) == skipped);
    }
    for (int block = 0; block < 4; ++block)
      if (policy == SkipUpdate::frozen)
        CHECK((numbers_of_block(trainer, block) == before[static_cast<std::size_t>(block)]) ==
              !gates[static_cast<std::size_t>(block)]);
      else
        CHECK(numbers_of_block(trainer, block) != before[static_cast<std::size_t>(block)]);
  }
}

TEST_CASE_TEMPLATE("skipped blocks take no activation memory, and every gradient slot comes back", Backend,
                   AND_CPU(Reference)) {
  const Data data = some_data(4);
  TrainingOptions options;
  options.batch = 4;
  Trainer<Net, Backend> trainer(options);
  std::vector<std::size_t> bytes;
  for (const std::vector<std::uint8_t>& gates :
       {std::vector<std::uint8_t>{1, 1, 1, 1}, {1, 0, 1, 1}, {0, 0, 0, 1}, {0, 0, 0, 0}, {1, 1, 1, 0}}) {
    trainer.step(NHWC<float>{data.images}, data.labels, gates);
    bytes.push_back(trainer.walk().activation_bytes());
    CHECK(trainer.walk().slots_all_free());
  }
  const std::size_t tensor = static_cast<std::size_t>(Backend::padded(8)) * 64 * 4 * sizeof(float);
  CHECK(bytes[0] - bytes[1] == 3 * tensor);  // two raw outputs and the finished input
  CHECK(bytes[0] - bytes[2] == 9 * tensor);
  CHECK(bytes[3] < bytes[2]);
  static_cast<void>(trainer.evaluate(NHWC<float>{data.images}, data.labels));
  CHECK(trainer.walk().slots_all_free());
}

}  // namespace sdepth::test::skip_test
