// One pass over a network's stages: the memory it uses, and the values and gradients that flow from stage to
// stage.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sdepth/core/memory.hpp>
#include <sdepth/kernels/batch_sharing.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/kernels/rounding.hpp>
#include <sdepth/run/norm.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// Buffers of one size that are taken and given back: activations that nobody needs later, and gradients on
/// their way.
template <class T, class Memory = Buffer<T>>
class Slots {
 public:
  Slots() = default;
  /// @param size  numbers of the largest tensor
  explicit Slots(std::size_t size) : size_(size) {}

  [[nodiscard]] T* take() {
    if (free_.empty()) {
      // before there is a slot that could get lost, and so that take_all_back never needs memory
      free_.reserve(all_.size() + 1);
      all_.emplace_back(size_);
      free_.push_back(all_.back().data());
    }
    T* slot = free_.back();
    free_.pop_back();
    return slot;
  }
  /// Gives a slot back; memory from elsewhere (the network's input) is left alone.
  void release(const T* slot) {
    for (Memory& mine : all_)
      if (mine.data() == slot) free_.push_back(mine.data());
  }
  [[nodiscard]] std::size_t bytes() const noexcept { return all_.size() * size_ * sizeof(T); }
  [[nodiscard]] bool all_free() const noexcept { return free_.size() == all_.size(); }
  /// All become free, those too that a pass which threw has left taken. The next ones taken will be the same
  /// ones in the same order as ever.
  void take_all_back() noexcept {
    free_.clear();
    for (Memory& mine : all_) free_.push_back(mine.data());
  }

 private:
  std::size_t size_ = 0;
  std::vector<Memory> all_;
  std::vector<T*> free_;
};

/// What is pending between two stages, and what the next one reads: see Source. Here with the norms' own
/// state, for the way back.
template <class T, class Stored = T>
struct PendingValue {
  const Stored* x = nullptr;
  NormState<T>* norm = nullptr;
  const Stored* shortcut = nullptr;
  NormState<T>* shortcut_norm = nullptr;
  bool activated = false;
  Stored* finished = nullptr;            // where the next stage writes the value; null: nowhere
  Statistics<T> statistics;              // of x, where they are known
  const DropoutMask* dropout = nullptr;  // what else is to be done when it is written down
  // somebody reads x later, so the next stage must not give it back
  bool read_again = false;
  // where x is plain: nobody else reads it, so a block with gates for each image may change it
  bool changes_in_place = false;
  // [N]: each image comes from a place of its own; x, the norms and the shortcut are then null
  ImageSource<T, Stored>* images = nullptr;

  [[nodiscard]] bool plain() const noexcept { return source().plain(); }
  [[nodiscard]] Source<T, Stored> source() const noexcept {
    return {x, norm, shortcut, shortcut_norm, activated, finished, images, dropout};
  }
  /// The sums that this value's norms ask of the stage that writes its gradient. @param ends  where their
  /// backward is kept for a backend that prepares it at once
  template <class Backend>
  [[nodiscard]] SourceSums<T> sums(std::array<NormBackward<T>, 2>& ends) const {
    SourceSums<T> wanted;
    const bool first = norm && norm->learned(), second = shortcut_norm && shortcut_norm->learned();
    if (first) wanted.dz = norm->dz, wanted.dz_normalised = norm->dz_normalised;
    if (second) {
      if (!first) wanted.dz = shortcut_norm->dz;
      wanted.dz_normalised_shortcut = shortcut_norm->dz_normalised;
    }
    if constexpr (Backend::prepares_norms) {
      if (first) wanted.norm = &(ends[0] = norm->backward());
      if (second) wanted.shortcut_norm = &(ends[1] = shortcut_norm->backward());
    }
    return wanted;
  }
  /// Turns the finished sums into the norms' gradients.
  template <class Backend>
  void close_sums(typename Backend::Context& context) const {
    if constexpr (!Backend::prepares_norms) {
      const bool first = norm && norm->learned();
      if (first) norm->template prepare_backward<Backend>(context, norm->dz);
      // The same dz enters both, and is summed once.
      if (shortcut_norm && shortcut_norm->learned())
        shortcut_norm->template prepare_backward<Backend>(context, first ? norm->dz : shortcut_norm->dz);
    }
  }
};

/// Where the images of a value come from places of their own: each is finished at its place in
/// value.finished. @param size  numbers of an image
template <class T, class Stored>
void finish_images_in(const PendingValue<T, Stored>& value, int images, std::size_t size) {
  for (int n = 0; value.images && n < images; ++n)
    value.images[n].source.finished = value.finished + static_cast<std::size_t>(n) * size;
}

/// The gradient on its way back: of the raw output of the stage that comes next in this direction.
template <class T, class Stored = T>
struct GradientFlow {
  Stored* dy = nullptr;          // a slot
  Gradient<T, Stored> gradient;  // dy, and the norm whose backward is still to be applied
  // a slot with a gradient that joins at the input of the stage that comes next; null: none
  Stored* add = nullptr;
  const Stored* read_again = nullptr;  // a slot that somebody reads later, so no stage may give it back
};

/// Where the numbers of a stage begin, and which residual block comes next.
struct Offsets {
  std::size_t trainable = 0;
  std::size_t running = 0;
  int block = 0;
  // numbers of an image that the trunk's stages before it keep at most; inside a block not counted
  std::size_t activations = 0;
  int stages = 0;          // of the trunk before it, each block one
  std::uint32_t name = 0;  // of this stage among all of the network's, those inside blocks too
};

/// Who is told on the way back which parameters' gradients are final: numbers [first, last) of the flat
/// buffer, those of one stage of the trunk, or of one of its blocks. The last come first.
struct GradientListener {
  void (*call)(void* listener, std::size_t first, std::size_t last) = nullptr;
  void* listener = nullptr;

