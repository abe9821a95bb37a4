// The residual block as a stage. A closed gate leaves only the shortcut: the identity is an alias of the input, nothing is run, written or read.
#pragma once

#include <array>
#include <tuple>
#include <type_traits>

#include <sdepth/run/chain.hpp>

namespace sdepth::inline SDEPTH_ISA {

template <class Backend, class Shortcut, class AfterSum, class... Branch, Shape In, Place Here>
struct Stage<Backend, BasicResidual<Shortcut, AfterSum, Branch...>, In, Here> {
  using T = typename Backend::Scalar;
  using Block = BasicResidual<Shortcut, AfterSum, Branch...>;
  using First = std::tuple_element_t<0, std::tuple<Branch...>>;
  static constexpr Shape out_shape = Block::output(In);
  static constexpr bool identity = Block::identity_shortcut(In);
  static constexpr bool projects = has_projection<Block, In>;
  /// The first convolution finishes the block's input while it reads it; any other first word needs it finished.
  static constexpr bool first_finishes = is_convolution<First>;
  static constexpr std::size_t in_size = padded_size(In, Backend::lanes), out_size = padded_size(out_shape, Backend::lanes);

  using Inside = Stage<Backend, typename Block::Words, In, Place{false, false, true}>;
  static constexpr int stride = Block::shortcut_stride(In);
  static constexpr ShortcutShape shortcut_shape{In, out_shape.channels, stride, std::is_same_v<Shortcut, PoolShortcut> ? stride : 1};
  using Projection = Stage<Backend, ProjectionWords<Block, In>, In, Place{}>;

  struct Record {
    Value<T> input;           // before it was finished
    Value<T> finished_input;  // what branch and shortcut read
    Value<T> branch_end;      // where the branch ends in a ReLU: before it was finished
    bool open = false;
    typename Inside::Record branch;
    NormState<T> scale;  // of a branch that does not end in a BN
    struct NoProjection {};
    [[no_unique_address]] std::conditional_t<projects, typename Projection::Record, NoProjection> projection;
    const T* projected = nullptr;  // the projection's raw output
  };

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    record.open = *pass.gates_of(at.block);
    if (record.open)
      pass.as_one(at.block, 0, [&] { forward_open(pass, at, record, value); });
    else if (!identity)
      pass.as_one(at.block, 1, [&] { forward_closed(pass, at, record, value); });
  }
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    if (record.open)
      pass.as_one(at.block, 2, [&] { backward_open(pass, at, record, flow); });
    else if (!identity)
      pass.as_one(at.block, 3, [&] { backward_closed(pass, at, record, flow); });
  }

  /// The same where the gate is known: see fixed_gates.hpp.
  static void forward_open(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    record.input = value;
    const Value<T> branch = run_branch(pass, at, record, value);
    Value<T> sum = run_shortcut(pass, at, record);
    if (!identity) pass.release(record.finished_input.x);
    sum.shortcut = sum.x, sum.shortcut_norm = sum.norm;
    sum.x = branch.x, sum.norm = branch.norm;
    sum.relu = Block::relu_after_sum;
    sum.statistics = {};
    value = sum;
  }
  static void forward_closed(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    if constexpr (!identity) {
      record.input = finish_value<Backend, In>(pass, value);
      record.finished_input = value;
      Value<T> sum = run_shortcut(pass, at, record);
      pass.release(record.finished_input.x);
      // Without a norm the value is a copy or an average of numbers that are not negative: see Network's check.
      sum.relu = Block::relu_after_sum && projects;
      sum.statistics = {};
      value = sum;
    }
  }

  static void backward_open(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    T* const sum_gradient = flow.dy;
    flow.keep = sum_gradient;
    T* const joins = identity ? sum_gradient : backward_shortcut(pass, at, record, sum_gradient);
    backward_through_branch(pass, at, record, flow, joins);
    flow.keep = nullptr;
    if (flow.dy != sum_gradient) pass.spare.release(sum_gradient);
  }
  static void backward_closed(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    if constexpr (!identity) backward_shortcut_alone(pass, at, record, flow);
  }

 protected:
  /// Runs the branch; leaves the finished input in the record. Returns the branch's end: raw numbers and a norm at most.
  static Value<T> run_branch(Pass<Backend>& pass, Offsets at, Record& record, Value<T> value) {
    pass.branch_scale = pass.branch_scales[at.block];
    if constexpr (first_finishes) {
      if (!value.plain()) value.finished = pass.take(in_size);
      finish_images_in(value, pass.batch, in_size);
      record.input.finished = value.finished;
      record.finished_input.x = value.finished ? value.finished : value.x;
      value.keep = !value.finished;
    } else {
      const bool wanted = std::is_same_v<First, BN> && pass.training && !(value.plain() && value.statistics.mean);
      record.input = finish_value<Backend, In>(pass, value, wanted ? pass.take_statistics(Backend::padded(In.channels)) : Statistics<T>{});
      record.finished_input = value;
      value.keep = true;
    }
    Inside::forward(pass, at, record.branch, value);
    record.branch_end = {};
    if (value.relu) {
      value.keep = value.x == record.finished_input.x;  // where nothing in the branch made new numbers, the shortcut still reads these
      record.branch_end = finish_value<Backend, out_shape>(pass, value);
    }
    if (!std::is_same_v<std::tuple_element_t<sizeof...(Branch) - 1, std::tuple<Branch...>>, BN> && pass.branch_scale != 1.0) {
      record.scale.allocate(pass.norms, Backend::padded(out_shape.channels));
      record.scale.branch_scale = pass.branch_scale;
      record.scale.template prepare_scale_only<Backend>(pass.space);
      value.norm = &record.scale;
    }
    return value;
  }

  /// From the gradient of the branch's end to that of what the block read, to which `joins` is added.
  static void backward_through_branch(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow, T* joins) {
    if (record.branch_end.x) finish_gradient<Backend, out_shape>(pass, flow, record.branch_end);
    if constexpr (first_finishes) {
      Inside::backward(pass, at, record.branch, flow, joins);
    } else {
      Inside::backward(pass, at, record.branch, flow);
      flow.add = joins;
      finish_gradient<Backend, In>(pass, flow, record.input);
    }
  }

  /// The shortcut's value, from the finished input.
  static Value<T> run_shortcut(Pass<Backend>& pass, Offsets at, Record& record) {
    Value<T> value = {};
    value.x = record.finished_input.x;
    if constexpr (projects) {
      value.keep = true;
      Projection::forward(pass, projection_offsets(at), record.projection, value);
      record.projected = value.x;
    } else if constexpr (!identity) {
      T* out = pass.take(out_size);
      Backend::template shortcut_forward<shortcut_shape>(pass.space, pass.batch, value.x, out);
      value.x = out;
    }
    return value;
  }

  /// The gradient of the finished input through the shortcut, in a slot of its own; the sum's gradient stays.
  static T* backward_shortcut(Pass<Backend>& pass, Offsets at, Record& record, T* sum_gradient) {
    if constexpr (projects) {
      const NormState<T>& norm = std::get<1>(record.projection).norm;
      Flow<T> flow{sum_gradient, {sum_gradient, record.projected, &norm}, nullptr, sum_gradient};
      Projection::backward(pass, projection_offsets(at), record.projection, flow);
      return flow.dy;
    } else {
      T* out = pass.spare.take();
      Backend::template shortcut_backward<shortcut_shape>(pass.space, pass.batch, sum_gradient, out);
      return out;
    }
  }

  /// The block was closed and its shortcut is not the identity.
  static void backward_shortcut_alone(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    if constexpr (projects) {
      Projection::backward(pass, projection_offsets(at), record.projection, flow);
    } else {
      finish_gradient<Backend, out_shape>(pass, flow, Value<T>{});  // the backward of a BN that follows
      T* dx = backward_shortcut(pass, at, record, flow.dy);
      pass.consumed(flow, Value<T>{}, dx);
    }
    finish_gradient<Backend, In>(pass, flow, record.input);
  }

  [[nodiscard]] static constexpr Offsets projection_offsets(Offsets at) noexcept {
    constexpr ParameterSizes branch = WordPlan<Block, In>::branch_sizes(Backend::lanes);
    return {at.trainable + branch.trainable, at.running + branch.running, at.block};
  }
};

