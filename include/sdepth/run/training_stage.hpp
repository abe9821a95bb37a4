// A fused stage in training: forward it leaves a record, from which backward finds its way. At test the same
// code runs with the running statistics.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include <sdepth/kernels/operands.hpp>
#include <sdepth/network/lowering.hpp>
#include <sdepth/run/pass.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// What kernels are compiled for where this may be pending on their input. Where nothing may, they share the
/// ReLU's code and never apply it.
template <class Pending>
using KernelActivation = std::conditional_t<activates<Pending>, Pending, ReLU>;

/// Writes what is pending on `value` into memory of its own, with statistics if wanted; nothing to do for a
/// plain value. Afterwards `value.finished` (null: it was plain) is in the record, for materialise_backward.
/// @tparam Pending  the activation that may be pending
template <class Backend, Shape In, class Pending, bool WithDropout = false>
auto materialise(Pass<Backend>& pass, ValueOf<Backend>& value,
                 Statistics<typename Backend::Scalar> statistics = {}) {
  ValueOf<Backend> before = [&] {
    ValueOf<Backend> copy = value;
    if (!copy.plain()) copy.finished = pass.take(padded_size(In, Backend::lanes));
    finish_images_in(copy, pass.batch, padded_size(In, Backend::lanes));
    return copy;
  }();
  if (!before.plain() || statistics.mean)
    Backend::template finish<In, KernelActivation<Pending>>(pass.context, pass.batch, before.source(),
                                                            statistics);
  if (!before.plain()) {
    pass.release_inputs(before);
    value = {};
    value.x = before.finished;
  }
  if (statistics.mean) value.statistics = statistics;
  if constexpr (WithDropout) {  // the way back cannot tell a value from what a dropout left of it
    before.finished = nullptr;
    for (int n = 0; before.images && n < pass.batch; ++n) before.images[n].source.finished = nullptr;
  }
  return before;
}

/// The way back through materialise: flow's gradient, with what joins it, becomes the gradient of what
/// `before` was made of.
template <class Backend, Shape In, class Pending>
void materialise_backward(Pass<Backend>& pass, FlowOf<Backend>& flow, const ValueOf<Backend>& before) {
  if (before.plain() && !flow.gradient.norm && !flow.gradient.images && !flow.add) return;
  // the other images' gradients are there already
  auto* out = before.images && flow.add                 ? flow.add
              : flow.dy != flow.read_again              ? flow.dy
              : flow.add && flow.add != flow.read_again ? flow.add
                                                        : pass.spare.take();
  std::array<NormBackward<typename Backend::Scalar>, 2> ends;
  Backend::template finish_backward<In, KernelActivation<Pending>>(pass.context, pass.batch, flow.gradient,
                                                                   before.source(), flow.add, out,
                                                                   before.template sums<Backend>(ends));
  pass.consumed(flow, before, out);
}
/// The same for a plain value: only the backward of a norm that follows, or what joins.
template <class Backend, Shape In>
void materialise_backward(Pass<Backend>& pass, FlowOf<Backend>& flow) {
  materialise_backward<Backend, In, NoActivation>(pass, flow, {});
}

/// A stage of a list. Specialised for fused stages here, for rows of residual blocks in residual_row.hpp.
/// @tparam EndsBranch  whether it is the last of a residual branch, so that its norm takes the branch's scale
template <class Backend, class Stage, bool EndsBranch>
struct TrainingStage;

template <class Backend, auto Operation, bool HasNorm, class Activation, class Pending, bool EndsBranch>
struct TrainingStage<Backend, FusedStage<Operation, HasNorm, Activation, Pending>, EndsBranch> {
  using T = typename Backend::Scalar;
  using Stored = typename Backend::Stored;
  using Value = ValueOf<Backend>;
  using Flow = FlowOf<Backend>;
  using Stage = FusedStage<Operation, HasNorm, Activation, Pending>;
  static constexpr int channels = Backend::padded(Stage::out.channels);
  static constexpr std::size_t out_size = padded_size(Stage::out, Backend::lanes);
  /// What may be pending on the norm's input.
  using PendingOnNorm = std::conditional_t<Stage::computes, NoActivation, Pending>;

