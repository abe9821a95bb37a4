// What must agree about a network, whichever it is: the backends' numbers with those of the reference in
// double, inference and the written ONNX model with the walk, and to the bit threads, halves of a step,
// processes, batches and a training that was saved.
//
// draw.py writes programs that include this for networks that it draws.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/cuda.hpp>  // emulated: see draw.py
#include <sdepth/core/bfloat16.hpp>
#include <sdepth/core/philox.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/net.hpp>
#include <sdepth/network/layout.hpp>

#include "../io/scratch_folder.hpp"
#include "../train/threads_communicator.hpp"

#if __has_include(<sdepth_onnx.pb.h>)  // where protobuf is
#include <sdepth/io/onnx.hpp>

#include "../io/onnx_evaluator.hpp"
#endif

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

/// ‖a − b‖ / max(‖b‖, least).
[[nodiscard]] inline double distance(const std::vector<float>& a, const std::vector<float>& b, double least) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference) / std::max(std::sqrt(norm), least);
}
/// Of each thing of a training how far it is from another: `f(what, distance)`.
template <class F>
void for_each_distance(const Trace& a, const Trace& b, F f) {
  double all = 0;
  for (const auto& [name, values] : b.gradients)
    for (const float v : values) all += std::pow(static_cast<double>(v), 2);
  const double least = 1e-3 * std::sqrt(all);  // some are zero but for rounding, as in front of a norm
  for (std::size_t i = 0; i < b.gradients.size(); ++i)
    f("gradient of " + b.gradients[i].first, distance(a.gradients[i].second, b.gradients[i].second, least));
  for (std::size_t i = 0; i < b.weights.size(); ++i)
    f(b.weights[i].first, distance(a.weights[i].second, b.weights[i].second, 0.01));
  f("logits", distance(a.logits, b.logits, 0.01));
  f("logits without some blocks", distance(a.fewer_logits, b.fewer_logits, 0.01));
}

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
  void near(const std::string& what, double distance, double allowed) {
    if (!(distance <= allowed)) wrong(what, distance);
  }
  void near(const std::string& what, const Trace& a, const Trace& b, double allowed) {
    for_each_distance(a, b, [&](const std::string& name, double d) { near(what + ": " + name, d, allowed); });
  }
  [[nodiscard]] int count() const { return wrong_; }

 private:
  const char* network_;
  int wrong_ = 0;
};