/// The gate decides at run time; the type of a stochastic block is that of its block.
template <class Backend, class Block, class Schedule, Shape In, Place Here>
struct Stage<Backend, StochasticDepth<Block, Schedule, Gating::per_batch>, In, Here> : Stage<Backend, Block, In, Here> {};

/// A loop over records: one instantiation for any depth.
template <class Backend, int Count, class Word, Shape In, Place Here>
struct Stage<Backend, Repeat<Count, Word>, In, Here> {
  using T = typename Backend::Scalar;
  using One = Stage<Backend, Word, In, Place{}>;
  using Record = std::array<typename One::Record, static_cast<std::size_t>(Count)>;

  [[nodiscard]] static constexpr Offsets offset(Offsets at, int i) noexcept {
    constexpr ParameterSizes one = WordPlan<Word, In>::sizes(Backend::lanes);
    constexpr std::size_t kept = ActivationPlan<Word, In>::sizes(Backend::lanes).kept;
    const auto before = static_cast<std::size_t>(i);
    return {at.trainable + before * one.trainable, at.running + before * one.running, at.block + i, at.activations + before * kept,
            at.words + i};
  }
  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    for (int i = 0; i < Count; ++i) {
      pass.place(offset(at, i));
      One::forward(pass, offset(at, i), record[static_cast<std::size_t>(i)], value);
    }
  }
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow) {
    for (int i = Count - 1; i >= 0; --i) {
      One::backward(pass, offset(at, i), record[static_cast<std::size_t>(i)], flow);
      pass.gradients_are_final(offset(at, i).trainable, WordPlan<Word, In>::sizes(Backend::lanes).trainable);
    }
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
