// Stochastic depth with a gate for each image: the branch runs on the survivors alone, and nobody else is
// touched.
//
// Between such blocks the batch is no tensor but a table of images, PendingValue::images: each is what the
// block it last survived made of it, still pending. A block's first stage reads its survivors from their
// places and finishes them on the way, its other stages work on as many images as survived, side by side;
// then the survivors' entries in the table change. So surviving costs what it costs a whole batch, and being
// skipped nothing: no copy either way. On the way back the gradient is one tensor of the whole batch, in
// which each block changes its survivors' images. A norm at a branch's end needs sums over its survivors;
// whoever reads an image next leaves that image's sums in the table (ImageSource::sums), and the block adds
// them up when its turn comes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <sdepth/run/block.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// The sums over `images` images that a norm's backward needs, from the sums of each, [images][2][channels].
template <class T>
void add_image_sums(NormState<T>& norm, const T* sums, int images) {
  constexpr std::size_t width = 16;  // channels at a time: the totals stay in registers
  for (std::size_t first = 0; first < norm.channels; first += width) {
    const std::size_t count = std::min(width, norm.channels - first);
    double dz[width] = {}, dz_x[width] = {};
    for (int n = 0; n < images; ++n) {
      const T* image = sums + 2 * static_cast<std::size_t>(n) * norm.channels + first;
      for (std::size_t c = 0; c < count; ++c) {
        dz[c] += static_cast<double>(image[c]);
        dz_x[c] += static_cast<double>(image[norm.channels + c]);
      }
    }
    for (std::size_t c = 0; c < count; ++c) {
      norm.dz[first + c] = static_cast<T>(dz[c]);
      norm.dz_normalised[first + c] =
          static_cast<T>(dz_x[c] * static_cast<double>(norm.inverse_deviation[first + c]));
    }
  }
}

/// One of a row of blocks. @tparam Blocks  ResidualRow
template <class Backend, class Blocks>
struct PerSampleBlock : TrainingBlock<Backend, Blocks> {
  using WholeBatch = TrainingBlock<Backend, Blocks>;
  using typename WholeBatch::T, typename WholeBatch::Stored, typename WholeBatch::Value,
      typename WholeBatch::Flow;
  using Image = ImageSource<T, Stored>;
  using Images = Image*;
  static constexpr std::size_t in_size = WholeBatch::in_size, out_size = WholeBatch::out_size;

