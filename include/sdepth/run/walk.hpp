// The walk over a network's stages, forward and backward, with all the memory it needs. The same code for
// every backend.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/kernels/rounding.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/run/images.hpp>
#include <sdepth/run/residual_row.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// The parameters a walk reads, and in training the places it writes.
template <class T>
struct WalkParameters {
  const T* parameters = nullptr;
  const T* running = nullptr;
  T* gradients = nullptr;       // training only
  T* running_update = nullptr;  // training only
  // as running: where a training forward adds its batch's means and unbiased variances; null: nowhere
  double* statistics_sums = nullptr;
  std::uint64_t seed = 0, step = 0;  // of the training step: what dropouts draw from
  // at test: scale and shift of each norm, laid out as running; null: made from running
  const T* norms = nullptr;
  Rounding rounding = Rounding::nearest;  // of the training step's activations and gradients in bfloat16
};

/// Where a backend's memory belongs to a device: makes that of `owner`, a Context or a Storage, the calling
/// thread's while the result lives. Elsewhere nothing.
template <class Owner>
[[nodiscard]] auto on_device_of([[maybe_unused]] const Owner& owner) {
  if constexpr (requires { owner.here(); })
    return owner.here();
  else
    return 0;
}

/// Buffers and records for one batch at a time. Not shared between threads; the backend's own threads are its
/// context's.
template <class Net, class Backend>
class Walk {
 public:
  using T = typename Backend::Scalar;
  using Stored = typename Backend::Stored;
  static constexpr std::size_t classes_stride =
      static_cast<std::size_t>(Backend::padded(Net::output.channels));

  /// A first convolution reads the input's pixels without padding; every other first word needs them padded.
  static constexpr bool compact_input = begins_with_convolution<typename Net::Layers>;
  /// Numbers from one pixel of input() to the next.
  static constexpr std::size_t input_stride =
      static_cast<std::size_t>(compact_input ? Net::input.channels : Backend::padded(Net::input.channels));

  /// @param batch  the largest batch, in images   @param threads  1 to most_threads
  /// @param for_training  whether to reserve address space for a training step with every block open
  Walk(int batch, int threads, bool for_training)
      : batch_(check_at_least_one("walk", "batch", batch)),
        context_(std::make_unique<typename Backend::Context>(check_threads("walk", threads))),
        activations_(for_training ? training_bytes(batch) : 0, gap),
        norms_(norm_bytes(batch)),
        slots_(sizes.largest * static_cast<std::size_t>(batch)),
        outputs_(stores_numbers ? 0 : 2 * outputs_of(batch)),
        input_(static_cast<std::size_t>(batch) * Net::input.pixels() * input_stride),
        records_(std::make_unique<typename Trunk::Record>()) {}

  /// Whether another one has all that this had.
  [[nodiscard]] bool moved_away() const noexcept { return !context_; }
  [[nodiscard]] int capacity() const noexcept { return batch_; }
  [[nodiscard]] int threads() const noexcept { return context_->threads(); }
  [[nodiscard]] typename Backend::Context& context() noexcept { return *context_; }

  /// Where the batch goes before forward: [N, H, W, input_stride].
  [[nodiscard]] Stored* input() noexcept { return input_.data(); }
  /// Brings images [first, first + count) there.
  template <template <class> class Layout, class Number>
  void load(const Layout<Number>& images, int first, int count) {
    if constexpr (Backend::addressable)
      copy_images(Net::input, images, first, count, input_stride, input());
    else
      Backend::upload_images(*context_, Net::input,
                             images.values.data() + static_cast<std::size_t>(first) * Net::input.size(),
                             count, std::is_same_v<Layout<Number>, NHWC<Number>>, input_stride, input());
  }

  /// Runs the network on the first `images` of input(). Returns [images, ..., padded channels], valid until
  /// the next call. All memory is taken back first, so that it makes no difference where the last pass ended
  /// in an exception.
  /// @param gates  [residual blocks], or where images have gates of their own [residual
  ///               blocks][images]   @param branch_scales  [residual blocks]
  const T* forward(int images, bool training, const WalkParameters<T>& parameters,
                   std::span<const std::uint8_t> gates, std::span<const double> branch_scales) {
    [[maybe_unused]] const auto here = on_device_of(*context_);
    activations_.reset();
    norms_.reset();
    slots_.take_all_back();
    Pass<Backend> pass = make_pass(images, training, parameters);
    pass.gates = gates.data();
    if constexpr (Net::residual_blocks > 0)
      pass.gates_per_block = gates.size() / static_cast<std::size_t>(Net::residual_blocks);
    pass.branch_scales = branch_scales.data();
    ValueOf<Backend> value;
    value.x = input_.data();
    Trunk::forward(pass, {}, *records_, value);
    last_ = materialise<Backend, Net::output, typename Net::Lowered::PendingAfter>(pass, value);
    if (!training) slots_.release(value.x);  // read by the caller before the next pass takes it again
    if constexpr (stores_numbers) {
      return value.x;
    } else {
      Backend::load_numbers(*context_, outputs_of(images), value.x, outputs_.data());
      return outputs_.data();
    }
  }

  /// Room for the gradient of forward's result, of the same shape.
  [[nodiscard]] T* take_gradient() {
    [[maybe_unused]] const auto here = on_device_of(*context_);
    if constexpr (stores_numbers)
      return slots_.take();
    else
      return outputs_.data() + outputs_of(batch_);
  }

