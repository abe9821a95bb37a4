// The stages that words become, forward and backward: convolutions read through what is pending on their input, all others read finished numbers.
#pragma once

#include <array>
#include <cstddef>

#include <sdepth/kernels/operands.hpp>
#include <sdepth/network/memory.hpp>
#include <sdepth/run/pass.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Where a word stands, as far as its stage depends on it.
struct Place {
  bool network_input = false;  // reads the network's input, which needs no gradient
  bool before_norm = false;    // its output's statistics are wanted
  bool ends_branch = false;    // a BN here takes the branch's scale
  int stochastic_before = 0;   // StochasticDepth blocks before a word with FixedGates; 0 for all other words
  bool trunk = false;          // in the network's own row of words, not inside a block
};

/// A word at input shape `In` as a stage: Record is what forward leaves for backward. Specialised for each word; a block's is in block.hpp.
template <class Backend, class Word, Shape In, Place Here>
struct Stage;

/// Writes what is pending on `value` into memory of its own, with statistics if wanted; nothing to do for a plain value.
/// Afterwards `value.finished` (null: it was plain) is in the record, for finish_gradient.
template <class Backend, Shape In>
auto finish_value(Pass<Backend>& pass, Value<typename Backend::Scalar>& value, Statistics<typename Backend::Scalar> statistics = {}) {
  using T = typename Backend::Scalar;
  const Value<T> before = [&] {
    Value<T> copy = value;
    if (!copy.plain()) copy.finished = pass.take(padded_size(In, Backend::lanes));
    finish_images_in(copy, pass.batch, padded_size(In, Backend::lanes));
    return copy;
  }();
  if (!before.plain() || statistics.mean) Backend::template finish<In>(pass.space, pass.batch, before.source(), statistics);
  if (!before.plain()) {
    pass.release_inputs(before);
    value = {};
    value.x = before.finished;
  }
  if (statistics.mean) value.statistics = statistics;
  return before;
}

/// The way back through finish_value: flow's gradient, with what joins it, becomes the gradient of what `before` was made of.
template <class Backend, Shape In>
void finish_gradient(Pass<Backend>& pass, Flow<typename Backend::Scalar>& flow, const Value<typename Backend::Scalar>& before) {
  if (before.plain() && !flow.gradient.norm && !flow.gradient.images && !flow.add) return;
  auto* out = before.images && flow.add           ? flow.add  // the other images' gradients are there already
              : flow.dy != flow.keep              ? flow.dy
              : flow.add && flow.add != flow.keep ? flow.add
                                                  : pass.spare.take();
  std::array<NormBackward<typename Backend::Scalar>, 2> ends;
  Backend::template finish_backward<In>(pass.space, pass.batch, flow.gradient, before.source(), flow.add, out,
                                        before.template sums<Backend>(ends));
  pass.consumed(flow, before, out);
}

template <class Backend, int Channels, int Kernel, int Stride, Bias HasBias, int Padding, Shape In, Place Here>
struct Stage<Backend, Conv<Channels, Kernel, Stride, HasBias, Padding>, In, Here> {
  using T = typename Backend::Scalar;
  using Word = Conv<Channels, Kernel, Stride, HasBias, Padding>;
  static constexpr ConvShape shape{In, Channels, Kernel, Stride, Padding, Word::bias, Here.network_input};
  static constexpr std::size_t weights = WordPlan<Conv<Channels, Kernel, Stride, Bias::none, Padding>, In>::sizes(Backend::lanes).trainable;

  struct Record {
    Value<T> input;
  };

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    record.input = value;
    T* raw = pass.take(padded_size(shape.out(), Backend::lanes));
    Statistics<T> statistics;
    if (Here.before_norm && pass.training) statistics = pass.take_statistics(Backend::padded(Channels));
    statistics.norm = pass.next_norm;
    const T* parameters = pass.parameters + at.trainable;
    Backend::template conv_forward<shape>(pass.space, pass.batch, value.source(), parameters, Word::bias ? parameters + weights : nullptr,
                                          raw, statistics);
    pass.release_inputs(value);
    value = {};
    value.x = raw;
    value.statistics = statistics;
  }

  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    T* out = nullptr;
    if constexpr (!Here.network_input) out = flow.add && (flow.add != flow.dy || record.input.images) ? flow.add : pass.spare.take();
    T* gradients = pass.gradients + at.trainable;
    std::array<NormBackward<T>, 2> ends;
    Backend::template conv_backward<shape>(pass.space, pass.batch, flow.gradient, record.input.source(), pass.parameters + at.trainable,
                                           gradients, Word::bias ? gradients + weights : nullptr, flow.add, out,
                                           record.input.template sums<Backend>(ends));
    pass.consumed(flow, record.input, out);
  }
};

template <class Backend, Shape In, Place Here>
struct Stage<Backend, BN, In, Here> {
  using T = typename Backend::Scalar;
  static constexpr int channels = Backend::padded(In.channels);

  struct Record {
    Value<T> input;  // before it was finished, if it had to be
    NormState<T> norm;
  };