  /// A function of its own: a step calls nothing else through a pointer.
  [[gnu::noinline]] void operator()(std::size_t first, std::size_t last) const {
    call(listener, first, last);
  }
};

/// Arrays of a channel's numbers that a norm takes from the arena: its own, and the statistics of its input.
inline constexpr std::size_t norm_arrays = NormState<float>::storage(1) + 2;

/// Both as a backend has them.
template <class Backend>
using ValueOf = PendingValue<typename Backend::Scalar, typename Backend::Stored>;
template <class Backend>
using FlowOf = GradientFlow<typename Backend::Scalar, typename Backend::Stored>;

/// Everything a stage needs besides its own record.
template <class Backend>
struct Pass {
  using T = typename Backend::Scalar;
  using Stored = typename Backend::Stored;

  typename Backend::Context& context;
  typename Backend::ActivationArena& activations;  // kept until the backward pass
  typename Backend::ActivationArena& norms;        // per-channel numbers of the norms
  Slots<Stored, typename Backend::template Memory<Stored>>& spare;
  int batch = 0;
  bool training = false;
  const T* parameters = nullptr;
  T* gradients = nullptr;      // training only
  const T* running = nullptr;  // running statistics, read at test
  // laid out as running: each norm's scale and shift at test; null: made from running
  const T* prepared_norms = nullptr;
  T* running_update = nullptr;  // the same in training, to be updated
  // laid out as running; a training pass forward adds its batch's to it; null: it does not
  double* statistics_sums = nullptr;
  const std::uint8_t* gates = nullptr;    // [residual blocks][gates_per_block], 1 open
  std::size_t gates_per_block = 1;        // the whole batch where images have gates of their own, else 1
  const double* branch_scales = nullptr;  // [residual blocks]
  std::size_t widest = 0;                 // the most channels, padded, of any tensor
  GradientListener ready = {};            // of the way back
  std::uint64_t seed = 0, step = 0;       // of the training step: what dropouts draw from

  /// The same over another number of images: those that survive a block.
  [[nodiscard]] Pass over(int images) const {
    Pass pass = *this;
    pass.batch = images;
    return pass;
  }

  /// Over how many images batch normalisation goes, where other processes have some of the batch.
  [[nodiscard]] int normalised_images() const noexcept {
    if constexpr (SharesBatches<Backend>)
      return context.normalised_together(batch);
    else
      return batch;
  }
  /// Which image of the whole batch the first one here is.
  [[nodiscard]] int first_image() const noexcept {
    if constexpr (SharesBatches<Backend>)
      return context.parts(batch, Backend::parts).first;
    else
      return 0;
  }
  /// The gates of a block; the first one is that of the whole batch where it has but one.
  [[nodiscard]] const std::uint8_t* gates_of(int block) const noexcept {
    return gates + static_cast<std::size_t>(block) * gates_per_block;
  }
  /// Before a stage of the trunk, or a block of it, on either way: what it stores is rounded by random
  /// numbers of its own.
  void begin_rounding(const Offsets& at, bool back) {
    if constexpr (RoundsStochastically<Backend>)
      context.rounding().begin(2 * static_cast<std::uint32_t>(at.stages) + (back ? 1 : 0));
  }
  /// Before a stage of the trunk: where its activations go, wherever those of earlier stages went.
  void place(const Offsets& at) {
    begin_rounding(at, false);
    if constexpr (Backend::replays) {
      if (!training) return;
      activations.template seek<Stored>(at.activations * static_cast<std::size_t>(batch), at.stages);
      norms.template seek<T>(norm_arrays * (at.running / 2 + static_cast<std::size_t>(at.stages) * widest),
                             at.stages);
    }
  }
  /// After the way back through a stage of the trunk, or a block of it, whose parameters begin at `first`.
  void gradients_are_final(std::size_t first, std::size_t count) const {
    if (ready.call && count > 0) ready(first, first + count);
  }
  /// Runs what a block launches as one, where the backend can; `variant` tells ways to run the same block
  /// apart.
  template <class Body>
  void as_graph(int block, int variant, const Body& body) {
    if constexpr (!Backend::replays)
      body();
    else
      context.as_graph(static_cast<std::size_t>(4 * block + variant) * 2 + (training ? 1 : 0), body);
  }
  [[nodiscard]] Stored* take(std::size_t numbers_per_image) {
    return training ? activations.template take<Stored>(numbers_per_image * static_cast<std::size_t>(batch))
                    : spare.take();
  }
  /// Activations are kept in training, and given back at test as soon as they have been read.
  void release(const Stored* activations_) {
    if (!training && activations_) spare.release(activations_);
  }
  void release_inputs(const ValueOf<Backend>& value) {
    if (!value.read_again) release(value.x);
    // a branch of BN alone is its own shortcut's numbers
    if (value.read_again || value.shortcut != value.x) release(value.shortcut);
  }
  [[nodiscard]] Statistics<T> take_statistics(int channels) {
    const auto n = static_cast<std::size_t>(channels);
    T* both = norms.template take<T>(2 * n);
    return {both, both + n};
  }

  /// After a stage has written the gradient `out` of what it read: what flows on.
  void consumed(FlowOf<Backend>& flow, const ValueOf<Backend>& input, Stored* out) {
    input.template close_sums<Backend>(context);
    const auto give_back = [&](const Stored* old) {
      if (old && old != out && old != flow.read_again) spare.release(old);
    };
    give_back(flow.dy);
    give_back(flow.add);
    flow.dy = out;
    flow.add = nullptr;
    flow.gradient = {out, input.x, input.norm};
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