/// @tparam Stored  what the backends keep activations as: float or bfloat16
template <class Net, class Stored = float>
class Agreement {
  static constexpr int images = 22;  // no multiple of the parts of a batch
  static constexpr std::array<int, 3> batches{images, images, 5};
  static constexpr std::size_t blocks = Net::residual_blocks, gates_per_block = Net::per_sample ? images : 1;
  using Processor = Cpu<xsimd::default_arch, cpu::Fastest, Stored>;

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
      const Trace reference = train(trainer);
      as_onnx(trainer);
      if constexpr (std::same_as<Stored, bfloat16>) {
        // Rounding moves some networks far, so a backend may be three times as far as the reference is then.
        Trainer<Net, BasicReference<float, Stored>> rounding(options_);
        for_each_distance(train(rounding), reference,
                          [&](const std::string&, double d) { allowed_ = std::max(allowed_, 0.01 + 3 * d); });
        allowed_at_inference_ = 0.05;
      } else {
        (void)on<Cpu<xsimd::default_arch, cpu::Direct>>("cpu, direct", reference);
      }
      (void)on<Cuda<Precision::float32, Stored>>("cuda", reference);
      to_the_bit(on<Processor>("cpu", reference));
    } catch (const std::exception& error) {
      verdict_.wrong(error.what(), 1);
    }
    return verdict_.count();
  }

 private:
  /// Steps with given and with drawn gates, of whole batches and of one with fewer images than parts.
  template <class Trainer>
  void go_on(Trace& trace, Trainer& trainer, std::size_t until, bool in_halves = false) const {
    while (trainer.steps() < until) {
      const bool given = trainer.steps() == 0;
      const Range mine = trainer.share().images_of(batches[trainer.steps()]);
      const auto first = static_cast<std::size_t>(mine.first), size = static_cast<std::size_t>(mine.size());
      const NHWC<float> part{std::span(pixels_).subspan(first * Net::input.size(), size * Net::input.size())};
      const auto labels = std::span(labels_).subspan(first, size);
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
  }
  /// All steps that are left, and what the network is then.
  template <class Trainer>
  [[nodiscard]] Trace train(Trainer& trainer, bool in_halves = false, Trace trace = {}) const {
    go_on(trace, trainer, batches.size(), in_halves);
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
    verdict_.near(backend, trace, reference, allowed_);
    const auto logits = [&](int batch, int threads, const DepthPlan& plan) {
      return Inference<Net, Backend>(
                 trainer.weights(),
                 {.scaling = options_.scaling, .batch = batch, .threads = threads, .plan = plan})
          .predict(NHWC<float>{pixels_});
    };
    const std::vector<float> whole = logits(images, 1, {});
    verdict_.near(backend + ": inference", distance(whole, trace.logits, 0.01), allowed_at_inference_);
    verdict_.near(backend + ": inference without some blocks",
                  distance(logits(images, 1, plan_), trace.fewer_logits, 0.01), allowed_at_inference_);
    if (logits(1, 1, {}) != whole || logits(7, 3, {}) != whole)
      verdict_.wrong(backend + ": inference in batches: other bits", 1);
    return trace;
  }

  /// The network as an ONNX model, whole and without some blocks, norms folded and kept.
  void as_onnx([[maybe_unused]] Trainer<Net, BasicReference<double>>& trainer) {
#if __has_include(<sdepth_onnx.pb.h>)
    const std::vector<std::int64_t> shape{images, Net::input.channels, Net::input.height, Net::input.width};
    for (const DepthPlan& plan : {DepthPlan{}, plan_}) {
      const std::vector<float> expected = trainer.predict(NCHW<float>{pixels_}, plan);
      for (const bool keep_norms : {false, true}) {
        const auto model =
            onnx_model(trained_network(std::as_const(*trainer.weights()), {}, options_.scaling, plan),
                       {.keep_norms = keep_norms});
        const auto found = onnx_evaluator::run(model, {shape, {pixels_.begin(), pixels_.end()}});
        verdict_.near(std::string("ONNX") + (keep_norms ? ", with norms" : "") +
                          (plan.keep.empty() ? "" : ", without some blocks"),
                      distance({found.numbers.begin(), found.numbers.end()}, expected, 0.01), 1e-4);
      }
    }
#endif
  }

  void to_the_bit(const Trace& cpu) {
    TrainingOptions threads = options_;
    threads.threads = 3;
    Trainer<Net, Processor> on_threads(threads), halves(options_), until_saved(options_), resumed(options_);
    verdict_.equal("three threads", train(on_threads), cpu);
    verdict_.equal("halves of a step", train(halves, true), cpu);
    ScratchFolder folder;
    Trace before;
    go_on(before, until_saved, 2);
    save_checkpoint(folder / "checkpoint", until_saved, 0);
    restore(read_checkpoint(folder / "checkpoint"), resumed);
    verdict_.equal("resumed", train(resumed, false, before), cpu);
    Alone no_others;
    Trainer<Net, Processor> in_parts(options_, no_others);
    const Trace parts = train(in_parts);
    if constexpr (Net::per_sample)
      verdict_.near("a batch in parts", parts, cpu, allowed_);
    else
      verdict_.equal("a batch in parts", parts, cpu);
    for (const int ranks : {2, 4}) {
      std::vector<Trace> traces(static_cast<std::size_t>(ranks));
      on_ranks(ranks, [&](Meeting::Rank& rank) {
        Trainer<Net, Processor> together(options_, rank);
        traces[static_cast<std::size_t>(rank.rank())] = train(together);
      });
      for (const Trace& trace : traces) verdict_.equal(std::to_string(ranks) + " processes", trace, parts);
    }
  }

  Verdict verdict_;
  double allowed_ = 0.005, allowed_at_inference_ = 0.005;  // of what it should be
  TrainingOptions options_;
  std::vector<float> pixels_;
  std::vector<int> labels_;
  std::vector<std::uint8_t> gates_;
  DepthPlan plan_;
};

}  // namespace sdepth::test
