// Stochastic depth with a gate for each image, on a backend whose memory the host does not reach: see
// per_sample.hpp for the others.
//
// Between such blocks the batch is a tensor of its own. A block copies its survivors out of it, side by side,
// runs on them as on a whole batch, and copies what becomes of them back to their places; the others' images
// are not touched. The gradient goes the same way back. So a block costs what its survivors cost, and two
// copies of them each way.
//
// A projection is of all images, and so are its norm's statistics. What becomes of the survivors' branches is
// put among zeros, so that the sum of both is a whole batch's, pending as behind any other block.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <sdepth/run/block.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// One of a row of blocks. @tparam Blocks  ResidualRow
template <class Backend, class Blocks>
struct GatheredBlock : TrainingBlock<Backend, Blocks> {
  using WholeBatch = TrainingBlock<Backend, Blocks>;
  using typename WholeBatch::Stored, typename WholeBatch::Value, typename WholeBatch::Flow;
  using AfterSum = typename Blocks::Block::AfterSum;
  using PendingAtEnd = std::conditional_t<WholeBatch::projects, NoActivation, AfterSum>;
  static constexpr Shape in = WholeBatch::in, out = WholeBatch::out;
  static constexpr std::size_t in_size = WholeBatch::in_size, out_size = WholeBatch::out_size;

  struct Record : WholeBatch::Record {
    bool whole = false;                   // all images survive, or none: as if they had one gate
    int survivors = 0;                    // how many
    const std::uint8_t* gates = nullptr;  // [N], until the step is over
    Value batch_input;                    // what the tensor was made of, where this block has made it
    // of the survivors: what is pending behind the block, or behind the branch of one with a projection
    Value end;
  };

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value& value) {
    record.gates = pass.gates_of(at.block);
    const int images = pass.batch;
    record.survivors =
        pass.gates_per_block == 1
            ? *record.gates * images
            : static_cast<int>(std::count(record.gates, record.gates + images, std::uint8_t{1}));
    record.whole = record.survivors == 0 || record.survivors == images;
    if (record.whole) {
      WholeBatch::forward(pass, at, record, value);
      return;
    }
    Stored* batch = begin(pass, record, value);
    Pass<Backend> survivors = pass.over(record.survivors);
    Value own;
    Stored* const read = survivors.take(in_size);
    Backend::gather_images(pass.context, images, record.gates, in_size, batch, read);
    own.x = read;
    if constexpr (WholeBatch::projects) return forward_beside_projection(pass, at, record, batch, own, value);
    if constexpr (!WholeBatch::identity) {
      Stored* const to = pass.take(out_size);
      Backend::template shortcut_forward<Blocks::shortcut>(pass.context, images, batch, to);
      batch = to;
    }
    WholeBatch::forward_open(survivors, at, record, own);
    record.end = own;
    own.finished = pass.spare.take();
    Backend::template finish<out, KernelActivation<AfterSum>>(pass.context, record.survivors, own.source(),
                                                              {});
    Backend::scatter_images(pass.context, images, record.gates, out_size, own.finished, batch);
    pass.spare.release(own.finished);
    value = {};
    value.x = batch;
    value.changes_in_place = true;
  }

  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow) {
    if (record.whole) {
      WholeBatch::backward(pass, at, record, flow);
      return;
    }
    materialise_backward<Backend, out>(pass, flow);  // the backward of a BN that follows
    Stored* batch = flow.dy;
    Pass<Backend> survivors = pass.over(record.survivors);
    Flow own;
    own.dy = gather(pass, record, out_size, batch);
    own.gradient.dy = own.dy;
    materialise_backward<Backend, out, PendingAtEnd>(survivors, own, record.end);
    if constexpr (WholeBatch::projects) {
      Stored* const through_shortcut = WholeBatch::backward_shortcut(pass, at, record, batch);
      WholeBatch::backward_through_branch(survivors, at, record, own,
                                          gather(pass, record, in_size, through_shortcut));
      pass.spare.release(batch);
      batch = through_shortcut;
    } else {
      WholeBatch::backward_open(survivors, at, record, own);
      if constexpr (!WholeBatch::identity) {
        Stored* const through_shortcut = pass.spare.take();
        Backend::template shortcut_backward<Blocks::shortcut>(pass.context, pass.batch, batch,
                                                              through_shortcut);
        pass.spare.release(batch);
        batch = through_shortcut;
      }
    }
    Backend::scatter_images(pass.context, pass.batch, record.gates, in_size, own.dy, batch);
    pass.spare.release(own.dy);
    flow = {batch, {batch}, nullptr, nullptr};
    materialise_backward<Backend, in, typename Blocks::Pending>(pass, flow, record.batch_input);
  }

 private:
  /// The batch, written down, where it may be changed; as it is where a block before has made it.
  static Stored* begin(Pass<Backend>& pass, Record& record, Value& value) {
    record.batch_input = {};
    if (!value.plain()) {
      record.batch_input = materialise<Backend, in, typename Blocks::Pending>(pass, value);
      Stored* const written = record.batch_input.finished;
      record.batch_input.finished = nullptr;  // it will hold other numbers on the way back
      return written;
    }
    if (value.changes_in_place || !WholeBatch::identity) return const_cast<Stored*>(value.x);
    Stored* const copy = pass.take(in_size);
    Backend::gather_images(pass.context, pass.batch, nullptr, in_size, value.x, copy);
    return copy;
  }
  /// The survivors' gradients, side by side in a slot.
  [[nodiscard]] static Stored* gather(Pass<Backend>& pass, const Record& record, std::size_t size,
                                      const Stored* all) {
    Stored* const to = pass.spare.take();
    Backend::gather_images(pass.context, pass.batch, record.gates, size, all, to);
    return to;
  }
  /// @param batch  all images, which the projection reads   @param own  the survivors, which the branch reads
  static void forward_beside_projection(Pass<Backend>& pass, Offsets at, Record& record, const Stored* batch,
                                        Value& own, Value& value) {
    record.finished_input.x = batch;
    value = WholeBatch::run_shortcut(pass, at, record);
    Pass<Backend> survivors = pass.over(record.survivors);
    record.end = own = WholeBatch::run_branch(survivors, at, record, own);
    if (!own.plain()) {
      own.finished = pass.spare.take();
      Backend::template finish<out, KernelActivation<NoActivation>>(pass.context, record.survivors,
                                                                    own.source(), {});
    }
    Stored* const branches = pass.take(out_size);
    Backend::scatter_images_among_zeros(pass.context, pass.batch, record.gates, out_size,
                                        own.finished ? own.finished : own.x, branches);
    if (own.finished) pass.spare.release(own.finished);
    value.shortcut = value.x, value.shortcut_norm = value.norm;
    value.x = branches, value.norm = nullptr;
    value.activated = WholeBatch::sum_activates;
    value.statistics = {};
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
