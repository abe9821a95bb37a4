// What must agree about a network, whichever it is: the backends' numbers with those of the reference in
// double, inference with the walk, and to the bit threads, halves of a step, processes and batches.
//
// draw.py writes programs that include this for networks that it draws.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/cuda.hpp>  // emulated: see draw.py
#include <sdepth/core/philox.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/net.hpp>
#include <sdepth/network/layout.hpp>

#include "../train/threads_communicator.hpp"

namespace sdepth::test {

/// Numbers with names, as PyTorch has them: without padding, so that backends can be compared.
using Named = std::vector<std::pair<std::string, std::vector<float>>>;

/// What a training leaves of a network.
struct Trace {
  std::vector<double> losses;
  Named gradients, weights;  // the gradients are those of the first step
  std::vector<float> logits, fewer_logits;
  bool operator==(const Trace&) const = default;
};

/// Counts what does not agree, and says it.
class Verdict {
 public:
  explicit Verdict(const char* network) : network_(network) {}
  void wrong(const std::string& what, double distance) {
    std::printf("%s: %s: %.3g\n", network_, what.c_str(), distance);
    ++wrong_;
  }
  void equal(const std::string& what, const Trace& a, const Trace& b) {
    if (!(a == b)) wrong(what + ": other bits", 1);
  }
  /// ‖a − b‖ ≤ 0.005 max(‖b‖, least).
  void near(const std::string& what, const std::vector<float>& a, const std::vector<float>& b, double least) {
    double difference = 0, norm = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
      difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
      norm += std::pow(static_cast<double>(b[i]), 2);
    }
    const double distance = std::sqrt(difference) / std::max(std::sqrt(norm), least);
    if (!(distance <= 0.005)) wrong(what, distance);
  }
  void near(const std::string& what, const Trace& a, const Trace& b) {
    double all = 0;
    for (const auto& [name, values] : b.gradients)
      for (const float v : values) all += std::pow(static_cast<double>(v), 2);
    for (std::size_t i = 0; i < b.gradients.size();
         ++i)  // some are zero but for rounding, as in front of a norm
      near(what + ": gradient of " + b.gradients[i].first, a.gradients[i].second, b.gradients[i].second,
           1e-3 * std::sqrt(all));
    for (std::size_t i = 0; i < b.weights.size(); ++i)
      near(what + ": " + b.weights[i].first, a.weights[i].second, b.weights[i].second, 0.01);
    near(what + ": logits", a.logits, b.logits, 0.01);
    near(what + ": logits without some blocks", a.fewer_logits, b.fewer_logits, 0.01);
  }
  [[nodiscard]] int count() const { return wrong_; }

 private:
  const char* network_;
  int wrong_ = 0;
};

template <class Net>
class Agreement {
  static constexpr int images = 22;  // no multiple of the parts of a batch
  static constexpr std::size_t blocks = Net::residual_blocks, gates_per_block = Net::per_sample ? images : 1;

 public:
  Agreement(const char* network, std::uint64_t seed) : verdict_(network) {
    const auto number = [&](std::uint64_t i, std::uint32_t what) {
      return uniform(random_words(seed, Purpose::synthetic, i, what)[0]);
    };
    options_.batch = images;
    options_.threads = 1;
    options_.seed = seed;
    options_.sgd.learning_rate = 0.02;
    options_.scaling = seed % 3 == 0 ? Scaling::train : Scaling::test;
    options_.gamma = GammaInit::uniform;
    for (std::size_t i = 0; i < images * Net::input.size(); ++i)
      pixels_.push_back(static_cast<float>(2 * number(i, 0) - 1));
    for (int n = 0; n < images; ++n) labels_.push_back(n * 7 % static_cast<int>(Net::output.size()));
    for (std::size_t block = 0; block < blocks; ++block) {
      const bool own = Net::gating[block] != Gating::per_batch,
                 may_close = may_drop<Net>(static_cast<int>(block));
      for (std::size_t n = 0; n < gates_per_block; ++n)
        gates_.push_back(Net::fixed[block] ? Net::survival[block] > 0
                         : Net::stochastic[block]
                             ? number(own ? n : 0, static_cast<std::uint32_t>(block + 1)) < 0.5
                             : true);
      plan_.keep.push_back(!may_close || number(block, 1'000'000) < 0.5);
    }
  }