  struct Nothing {};
  struct NormRecord {
    Value input;  // before it was written down, if it had to be
    NormState<T> state;
  };
  struct Record {
    // what the operation read; where it cannot read through what is pending, before that was written down
    Value input;
    const Stored* x = nullptr;  // and afterwards
    [[no_unique_address]] std::conditional_t<Stage::drops, DropoutMask, Nothing> mask;
    [[no_unique_address]] std::conditional_t<HasNorm, NormRecord, Nothing> norm;
  };

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value& value) {
    // A convolution of a backend that prepares norms at once does so from its own statistics.
    constexpr bool at_once = Backend::prepares_norms && Stage::convolves && HasNorm;
    NormForward<T> next;
    if constexpr (at_once)
      if (pass.training) {
        begin_norm(pass, at, record.norm.state);
        next = record.norm.state.forward(BN::eps);
      }
    if constexpr (Stage::convolves)
      convolve(pass, at, record, value, at_once && pass.training ? &next : nullptr);
    else if constexpr (Stage::drops)
      drop(pass, at, record, value);
    else if constexpr (Stage::computes)
      compute(pass, at, record, value);
    else if constexpr (Operation.materialise)
      record.input = materialise<Backend, Stage::in, Pending>(pass, value);
    if constexpr (HasNorm) normalise(pass, at, record.norm, value, at_once && pass.training);
    if constexpr (Stage::ends_in_activation) activate(pass, value);
  }

  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow) {
    if constexpr (HasNorm)
      if (!record.norm.input.plain())
        materialise_backward<Backend, Stage::out, PendingOnNorm>(pass, flow, record.norm.input);
    if constexpr (Stage::convolves) {
      convolve_backward(pass, at, record, flow);
    } else if constexpr (Stage::computes && !Stage::drops) {
      materialise_backward<Backend, Stage::out>(pass, flow);
      Stored* dx = pass.spare.take();
      compute_backward(pass, at, flow.dy, record.x, dx);
      pass.consumed(flow, Value{}, dx);
    }
    if constexpr (!Stage::convolves && (Stage::computes || !HasNorm))
      if (!record.input.plain()) materialise_backward<Backend, Stage::in, Pending>(pass, flow, record.input);
  }

 private:
  static constexpr std::size_t bias_at = Stage::rows * static_cast<std::size_t>(channels);

  /// The pass's parameters or gradients of the operation, and its bias, null where it has none.
  template <class Number>
  [[nodiscard]] static Number* bias_of(Number* weights) noexcept {
    return Stage::bias ? weights + bias_at : nullptr;
  }

  static void convolve(Pass<Backend>& pass, Offsets at, Record& record, Value& value,
                       const NormForward<T>* next) {
    record.input = value;
    Stored* raw = pass.take(out_size);
    Statistics<T> statistics;
    if (HasNorm && pass.training) statistics = pass.take_statistics(channels);
    statistics.norm = next;
    const T* weights = pass.parameters + at.trainable;
    Backend::template conv_forward<Operation, KernelActivation<Pending>>(
        pass.context, pass.batch, value.source(), weights, bias_of(weights), raw, statistics);
    pass.release_inputs(value);
    statistics.norm = nullptr;
    value = {};
    value.x = raw;
    value.statistics = statistics;
  }
  static void convolve_backward(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow) {
    Stored* out = nullptr;
    if constexpr (!Operation.network_input)
      out = flow.add && (flow.add != flow.dy || record.input.images) ? flow.add : pass.spare.take();
    T* gradients = pass.gradients + at.trainable;
    std::array<NormBackward<T>, 2> ends;
    Backend::template conv_backward<Operation, KernelActivation<Pending>>(
        pass.context, pass.batch, flow.gradient, record.input.source(), pass.parameters + at.trainable,
        gradients, bias_of(gradients), flow.add, out, record.input.template sums<Backend>(ends));
    pass.consumed(flow, record.input, out);
  }

  /// At test the value goes on as it is.
  static void drop(Pass<Backend>& pass, Offsets at, Record& record, Value& value) {
    record.input = {};
    if (!pass.training) return;
    record.mask = DropoutMask::of(Operation.probability, pass.seed, pass.step, at.name);
    value.dropout = &record.mask;
    record.input = materialise<Backend, Stage::in, Pending, true>(pass, value);
  }

  /// Pools and linear layers read plain numbers and write such.
  static void compute(Pass<Backend>& pass, Offsets at, Record& record, Value& value) {
    record.input = materialise<Backend, Stage::in, Pending>(pass, value);
    record.x = value.x;
    Stored* y = pass.take(out_size);
    if constexpr (Stage::is_linear) {
      const T* weights = pass.parameters + at.trainable;
      Backend::template linear_forward<Operation>(pass.context, pass.batch, record.x, weights,
                                                  bias_of(weights), y);
    } else {
      Backend::template pool_forward<Operation>(pass.context, pass.batch, record.x, y);
    }
    pass.release_inputs(value);
    value = {};
    value.x = y;
  }
  static void compute_backward(Pass<Backend>& pass, Offsets at, const Stored* dy, const Stored* x,
                               Stored* dx) {
    if constexpr (Stage::is_linear) {
      T* gradients = pass.gradients + at.trainable;
      Backend::template linear_backward<Operation>(
          pass.context, pass.batch, dy, x, pass.parameters + at.trainable, gradients, bias_of(gradients), dx);
    } else {
      Backend::template pool_backward<Operation>(pass.context, pass.batch, dy, x, dx);
    }
  }

  /// What is known of the norm before its input: where its numbers are.
  static void begin_norm(Pass<Backend>& pass, Offsets at, NormState<T>& norm) {
    norm.allocate(pass.norms, channels);
    norm.branch_scale = EndsBranch && !Stage::ends_in_activation ? pass.branch_scales[at.block] : 1.0;
    norm.count = static_cast<double>(pass.normalised_images()) * static_cast<double>(Stage::out.pixels());
    norm.gamma = pass.parameters + at.trainable + Stage::dense_size(Backend::lanes);
    norm.beta = norm.gamma + channels;
    norm.running = {};
    if (!pass.training) return;
    norm.gamma_gradient = pass.gradients + at.trainable + Stage::dense_size(Backend::lanes);
    norm.beta_gradient = norm.gamma_gradient + channels;
  }
  /// @param prepared  the convolution in front has prepared it
  static void normalise(Pass<Backend>& pass, Offsets at, NormRecord& record, Value& value, bool prepared) {
    NormState<T>& norm = record.state;
    if (!pass.training && pass.prepared_norms) {
      record.input = materialise<Backend, Stage::out, PendingOnNorm>(pass, value);
      norm.take(pass.prepared_norms + at.running, channels);
      value.norm = &norm;
      return;
    }
    if (!prepared) begin_norm(pass, at, norm);
    Statistics<T> wanted;
    if (pass.training && !(value.plain() && value.statistics.mean)) wanted = pass.take_statistics(channels);
    const NormForward<T> after = norm.forward(BN::eps);
    if (Backend::prepares_norms && wanted.mean) {
      wanted.norm = &after;
      prepared = true;
    }
    record.input = materialise<Backend, Stage::out, PendingOnNorm>(pass, value, wanted);
    value.statistics.norm = nullptr;
    if (pass.training) {
      const Statistics<T>& statistics = value.statistics;
      if (norm.count < 2 && pass.batch > 0)
        fail(
            "BN needs more than one number per channel in training, found a batch of 1 at 1 × 1 pixels; use a larger batch");
      if (!prepared)
        norm.template prepare<Backend>(pass.context, statistics.mean, statistics.variance, BN::eps);
      if (T* const running = pass.running_update)
        norm.running = {running + at.running, running + at.running + channels, statistics.variance,
                        BN::momentum};
      if (double* const sums = pass.statistics_sums)
        Backend::add_statistics(pass.context, norm.channels, norm.count, statistics.mean, statistics.variance,
                                sums + at.running, sums + at.running + channels);
    } else {
      norm.template prepare<Backend>(pass.context, pass.running + at.running,
                                     pass.running + at.running + channels, BN::eps);
    }
    value.norm = &norm;
  }

  /// Stays pending: the stage that reads the value applies it, and masks the gradient.
  static void activate(Pass<Backend>& pass, Value& value) {
    if (!value.images) value.activated = true;
    for (int n = 0; value.images && n < pass.batch; ++n) value.images[n].source.activated = true;
  }
};