  /// Follows the last training forward back; `output_gradient` is from take_gradient. Writes the gradients of
  /// all parameters whose stages ran.
  /// @param ready  who is told as soon as a stage's gradients are final; on a device: as soon as the work
  ///               that makes them has been handed over; of a shared batch: when those of all stages are
  void backward(int images, const WalkParameters<T>& parameters, T* output_gradient,
                const GradientListener& ready = {}) {
    [[maybe_unused]] const auto here = on_device_of(*context_);
    Pass<Backend> pass = make_pass(images, true, parameters);
    if (!shared()) pass.ready = ready;
    Stored* received = nullptr;
    if constexpr (stores_numbers) {
      received = output_gradient;
    } else {
      received = slots_.take();
      pass.begin_rounding({.stages = static_cast<int>(stages)}, true);
      constexpr Shape out{static_cast<int>(classes_stride), Net::output.height, Net::output.width};
      Backend::store_numbers(*context_, images, out, output_gradient, received);
    }
    FlowOf<Backend> flow{received, {received}, nullptr, nullptr};
    materialise_backward<Backend, Net::output, typename Net::Lowered::PendingAfter>(pass, flow, last_);
    Trunk::backward(pass, {}, *records_, flow);
    if (flow.dy) slots_.release(flow.dy);
    if constexpr (SharesBatches<Backend>) context_->finish_sums();
    if (shared() && ready.call) ready(0, Net::storage(Backend::lanes).trainable);
  }

  /// Bytes of activations kept by the last training step.
  [[nodiscard]] std::size_t activation_bytes() const noexcept { return activations_.used(); }
  /// What the last walk left behind: for tests that look into stages.
  [[nodiscard]] const auto& records() const noexcept { return *records_; }
  [[nodiscard]] bool slots_all_free() const noexcept { return slots_.all_free(); }
  [[nodiscard]] std::size_t slot_bytes() const noexcept { return slots_.bytes(); }

 private:
  [[nodiscard]] bool shared() const noexcept {
    if constexpr (SharesBatches<Backend>)
      return context_->others();
    else
      return false;
  }
  /// Whether activations lie in memory as the numbers that losses read and write.
  static constexpr bool stores_numbers = std::is_same_v<T, Stored>;
  [[nodiscard]] static std::size_t outputs_of(int images) noexcept {
    return static_cast<std::size_t>(images) * padded_size(Net::output, Backend::lanes);
  }
  using Trunk = TrainingRow<Backend, typename Net::Stages, Row::trunk>;
  /// Entries of the trunk, each block one.
  static constexpr std::size_t stages = Net::Stages::length + static_cast<std::size_t>(Net::residual_blocks);
  static constexpr ActivationSizes sizes = [] {
    ActivationSizes all = Net::Stages::activations(Backend::lanes);
    all.kept += padded_size(Net::output, Backend::lanes);
    return all;
  }();

  /// Every tensor starts on a cache line; a stage has fewer tensors than this many lines.
  static constexpr std::size_t padding_bytes = alignment * 64 * stages;
  /// Tensors are powers of two in size, often: without a gap the same rows of all of a stage's tensors would
  /// meet in the same sets of the caches (measured: 3 % of ResNet-110's training step). An odd number of
  /// lines, and few against padding_bytes.
  static constexpr std::size_t gap = 5 * alignment;
  [[nodiscard]] static std::size_t training_bytes(int batch) {
    return sizes.kept * static_cast<std::size_t>(batch) * sizeof(Stored) + padding_bytes;
  }
  /// Running statistics count the norms' channels twice; a norm keeps nine arrays and two statistics, and a
  /// block may add one of its own.
  [[nodiscard]] static std::size_t norm_bytes(int batch) {
    const std::size_t channels = Net::storage(Backend::lanes).running / 2;
    const std::size_t widest = static_cast<std::size_t>(widest_channels());
    const auto blocks = static_cast<std::size_t>(Net::residual_blocks);
    // two tables of a block, and each image's sums
    const std::size_t images = Net::per_sample ? static_cast<std::size_t>(batch) : 0;
    return norm_arrays * (channels + (stages + 1) * widest) * sizeof(T) + 4 * padding_bytes +
           blocks * images * (2 * sizeof(ImageSource<T, Stored>) + 2 * widest * sizeof(T));
  }
  [[nodiscard]] static constexpr int widest_channels() {
    int widest = 0;
    for (const Shape& shape : Net::shapes) widest = std::max(widest, Backend::padded(shape.channels));
    return widest;
  }

  [[nodiscard]] Pass<Backend> make_pass(int images, bool training, const WalkParameters<T>& p) {
    Pass<Backend> pass{*context_, activations_, norms_, slots_};
    pass.batch = images;
    pass.training = training;
    pass.parameters = p.parameters;
    pass.gradients = p.gradients;
    pass.running = p.running;
    pass.prepared_norms = p.norms;
    pass.running_update = p.running_update;
    pass.statistics_sums = p.statistics_sums;
    pass.seed = p.seed;
    pass.step = p.step;
    pass.widest = static_cast<std::size_t>(widest_channels());
    if constexpr (RoundsStochastically<Backend>) {
      context_->rounding().to_nearest();
      if (training && p.rounding == Rounding::stochastic) context_->rounding().stochastic(p.seed, p.step);
    }
    return pass;
  }

  int batch_;
  std::unique_ptr<typename Backend::Context> context_;
  typename Backend::ActivationArena activations_;
  typename Backend::ActivationArena norms_;
  Slots<Stored, typename Backend::template Memory<Stored>> slots_;
  // and their gradient, where they are stored as other numbers
  typename Backend::template Memory<T> outputs_;
  typename Backend::template Memory<Stored> input_;
  std::unique_ptr<typename Trunk::Record> records_;
  ValueOf<Backend> last_;
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
