// A residual block in training. A closed gate leaves only the shortcut: the identity is an alias of the
// input, nothing is run, written or read.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>

#include <sdepth/core/exactly.hpp>
#include <sdepth/run/training_stage.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// One of a row of blocks. @tparam Row_  ResidualRow
template <class Backend, class Row_>
struct TrainingBlock {
  using T = typename Backend::Scalar;
  using Stored = typename Backend::Stored;
  using Value = ValueOf<Backend>;
  using Flow = FlowOf<Backend>;
  using Blocks = Row_;
  static constexpr Shape in = Blocks::in, out = Blocks::out;
  static constexpr bool identity = Blocks::identity, projects = Blocks::projects;
  static constexpr bool sum_activates = activates<typename Blocks::Block::AfterSum>;
  static constexpr std::size_t in_size = padded_size(in, Backend::lanes),
                               out_size = padded_size(out, Backend::lanes);

  using Branch = TrainingRow<Backend, typename Blocks::Branch, Row::branch>;
  using FirstStage = typename Blocks::Branch::First;
  using LastStage = typename Blocks::Branch::Last;
  /// Where the branch does not end in a norm, which takes the branch's scale, a norm that only scales is put
  /// behind it.
  static constexpr bool ends_in_norm = LastStage::norm && !LastStage::ends_in_activation;
  using Projection = TrainingRow<Backend, typename Blocks::Projection, Row::shortcut>;