/// A list of stages: forward in order, backward in reverse, each at its own place in the parameters.
enum class Row { trunk, branch, shortcut };

template <class Backend, class List, Row Kind>
struct TrainingRow;
template <class Backend, Shape In, class... Stages, Row Kind>
struct TrainingRow<Backend, StageList<In, Stages...>, Kind> {
  using List = StageList<In, Stages...>;
  template <std::size_t Index>
  using Entry = std::tuple_element_t<Index, std::tuple<Stages...>>;
  template <std::size_t Index>
  using At = TrainingStage<Backend, Entry<Index>, Kind == Row::branch && Index + 1 == List::length>;

  template <std::size_t Index>
  [[nodiscard]] static constexpr Offsets offset(Offsets at) noexcept {
    constexpr ParameterSizes before = List::sizes_before(Index, Backend::lanes);
    constexpr int blocks = List::blocks_before(Index);
    Offsets stage{at.trainable + before.trainable, at.running + before.running, at.block + blocks};
    constexpr std::uint32_t most = 1024;  // stages of a row: enough to tell those of all blocks apart
    stage.name = static_cast<std::uint32_t>(Index) +
                 (Kind == Row::trunk ? 0 : (static_cast<std::uint32_t>(at.block) + 1) * most);
    if constexpr (Kind == Row::trunk) {
      stage.activations = List::activations_before(Index, Backend::lanes).kept;
      stage.stages = static_cast<int>(Index) + blocks;
    }
    return stage;
  }