  /// What is known of the norm before its input: where its numbers are. Called by forward, unless the row of words has done so already.
  static void begin(Pass<Backend>& pass, Offsets at, Record& record) {
    NormState<T>& norm = record.norm;
    norm.allocate(pass.norms, channels);
    norm.branch_scale = Here.ends_branch ? pass.branch_scale : 1.0;
    norm.count = static_cast<double>(pass.batch) * static_cast<double>(In.pixels());
    norm.gamma = pass.parameters + at.trainable;
    norm.beta = norm.gamma + channels;
    norm.running = {};
    if (!pass.training) return;
    norm.gamma_gradient = pass.gradients + at.trainable;
    norm.beta_gradient = norm.gamma_gradient + channels;
  }
  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    NormState<T>& norm = record.norm;
    bool prepared = value.statistics.norm != nullptr;
    if (!prepared) begin(pass, at, record);
    Statistics<T> wanted;
    if (pass.training && !(value.plain() && value.statistics.mean)) wanted = pass.take_statistics(channels);
    const NormForward<T> after = norm.forward(BN::eps);
    if (Backend::norms_at_once && wanted.mean) {
      wanted.norm = &after;
      prepared = true;
    }
    record.input = finish_value<Backend, In>(pass, value, wanted);
    value.statistics.norm = nullptr;
    if (pass.training) {
      const Statistics<T>& statistics = value.statistics;
      if (norm.count < 2)
        fail("BN needs more than one number per channel in training, found a batch of 1 at 1 × 1 pixels; use a larger batch");
      if (!prepared) norm.template prepare<Backend>(pass.space, statistics.mean, statistics.variance, BN::eps);
      if (T* const running = pass.running_update)
        norm.running = {running + at.running, running + at.running + channels, statistics.variance, BN::momentum};
      if (double* const sums = pass.statistics_sums)
        Backend::add_statistics(pass.space, norm.channels, norm.count, statistics.mean, statistics.variance, sums + at.running,
                                sums + at.running + channels);
    } else {
      norm.template prepare<Backend>(pass.space, pass.running + at.running, pass.running + at.running + channels, BN::eps);
    }
    value.norm = &norm;
  }
  static void backward(Pass<Backend>& pass, Offsets, Record& record, Flow<T>& flow) {
    if (!record.input.plain()) finish_gradient<Backend, In>(pass, flow, record.input);
  }
};

/// Stays pending: the stage that reads the value applies it, and masks the gradient.
template <class Backend, Shape In, Place Here>
struct Stage<Backend, ReLU, In, Here> {
  using T = typename Backend::Scalar;
  struct Record {};
  static void forward(Pass<Backend>& pass, Offsets, Record&, Value<T>& value) {
    if (!value.images) value.relu = true;
    for (int n = 0; value.images && n < pass.batch; ++n) value.images[n].source.activated = true;
  }
  static void backward(Pass<Backend>&, Offsets, Record&, Flow<T>&) {}
};

/// What pools and linear layers share: they read finished numbers and write plain ones. Derived supplies run(pass, at, x, y) and
/// run_backward(pass, at, dy, x, dx).
template <class Backend, class Derived, Shape In, Shape Out>
struct PlainStage {
  using T = typename Backend::Scalar;
  struct Record {
    Value<T> input;  // before it was finished
    const T* x = nullptr;
  };

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    record.input = finish_value<Backend, In>(pass, value);
    record.x = value.x;
    T* y = pass.take(padded_size(Out, Backend::lanes));
    Derived::run(pass, at, record.x, y);
    pass.release_inputs(value);
    value = {};
    value.x = y;
  }
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    finish_gradient<Backend, Out>(pass, flow, Value<T>{});  // the backward of a BN that follows
    T* dx = pass.spare.take();
    Derived::run_backward(pass, at, flow.dy, record.x, dx);
    pass.consumed(flow, Value<T>{}, dx);
    if (!record.input.plain()) finish_gradient<Backend, In>(pass, flow, record.input);
  }
};

template <class Backend, PoolShape S>
struct PoolStage : PlainStage<Backend, PoolStage<Backend, S>, S.in, S.out()> {
  using T = typename Backend::Scalar;
  static void run(Pass<Backend>& pass, Offsets, const T* x, T* y) { Backend::template pool_forward<S>(pass.space, pass.batch, x, y); }
  static void run_backward(Pass<Backend>& pass, Offsets, const T* dy, const T* x, T* dx) {
    Backend::template pool_backward<S>(pass.space, pass.batch, dy, x, dx);
  }
};

template <class Backend, int W, int S, int P, Shape In, Place Here>
struct Stage<Backend, AvgPool<W, S, P>, In, Here> : PoolStage<Backend, PoolShape{In, PoolKind::average, W, W, S, P}> {};
template <class Backend, int W, int S, int P, Shape In, Place Here>
struct Stage<Backend, MaxPool<W, S, P>, In, Here> : PoolStage<Backend, PoolShape{In, PoolKind::maximum, W, W, S, P}> {};
template <class Backend, Shape In, Place Here>
struct Stage<Backend, GlobalAvgPool, In, Here> : PoolStage<Backend, PoolShape{In, PoolKind::average, In.height, In.width, 1, 0}> {};

template <class Backend, int Features, Bias HasBias, Shape In, Place Here>
struct Stage<Backend, Linear<Features, HasBias>, In, Here>
    : PlainStage<Backend, Stage<Backend, Linear<Features, HasBias>, In, Here>, In, Shape{Features, 1, 1}> {
  using T = typename Backend::Scalar;
  static constexpr LinearShape shape{In, Features, HasBias == Bias::learned};
  static constexpr std::size_t weights = In.size() * static_cast<std::size_t>(Backend::padded(Features));

  static void run(Pass<Backend>& pass, Offsets at, const T* x, T* y) {
    const T* parameters = pass.parameters + at.trainable;
    Backend::template linear_forward<shape>(pass.space, pass.batch, x, parameters, shape.bias ? parameters + weights : nullptr, y);
  }
  static void run_backward(Pass<Backend>& pass, Offsets at, const T* dy, const T* x, T* dx) {
    T* gradients = pass.gradients + at.trainable;
    Backend::template linear_backward<shape>(pass.space, pass.batch, dy, x, pass.parameters + at.trainable, gradients,
                                             shape.bias ? gradients + weights : nullptr, dx);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
