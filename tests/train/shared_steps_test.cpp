// Several processes that make each step together give the bits of one, whatever their number, for every kind
// of layer that adds up over a batch.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/net.hpp>

#include "threads_communicator.hpp"

using namespace sdepth;
using sdepth::test::Meeting;
using sdepth::test::on_ranks;

namespace {

// Batch normalisation, a projection, a bias that is convolved, dropout, pools and two linear layers: all that
// looks beyond an image, or counts images.
using Everything =
    Network<Input<3, 8, 8>, Conv<8>, BN, ReLU,
            StochasticDepth<Residual<Conv<8>, BN, ReLU, Conv<8>, BN>, Uniform<0.7>>, MaxPool<2>,
            ResidualWith<ProjectionShortcut, Conv<16, 3, 2>, BN, ReLU, Conv<16>, BN>,
            Conv<8, 1, 1, Bias::learned>, ReLU, Dropout<0.25>, Linear<12>, ReLU, Linear<4>>;

struct Data {
  std::vector<float> images;
  std::vector<int> labels;
};
[[nodiscard]] Data data_of(int count) {
  Data data;
  unsigned state = 7;
  for (int i = 0; i < count * 192; ++i) {
    state = state * 1664525 + 1013904223;
    data.images.push_back(static_cast<float>(state >> 8) / static_cast<float>(1 << 24) - 0.5F);
  }
  for (int i = 0; i < count; ++i) data.labels.push_back(i * 7 % 4);
  return data;
}

/// What a training leaves, to the bit.
struct Trace {
  std::vector<double> losses;
  std::vector<float> weights, running;
  std::size_t reduced = 0;
  friend bool operator==(const Trace& a, const Trace& b) {
    return a.losses == b.losses && a.weights == b.weights && a.running == b.running;
  }
};

constexpr int batch = 22;  // no multiple of the parts
/// Steps of full batches, one of fewer images than there are parts, and an evaluation. @param share  of each
/// batch, or all
template <class Trainer, class Share>
[[nodiscard]] Trace train(Trainer& trainer, const Share& share) {
  const Data data = data_of(batch);
  const auto part = [&](int count, const auto& use) {
    const Range mine = share(count);
    const auto first = static_cast<std::size_t>(mine.first), size = static_cast<std::size_t>(mine.size());
    return use(NHWC<float>{std::span(data.images).subspan(first * 192, size * 192)},
               std::span(data.labels).subspan(first, size));
  };
  Trace trace;
  for (const int count : {batch, 9, 5, batch, batch})
    part(count, [&](const auto& images, const auto& labels) {
      trace.losses.push_back(trainer.step(images, labels).loss);
      return 0;
    });
  trainer.zero_gradients();
  for (const int count : {batch, 7})  // of two mini-batches
    part(count, [&](const auto& images, const auto& labels) {
      return trainer.compute_gradients(images, labels).images;
    });
  trainer.clip_gradient_norm(0.5);
  trainer.apply();
  const Score score =
      part(batch, [&](const auto& images, const auto& labels) { return trainer.evaluate(images, labels); });
  trace.losses.push_back(score.loss);
  CHECK(score.images == batch);
  const auto weights = trainer.weights()->parameters().span(), running = trainer.weights()->running().span();
  trace.weights.assign(weights.begin(), weights.end());
  trace.running.assign(running.begin(), running.end());
  return trace;
}

template <class Net, class Backend = Cpu<>, class Optimizer = SGD>
void same_for_any_number_of_ranks(
    const typename Trainer<Net, Backend, CrossEntropy, Optimizer>::Options& options) {
  using Alone = Trainer<Net, Backend, CrossEntropy, Optimizer>;
  Alone alone(options);
  const Trace expected = train(alone, [](int count) { return Range{0, count}; });
  for (const int ranks : {1, 2, 4, 8}) {
    CAPTURE(ranks);
    std::vector<Trace> traces(static_cast<std::size_t>(ranks));
    on_ranks(ranks, [&](Meeting::Rank& rank) {
      Alone together(options, rank);
      traces[static_cast<std::size_t>(rank.rank())] =
          train(together, [&](int count) { return together.share().images_of(count); });
    });
    for (const Trace& trace : traces) CHECK(trace == expected);
  }
}

}  // namespace

TEST_CASE("weights, statistics and losses are those of one process, to the bit") {
  same_for_any_number_of_ranks<Everything>({.batch = batch, .threads = 1, .seed = 3});
  SUBCASE("on two threads each, skipped blocks frozen") {
    same_for_any_number_of_ranks<Everything>(
        {.batch = batch, .threads = 2, .seed = 4, .skip_update = SkipUpdate::frozen});
  }
  SUBCASE("with AdamW") {
    same_for_any_number_of_ranks<Everything, Cpu<>, AdamW>({.batch = batch, .threads = 1, .seed = 5});
  }
  SUBCASE("with activations in bfloat16") {
    same_for_any_number_of_ranks<Everything, CpuBfloat16>({.batch = batch, .threads = 1, .seed = 6});
  }
}

TEST_CASE("what a skipped block would add is not sent") {
  using Deep = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU,
                       Repeat<4, StochasticDepth<Residual<Conv<8>, BN, ReLU, Conv<8>, BN>, Uniform<0.5>>>,
                       GlobalAvgPool, Linear<4>>;
  const Data data = data_of(8);
  std::vector<std::uint64_t> sent;
  for (const bool open : {true, false})
    on_ranks(2, [&](Meeting::Rank& rank) {
      Trainer<Deep, Cpu<>> trainer({.batch = 8, .threads = 1}, rank);
      const Range mine = trainer.share().images_of(8);
      const auto first = static_cast<std::size_t>(mine.first), size = static_cast<std::size_t>(mine.size());
      const std::vector<std::uint8_t> gates(4, static_cast<std::uint8_t>(open));
      trainer.step(NHWC<float>{std::span(data.images).subspan(first * 192, size * 192)},
                   std::span(data.labels).subspan(first, size), gates);
      if (rank.rank() == 0) sent.push_back(rank.traffic().summed_bytes);
    });
  CHECK(sent[0] > 5 * sent[1]);
}