  struct Nothing {};
  struct Record {
    Value input;           // before it was written down
    Value finished_input;  // what branch and shortcut read
    Value branch_end;      // where the branch ends in an activation: before that was written down
    bool open = false;
    typename Branch::Record branch;
    NormState<T> scale;  // of a branch that does not end in a norm
    [[no_unique_address]] std::conditional_t<projects, typename Projection::Record, Nothing> projection;
    const Stored* projected = nullptr;  // the projection's raw output
  };

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value& value) {
    record.open = *pass.gates_of(at.block);
    if (record.open)
      pass.as_graph(at.block, 0, [&] { forward_open(pass, at, record, value); });
    else if (!identity)
      pass.as_graph(at.block, 1, [&] { forward_closed(pass, at, record, value); });
  }
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow) {
    if (record.open)
      pass.as_graph(at.block, 2, [&] { backward_open(pass, at, record, flow); });
    else if (!identity)
      pass.as_graph(at.block, 3, [&] { backward_closed(pass, at, record, flow); });
  }

  /// The same where the gate is known.
  static void forward_open(Pass<Backend>& pass, Offsets at, Record& record, Value& value) {
    record.input = value;
    const Value branch = run_branch(pass, at, record, value);
    Value sum = run_shortcut(pass, at, record);
    if (!identity) pass.release(record.finished_input.x);
    sum.shortcut = sum.x, sum.shortcut_norm = sum.norm;
    sum.x = branch.x, sum.norm = branch.norm;
    sum.activated = sum_activates;
    sum.statistics = {};
    value = sum;
  }
  static void forward_closed(Pass<Backend>& pass, Offsets at, Record& record, Value& value) {
    if constexpr (!identity) {
      record.input = materialise<Backend, in, typename Blocks::Pending>(pass, value);
      record.finished_input = value;
      Value sum = run_shortcut(pass, at, record);
      pass.release(record.finished_input.x);
      // Without a norm the value is a copy or an average of numbers that are not negative: see Network's
      // check.
      sum.activated = sum_activates && projects;
      sum.statistics = {};
      value = sum;
    }
  }

  static void backward_open(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow) {
    Stored* const sum_gradient = flow.dy;
    flow.read_again = sum_gradient;
    Stored* const joins = identity ? sum_gradient : backward_shortcut(pass, at, record, sum_gradient);
    backward_through_branch(pass, at, record, flow, joins);
    flow.read_again = nullptr;
    if (flow.dy != sum_gradient) pass.spare.release(sum_gradient);
  }
  static void backward_closed(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow) {
    if constexpr (!identity) backward_shortcut_alone(pass, at, record, flow);
  }

 protected:
  /// Runs the branch; leaves the finished input in the record. Returns the branch's end: raw numbers and a
  /// norm at most.
  static Value run_branch(Pass<Backend>& pass, Offsets at, Record& record, Value value) {
    if constexpr (Blocks::reads_pending) {
      if (!value.plain()) value.finished = pass.take(in_size);
      finish_images_in(value, pass.batch, in_size);
      record.input.finished = value.finished;
      record.finished_input.x = value.finished ? value.finished : value.x;
      value.read_again = !value.finished;
    } else {
      const bool wanted = FirstStage::norm && !FirstStage::computes && pass.training &&
                          !(value.plain() && value.statistics.mean);
      record.input = materialise<Backend, in, typename Blocks::Pending>(
          pass, value, wanted ? pass.take_statistics(Backend::padded(in.channels)) : Statistics<T>{});
      record.finished_input = value;
      value.read_again = true;
    }
    Branch::forward(pass, at, record.branch, value);
    record.branch_end = {};
    const double scale = pass.branch_scales[at.block];
    const bool scales = !ends_in_norm && !exactly(scale, 1);
    // at test a dropout at the end leaves a norm pending
    if (value.activated || (scales && value.norm)) {
      // where nothing in the branch made new numbers, the shortcut still reads these
      value.read_again = value.x == record.finished_input.x;
      record.branch_end = materialise<Backend, out, typename Blocks::PendingOnBranch>(pass, value);
    }
    if (scales) {
      record.scale.allocate(pass.norms, Backend::padded(out.channels));
      record.scale.branch_scale = scale;
      record.scale.template prepare_scale_only<Backend>(pass.context);
      value.norm = &record.scale;
    }
    return value;
  }

  /// From the gradient of the branch's end to that of what the block read, to which `joins` is added.
  static void backward_through_branch(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow,
                                      Stored* joins) {
    if (record.branch_end.x)
      materialise_backward<Backend, out, typename Blocks::PendingOnBranch>(pass, flow, record.branch_end);
    if constexpr (Blocks::reads_pending) {
      Branch::backward(pass, at, record.branch, flow, joins);
    } else {
      Branch::backward(pass, at, record.branch, flow);
      flow.add = joins;
      materialise_backward<Backend, in, typename Blocks::Pending>(pass, flow, record.input);
    }
  }

  /// The shortcut's value, from the finished input.
  static Value run_shortcut(Pass<Backend>& pass, Offsets at, Record& record) {
    Value value = {};
    value.x = record.finished_input.x;
    if constexpr (projects) {
      value.read_again = true;
      Projection::forward(pass, projection_offsets(at), record.projection, value);
      record.projected = value.x;
    } else if constexpr (!identity) {
      Stored* to = pass.take(out_size);
      Backend::template shortcut_forward<Blocks::shortcut>(pass.context, pass.batch, value.x, to);
      value.x = to;
    }
    return value;
  }

  /// The gradient of the finished input through the shortcut, in a slot of its own; the sum's gradient stays.
  static Stored* backward_shortcut(Pass<Backend>& pass, Offsets at, Record& record, Stored* sum_gradient) {
    if constexpr (projects) {
      const NormState<T>& norm = std::get<0>(record.projection).norm.state;
      Flow flow{sum_gradient, {sum_gradient, record.projected, &norm}, nullptr, sum_gradient};
      Projection::backward(pass, projection_offsets(at), record.projection, flow);
      return flow.dy;
    } else {
      Stored* to = pass.spare.take();
      Backend::template shortcut_backward<Blocks::shortcut>(pass.context, pass.batch, sum_gradient, to);
      return to;
    }
  }

  /// The block was closed and its shortcut is not the identity.
  static void backward_shortcut_alone(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow) {
    if constexpr (projects) {
      Projection::backward(pass, projection_offsets(at), record.projection, flow);
    } else {
      materialise_backward<Backend, out>(pass, flow);  // the backward of a BN that follows
      Stored* dx = backward_shortcut(pass, at, record, flow.dy);
      pass.consumed(flow, Value{}, dx);
    }
    materialise_backward<Backend, in, typename Blocks::Pending>(pass, flow, record.input);
  }

  [[nodiscard]] static constexpr Offsets projection_offsets(Offsets at) noexcept {
    constexpr ParameterSizes branch = Blocks::branch_sizes(Backend::lanes);
    return {at.trainable + branch.trainable, at.running + branch.running, at.block};
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