  /// How much does not agree.
  [[nodiscard]] int run() {
    try {
      Trainer<Net, BasicReference<double>> trainer(options_);
      const Trace reference = train(trainer), cpu = on<Cpu<>>("cpu", reference);
      on<Cpu<xsimd::default_arch, cpu::Direct>>("cpu, direct", reference);
      on<Cuda<>>("cuda", reference);
      to_the_bit(cpu);
    } catch (const std::exception& error) {
      verdict_.wrong(error.what(), 1);
    }
    return verdict_.count();
  }

 private:
  /// Steps with given and with drawn gates, of whole batches and of one with fewer images than parts.
  template <class Trainer>
  [[nodiscard]] Trace train(Trainer& trainer, bool in_halves = false) const {
    Trace trace;
    for (const int count : {images, images, 5}) {
      const Range mine = trainer.share().images_of(count);
      const auto first = static_cast<std::size_t>(mine.first), size = static_cast<std::size_t>(mine.size());
      const NHWC<float> part{std::span(pixels_).subspan(first * Net::input.size(), size * Net::input.size())};
      const auto labels = std::span(labels_).subspan(first, size);
      const bool given = trainer.steps() == 0;
      if (in_halves) {
        trace.losses.push_back((given ? trainer.compute_gradients(part, labels, gates_)
                                      : trainer.compute_gradients(part, labels))
                                   .loss);
        trainer.apply();
      } else {
        trace.losses.push_back(
            (given ? trainer.step(part, labels, gates_) : trainer.step(part, labels)).loss);
      }
      for (const ParameterInfo& tensor : trainer.weights()->tensors())
        if (given && tensor.trainable())
          trace.gradients.emplace_back(tensor.name,
                                       to_pytorch(tensor, std::as_const(trainer).gradients().data()));
    }
    const auto& weights = std::as_const(*trainer.weights());
    for (const ParameterInfo& tensor : weights.tensors())
      trace.weights.emplace_back(
          tensor.name,
          to_pytorch(tensor, tensor.trainable() ? weights.parameters().data() : weights.running().data()));
    trace.logits = trainer.predict(NHWC<float>{pixels_});
    trace.fewer_logits = trainer.predict(NHWC<float>{pixels_}, plan_);
    return trace;
  }
  /// A backend's training and inference.
  template <class Backend>
  Trace on(const std::string& backend, const Trace& reference) {
    Trainer<Net, Backend> trainer(options_);
    Trace trace = train(trainer);
    verdict_.near(backend, trace, reference);
    const auto logits = [&](int batch, int threads, const DepthPlan& plan) {
      return Inference<Net, Backend>(
                 trainer.weights(),
                 {.scaling = options_.scaling, .batch = batch, .threads = threads, .plan = plan})
          .predict(NHWC<float>{pixels_});
    };
    const std::vector<float> whole = logits(images, 1, {});
    verdict_.near(backend + ": inference", whole, trace.logits, 0.01);
    verdict_.near(backend + ": inference without some blocks", logits(images, 1, plan_), trace.fewer_logits,
                  0.01);
    if (logits(1, 1, {}) != whole || logits(7, 3, {}) != whole)
      verdict_.wrong(backend + ": inference in batches: other bits", 1);
    return trace;
  }

  void to_the_bit(const Trace& cpu) {
    TrainingOptions threads = options_;
    threads.threads = 3;
    Trainer<Net, Cpu<>> on_threads(threads), halves(options_);
    verdict_.equal("three threads", train(on_threads), cpu);
    verdict_.equal("halves of a step", train(halves, true), cpu);
    Alone no_others;
    Trainer<Net, Cpu<>> in_parts(options_, no_others);
    const Trace parts = train(in_parts);
    if constexpr (Net::per_sample)
      verdict_.near("a batch in parts", parts, cpu);
    else
      verdict_.equal("a batch in parts", parts, cpu);
    for (const int ranks : {2, 4}) {
      std::vector<Trace> traces(static_cast<std::size_t>(ranks));
      on_ranks(ranks, [&](Meeting::Rank& rank) {
        Trainer<Net, Cpu<>> together(options_, rank);
        traces[static_cast<std::size_t>(rank.rank())] = train(together);
      });
      for (const Trace& trace : traces) verdict_.equal(std::to_string(ranks) + " processes", trace, parts);
    }
  }

  Verdict verdict_;
  TrainingOptions options_;
  std::vector<float> pixels_;
  std::vector<int> labels_;
  std::vector<std::uint8_t> gates_;
  DepthPlan plan_;
};

}  // namespace sdepth::test
