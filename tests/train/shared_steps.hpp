// A training by any number of processes, which are threads here, and what it leaves: for tests that it is
// that of one.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <sdepth/core/communicator.hpp>
#include <sdepth/losses/cross_entropy.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/optimizers/sgd.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

#include "threads_communicator.hpp"

namespace sdepth::test {

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
[[nodiscard]] inline Data data_of(int count) {
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

inline constexpr int shared_batch = 22;  // no multiple of the parts
/// Steps of full batches, one of fewer images than there are parts, and an evaluation. @param share  of each
/// batch, or all
template <class Trainer, class Share>
[[nodiscard]] Trace train(Trainer& trainer, const Share& share) {
  const Data data = data_of(shared_batch);
  const auto part = [&](int count, const auto& use) {
    const Range mine = share(count);
    const auto first = static_cast<std::size_t>(mine.first), size = static_cast<std::size_t>(mine.size());
    return use(NHWC<float>{std::span(data.images).subspan(first * 192, size * 192)},
               std::span(data.labels).subspan(first, size));
  };
  Trace trace;
  for (const int count : {shared_batch, 9, 5, shared_batch, shared_batch})
    part(count, [&](const auto& images, const auto& labels) {
      trace.losses.push_back(trainer.step(images, labels).loss);
      return 0;
    });
  trainer.zero_gradients();
  for (const int count : {shared_batch, 7})  // of two mini-batches
    part(count, [&](const auto& images, const auto& labels) {
      return trainer.compute_gradients(images, labels).images;
    });
  trainer.clip_gradient_norm(0.5);
  trainer.apply();
  const Score score = part(
      shared_batch, [&](const auto& images, const auto& labels) { return trainer.evaluate(images, labels); });
  trace.losses.push_back(score.loss);
  CHECK(score.images == shared_batch);
  const auto& weights = std::as_const(*trainer.weights());
  trace.weights.assign(weights.parameters().data(),
                       weights.parameters().data() + weights.parameters().size());
  trace.running.assign(weights.running().data(), weights.running().data() + weights.running().size());
  return trace;
}

/// Of one process that has no others.
template <class Net, class Backend, class Optimizer = SGD>
[[nodiscard]] Trace train_alone(
    const typename Trainer<Net, Backend, CrossEntropy, Optimizer>::Options& options) {
  Trainer<Net, Backend, CrossEntropy, Optimizer> alone(options);
  return train(alone, [](int count) { return Range{0, count}; });
}
/// Of one that takes its batches as several would.
template <class Net, class Backend, class Optimizer = SGD>
[[nodiscard]] Trace train_in_parts(
    const typename Trainer<Net, Backend, CrossEntropy, Optimizer>::Options& options) {
  Alone no_others;
  Trainer<Net, Backend, CrossEntropy, Optimizer> alone(options, no_others);
  return train(alone, [](int count) { return Range{0, count}; });
}
/// Of each of so many. @param prepare  called on each of their threads first, which then take turns: for
/// emulated devices, which stand beside each other but may not be used at once
template <class Net, class Backend, class Optimizer = SGD>
[[nodiscard]] std::vector<Trace> train_together(
    int ranks, const typename Trainer<Net, Backend, CrossEntropy, Optimizer>::Options& options,
    bool local_norms = false, void (*prepare)(int rank) = nullptr, bool far = false) {
  std::vector<Trace> traces(static_cast<std::size_t>(ranks));
  on_ranks(
      ranks,
      [&](Meeting::Rank& rank) {
        if (prepare) prepare(rank.rank());
        Trainer<Net, Backend, CrossEntropy, Optimizer> together(options, rank, local_norms);
        traces[static_cast<std::size_t>(rank.rank())] =
            train(together, [&](int count) { return together.share().images_of(count); });
      },
      far, prepare != nullptr);
  return traces;
}

}  // namespace sdepth::test