  template <class Indices>
  struct RecordOf;
  template <std::size_t... Index>
  struct RecordOf<std::index_sequence<Index...>> {
    using type = std::tuple<typename At<Index>::Record...>;
  };
  using Indices = std::make_index_sequence<List::length>;
  using Record = typename RecordOf<Indices>::type;

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, ValueOf<Backend>& value) {
    const auto step = [&]<std::size_t Index>(std::integral_constant<std::size_t, Index>) {
      if constexpr (Kind == Row::trunk) pass.place(offset<Index>(at));
      At<Index>::forward(pass, offset<Index>(at), std::get<Index>(record), value);
    };
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (step(std::integral_constant<std::size_t, Index>{}), ...);
    }(Indices{});
  }

  /// @param joins  A gradient that is added to that of the row's input; null: none. The first stage must then
  ///               be a convolution.
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, FlowOf<Backend>& flow,
                       typename Backend::Stored* joins = nullptr) {
    const auto step = [&]<std::size_t Index>(std::integral_constant<std::size_t, Index>) {
      if constexpr (Index == 0) flow.add = joins;
      if constexpr (Kind == Row::trunk) pass.begin_rounding(offset<Index>(at), true);
      At<Index>::backward(pass, offset<Index>(at), std::get<Index>(record), flow);
      // a row of blocks says so after each of them
      if constexpr (Kind == Row::trunk && Entry<Index>::blocks == 0)
        pass.gradients_are_final(offset<Index>(at).trainable, Entry<Index>::sizes(Backend::lanes).trainable);
    };
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (step(std::integral_constant<std::size_t, List::length - 1 - Index>{}), ...);
    }(Indices{});
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