  struct Record : WholeBatch::Record {
    // every image survived and the batch came as one tensor: all is as if it had one gate
    bool whole = false;
    int survivors = 0;                    // how many of the images that are here
    const std::uint8_t* gates = nullptr;  // [whole batch]
    bool any_open = false;                // whether any image of the whole batch survived
    Images gathered = nullptr;            // [survivors], what the branch read
    bool begins = false;                  // this block made the table
    Value batch_input;                    // what it made it of, before that was finished
    // where the branch ends: raw numbers of the survivors, and a norm at most
    Value branch_value;
    T* sums = nullptr;   // [survivors][2][C'], of that norm
    Value shortcut_end;  // a projection's raw output and norm, before it was finished
  };

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value& value) {
    record.gates = pass.gates_of(at.block);
    const auto open = static_cast<std::size_t>(
        std::count(record.gates, record.gates + pass.gates_per_block, std::uint8_t{1}));
    record.any_open = open > 0;
    // as where all images share the gate, which they do at test
    record.whole = !value.images && (open == pass.gates_per_block || open == 0);
    if (record.whole) {
      WholeBatch::forward(pass, at, record, value);
      return;
    }
    const std::uint8_t* const gates = record.gates + pass.first_image();
    record.survivors = static_cast<int>(std::count(gates, gates + pass.batch, std::uint8_t{1}));
    record.begins = !WholeBatch::identity || !value.images;
    if (record.begins) begin_table(pass, at, record, value);
    if (!record.any_open) return;

    Value branch;
    branch.images = gather(pass, gates, record, value.images);
    record.input = branch;
    over_survivors(pass, record, [&](Pass<Backend>& survivors) {
      record.branch_value = WholeBatch::run_branch(survivors, at, record, branch);
    });
    scatter(pass, record, value.images);
  }

  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow) {
    if (record.whole) {
      WholeBatch::backward(pass, at, record, flow);
      return;
    }
    if (WholeBatch::identity && !record.any_open) return;
    Stored* const sum_gradient = flow.dy;
    Stored* const block_gradient =
        WholeBatch::identity ? sum_gradient : backward_shortcut(pass, at, record, sum_gradient);
    if (record.any_open) backward_branch(pass, at, record, flow, sum_gradient, block_gradient);
    if (block_gradient != sum_gradient) pass.spare.release(sum_gradient);
    flow = {block_gradient, {block_gradient}, nullptr, nullptr};
    if (record.begins)
      materialise_backward<Backend, WholeBatch::in, typename Blocks::Pending>(pass, flow, record.batch_input);
  }

 private:
  template <class Body>
  static void over_survivors(Pass<Backend>& pass, const Record& record, const Body& body) {
    Pass<Backend> survivors = pass.over(record.survivors);
    if constexpr (SharesBatches<Backend>) pass.context.select(record.gates);
    body(survivors);
    if constexpr (SharesBatches<Backend>) pass.context.select_all();
  }
  /// Finishes the batch, and makes a table of its images: as they are where the shortcut is the identity,
  /// else as the shortcut makes them.
  static void begin_table(Pass<Backend>& pass, Offsets at, Record& record, Value& value) {
    record.batch_input = materialise<Backend, WholeBatch::in, typename Blocks::Pending>(pass, value);
    record.finished_input = value;
    Value shortcut = WholeBatch::run_shortcut(pass, at, record);
    if constexpr (WholeBatch::projects)
      record.shortcut_end = materialise<Backend, WholeBatch::out, NoActivation>(pass, shortcut);
    value = {};
    value.images = pass.norms.template take<Image>(static_cast<std::size_t>(pass.batch));
    for (int n = 0; n < pass.batch; ++n) {
      Source<T, Stored> source{.x = shortcut.x + static_cast<std::size_t>(n) * out_size};
      // all other shortcuts' numbers are not negative: see Network's check
      source.activated = WholeBatch::projects && WholeBatch::sum_activates;
      value.images[n] = {source, n, nullptr};
    }
  }
  /// The survivors' entries, from the table; in a block that changes the shape, from the finished input.
  static Images gather(Pass<Backend>& pass, const std::uint8_t* gates, Record& record, const Image* table) {
    record.gathered = pass.norms.template take<Image>(static_cast<std::size_t>(record.survivors));
    Images next = record.gathered;
    for (int n = 0; n < pass.batch; ++n) {
      if (!gates[n]) continue;
      if constexpr (WholeBatch::identity)
        *next = table[n];
      else
        *next = {Source<T, Stored>{.x = record.finished_input.x + static_cast<std::size_t>(n) * in_size}, n,
                 nullptr};
      ++next;
    }
    return record.gathered;
  }
  /// What the branch made of the survivors, to their entries in the table.
  static void scatter(Pass<Backend>& pass, Record& record, Images table) {
    const Value& branch = record.branch_value;
    const bool learned = branch.norm && branch.norm->learned();
    const std::size_t sums_size = learned ? 2 * branch.norm->channels : 0;
    if (learned)
      record.sums = pass.norms.template take<T>(static_cast<std::size_t>(record.survivors) * sums_size);
    for (int i = 0; i < record.survivors; ++i) {
      const Source<T, Stored>& read = record.gathered[i].source;
      Image& entry = table[record.gathered[i].image];
      const Stored* shortcut = !WholeBatch::identity ? entry.source.x
                               : read.finished       ? read.finished
                                                     : read.x;
      entry.source = {branch.x + static_cast<std::size_t>(i) * out_size, branch.norm, shortcut, nullptr,
                      WholeBatch::sum_activates};
      entry.sums = learned ? record.sums + static_cast<std::size_t>(i) * sums_size : nullptr;
    }
  }

  /// The gradient of the finished input through the shortcut, of all images, in a slot of its own.
  static Stored* backward_shortcut(Pass<Backend>& pass, Offsets at, Record& record, Stored* sum_gradient) {
    if constexpr (WholeBatch::projects) {
      Flow flow{sum_gradient, {sum_gradient}, nullptr, sum_gradient};
      materialise_backward<Backend, WholeBatch::out, NoActivation>(pass, flow, record.shortcut_end);
      WholeBatch::Projection::backward(pass, WholeBatch::projection_offsets(at), record.projection, flow);
      return flow.dy;
    } else {
      return WholeBatch::backward_shortcut(pass, at, record, sum_gradient);
    }
  }
  /// Adds the branch's gradient to the survivors' images of `block_gradient`.
  static void backward_branch(Pass<Backend>& pass, Offsets at, Record& record, Flow& flow,
                              Stored* sum_gradient, Stored* block_gradient) {
    const Value& branch = record.branch_value;
    over_survivors(pass, record, [&](Pass<Backend>& survivors) {
      if (branch.norm && branch.norm->learned()) {
        add_sums_of_all(survivors, record);
        branch.norm->template prepare_backward<Backend>(pass.context, branch.norm->dz);
      }
      flow = {sum_gradient, {sum_gradient, branch.x, branch.norm, record.gathered}, nullptr, sum_gradient};
      WholeBatch::backward_through_branch(survivors, at, record, flow, block_gradient);
    });
  }
  /// The sums of the norm at the branch's end, over the survivors of all processes where these share its
  /// statistics.
  static void add_sums_of_all(Pass<Backend>& survivors, const Record& record) {
    NormState<T>& norm = *record.branch_value.norm;
    if constexpr (SharesBatches<Backend>)
      if (auto& context = survivors.context; context.others() && !context.local_norms()) {
        const std::size_t size = 2 * norm.channels;
        const int all = context.whole_batch(record.survivors);
        context.reserve(0, static_cast<std::size_t>(all) * size);
        std::copy_n(record.sums, static_cast<std::size_t>(record.survivors) * size,
                    context.shared() + static_cast<std::size_t>(survivors.first_image()) * size);
        context.fetch_images(context.shared(), size);
        return add_image_sums(norm, static_cast<const T*>(context.shared()), all);
      }
    add_image_sums(norm, record.sums, record.survivors);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
