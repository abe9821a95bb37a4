// A backend that computes nothing: each of its kernels writes down how many bytes it would move and how many
// operations it would make. A Trainer on it makes real training steps, so what is counted is what the stages
// do, with the operands that they hand over.
//
// Bytes are those of tensors, each operand read or written once; an array that two operands name counts once.
// What stays in a cache from one stage to the next is not subtracted. Where the CPU has one kernel for a
// convolution's way back, a GPU has two, which both read the gradient.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/memory.hpp>
#include <sdepth/kernels/host.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/network/fused_stage.hpp>

namespace sdepth::roofline {

/// What one stage does in a step: one row of the table.
struct Work {
  std::string stage;  // what and over which shape
  std::string reads;  // what is done on the way in
  double bytes = 0;
  // operations that tensor cores can do: 2 for each multiply-add of a product of matrices
  double products = 0;
  double operations = 0;  // all others
  int kernels = 1;        // that it launches
  int steps = 1;          // of those that follow from each other; 0: it runs beside the next
};

/// The step that is being made: its stages in order, and how often the device is handed something, a kernel
/// or a graph of a block's.
struct Recorded {
  std::vector<Work> stages;
  int submissions = 0;
  int steps = 0;  // kernels of the longest chain of those that follow from each other
  bool in_block = false;
};
[[nodiscard]] inline Recorded& recorded() {
  static Recorded all;
  return all;
}

/// Arrays of a kernel; the same one counts once.
class Bytes {
 public:
  template <class Number>
  void add(const Number* array, std::size_t numbers) {
    if (!array || std::find(seen_.begin(), seen_.end(), array) != seen_.end()) return;
    seen_.push_back(array);
    write(array, numbers);
  }
  template <class Number>
  void write(const Number* array, std::size_t numbers) {
    if (array) sum_ += static_cast<double>(sizeof(Number) * numbers);
  }
  [[nodiscard]] double sum() const noexcept { return sum_; }

 private:
  std::vector<const void*> seen_;
  double sum_ = 0;
};

[[nodiscard]] inline std::string text_of(const Shape& s) {
  return std::to_string(s.channels) + " × " + std::to_string(s.height) + " × " + std::to_string(s.width);
}
[[nodiscard]] inline std::string text_of(const ConvShape& s) {
  const std::string kernel =
      s.kernel == 3 ? "" : ", " + std::to_string(s.kernel) + " × " + std::to_string(s.kernel);
  return std::to_string(s.in.channels) + " → " + std::to_string(s.channels_out) + " at " +
         std::to_string(s.in.height) + " × " + std::to_string(s.in.width) + kernel +
         (s.stride > 1 ? ", stride " + std::to_string(s.stride) : "");
}

/// The stream of kernels: what a block launches is handed over as one.
class CountingSpace {
 public:
  explicit CountingSpace(int) {}
  [[nodiscard]] int threads() const noexcept { return 1; }
  template <class Body>
  void as_graph(std::size_t, const Body& body) {
    const std::size_t before = recorded().stages.size();
    recorded().in_block = true;
    body();
    recorded().in_block = false;
    recorded().submissions += recorded().stages.size() > before ? 1 : 0;
  }
};

/// Address space that nobody touches.
struct CountingArena : Arena {
  using Arena::Arena;
  template <class>
  void seek(std::size_t, int) const noexcept {}
};

inline void record(Work work) {
  recorded().steps += work.steps;
  recorded().submissions += recorded().in_block ? 0 : work.kernels;
  recorded().stages.push_back(std::move(work));
}
inline void record(Work work, const Bytes& bytes) {
  work.bytes = bytes.sum();
  record(std::move(work));
}

/// One kernel draws the gates, one updates all parameters; those of a closed block have no gradient.
class CountingUpdater {
 public:
  CountingUpdater(std::span<const ParameterSegment> segments, std::size_t)
      : segments_(segments.begin(), segments.end()) {}
  void take_drawn_gates(CountingSpace& context, std::uint64_t, std::uint64_t,
                        std::span<const double> survival, std::span<const std::uint8_t> open) {
    take_gates(context, open);
    Work work{"gates", ""};
    work.bytes = 9.0 * static_cast<double>(survival.size());
    work.operations = 50.0 * static_cast<double>(survival.size());
    record(std::move(work));
  }
  void take_gates(CountingSpace&, std::span<const std::uint8_t> open) {
    open_.assign(open.begin(), open.end());
  }
  template <class Rule, std::size_t K>
  void update(CountingSpace&, std::span<const std::array<double, K>>, bool frozen, float*, const float*,
              const std::array<float*, Rule::state.size()>&) const {
    constexpr double states = static_cast<double>(Rule::state.size());
    Work work{"SGD", ""};
    for (const ParameterSegment& segment : segments_) {
      const bool open = segment.block < 0 || open_[static_cast<std::size_t>(segment.block)] != 0;
      if (!open && frozen) continue;
      // Weights and the optimizer's state are read and written, the gradient is read.
      work.bytes += (2 + 2 * states + (open ? 1 : 0)) * 4.0 * static_cast<double>(segment.size);
      work.operations += 8 * static_cast<double>(segment.size);
    }
    record(std::move(work));
  }

 private:
  std::vector<ParameterSegment> segments_;
  std::vector<std::uint8_t> open_;
};

/// @tparam Stored_  what activations lie in memory as
template <class Stored_>
struct CountingOf {
  using Scalar = float;
  using Stored = Stored_;
  using Context = CountingSpace;
  using Loss = LossResult;
  template <class Number>
  using Memory = Buffer<Number>;
  template <class Number>
  using Storage = Buffer<Number>;
  using ActivationArena = CountingArena;
  using Updater = CountingUpdater;
  static constexpr bool addressable = false;
  static constexpr bool synchronous = false;
  static constexpr bool replays = true;
  static constexpr bool prepares_norms = true;
  static constexpr int lanes = 8;  // as cuda::lanes
  [[nodiscard]] static constexpr int padded(int channels) noexcept { return round_up(channels, lanes); }

  template <ConvShape S, class A = ReLU>
  static void conv_forward(Context&, int batch, const Source<float, Stored>& source, const float* weights,
                           const float*, Stored* out, Statistics<float>) {
    Work work{"forward " + text_of(S), reading(source)};
    Bytes bytes;
    read(bytes, work, source, input_size<S>(batch));
    bytes.add(weights, weight_size<S>);
    bytes.write(out, size(S.out(), batch));
    work.products = products<S>(batch);
    record(work, bytes);
  }
  template <ConvShape S, class A = ReLU>
  static void conv_backward(Context&, int batch, const Gradient<float, Stored>& gradient,
                            const Source<float, Stored>& source, const float* weights, float* weight_gradient,
                            float*, const Stored* add, Stored* out, SourceSums<float> sums) {
    if (weight_gradient) {
      // Forward has written the value where it had to be finished.
      const Source<float, Stored> value =
          source.finished ? Source<float, Stored>{.x = source.finished} : source;
      Work work{"weight gradient " + text_of(S), reading(value)};
      Bytes bytes;
      read(bytes, work, gradient, size(S.out(), batch));
      read(bytes, work, value, input_size<S>(batch));
      bytes.write(weight_gradient, weight_size<S>);
      work.products = products<S>(batch);
      if (recorded().in_block && out) work.steps = 0;  // in a graph beside the input gradient
      record(work, bytes);
    }
    if (!out) return;
    Work work{"input gradient " + text_of(S), masking(source, add)};
    Bytes bytes;
    read(bytes, work, gradient, size(S.out(), batch));
    bytes.add(weights, weight_size<S>);
    mask(bytes, work, source, add, sums, size(S.in, batch));
    bytes.write(out, size(S.in, batch));
    work.products = products<S>(batch);
    record(work, bytes);
  }
  template <Shape S, class A = ReLU>
  static void finish(Context&, int batch, const Source<float, Stored>& source, Statistics<float>) {
    Work work{"finish " + text_of(S), reading(source)};
    Bytes bytes;
    read(bytes, work, source, size(S, batch));
    record(work, bytes);
  }
  template <Shape S, class A = ReLU>
  static void finish_backward(Context&, int batch, const Gradient<float, Stored>& gradient,
                              const Source<float, Stored>& source, const Stored* add, Stored* out,
                              SourceSums<float> sums) {
    Work work{"finish, gradient " + text_of(S), masking(source, add)};
    Bytes bytes;
    read(bytes, work, gradient, size(S, batch));
    mask(bytes, work, source, add, sums, size(S, batch));
    bytes.write(out, size(S, batch));
    record(work, bytes);
  }
  template <PoolShape S>
  static void pool_forward(Context&, int batch, const Stored* in, Stored* out) {
    pool("pool " + text_of(S.in) + " → " + text_of(S.out()), S, S.out(), batch, in, out);
  }
  template <PoolShape S>
  static void pool_backward(Context&, int batch, const Stored* dy, const Stored* in, Stored* dx) {
    // An average's gradient needs the numbers no more.
    Work work{"pool, gradient " + text_of(S.in) + " → " + text_of(S.out()), ""};
    Bytes bytes;
    bytes.add(dy, size(S.out(), batch));
    if (S.kind == PoolKind::maximum) bytes.add(in, size(S.in, batch));
    bytes.write(dx, size(S.in, batch));
    work.operations = static_cast<double>(size(S.in, batch));
    record(work, bytes);
  }
  template <ShortcutShape S>
  static void shortcut_forward(Context&, int batch, const Stored* in, Stored* out) {
    pool("shortcut " + text_of(S.in) + " → " + text_of(S.out()), S.pool(), S.out(), batch, in, out);
  }
  template <ShortcutShape S>
  static void shortcut_backward(Context&, int batch, const Stored* dy, Stored* dx) {
    Work work{"shortcut, gradient " + text_of(S.in) + " → " + text_of(S.out()), ""};
    Bytes bytes;
    bytes.add(dy, size(S.out(), batch));
    bytes.write(dx, size(S.in, batch));
    work.operations = static_cast<double>(size(S.in, batch));
    record(work, bytes);
  }
  template <LinearShape S>
  static void linear_forward(Context&, int batch, const Stored* in, const float* weights, const float*,
                             Stored* out) {
    Bytes bytes;
    bytes.add(in, size(S.in, batch));
    bytes.add(weights, linear_size<S>);
    bytes.write(out, size(S.out(), batch));
    linear<S>("linear ", batch, 1, bytes);
  }
  template <LinearShape S>
  static void linear_backward(Context&, int batch, const Stored* dy, const Stored* in, const float* weights,
                              float* weight_gradient, float*, Stored* dx) {
    Bytes bytes;
    bytes.add(dy, size(S.out(), batch));
    bytes.add(in, size(S.in, batch));
    bytes.add(weights, linear_size<S>);
    bytes.write(weight_gradient, linear_size<S>);
    bytes.write(dx, size(S.in, batch));
    linear<S>("linear, gradients ", batch, 2, bytes);
  }
  static LossResult softmax_cross_entropy(Context&, int batch, int classes, const float* logits,
                                          const int* labels, float* gradient) {
    Work work{"loss of " + std::to_string(classes) + " classes", ""};
    Bytes bytes;
    const auto images = static_cast<std::size_t>(batch);
    const std::size_t numbers = images * static_cast<std::size_t>(padded(classes));
    bytes.add(logits, numbers);
    bytes.add(labels, images);
    bytes.write(gradient, numbers);
    // largest, difference, exponential (counted as 4), sum, quotient
    work.operations = 8 * static_cast<double>(numbers);
    record(work, bytes);
    return {};
  }
  template <class Loss, class Target>
  static LossResult loss(Context& context, int batch, int outputs, const typename Loss::Options&,
                         const float* predictions, const Target*, std::size_t, float* gradient) {
    return softmax_cross_entropy(context, batch, outputs, predictions, nullptr, gradient);
  }

  /// At test; in training the stages prepare norms themselves.
  static void norm_forward(Context&, std::size_t channels, const NormForward<float>&, const float*,
                           const float*) {
    norm("BN: numbers", 8, channels);
  }
  static void norm_scale(Context&, std::size_t channels, const Norm<float>&, double) {
    norm("branch's scale", 7, channels);
  }
  /// Nothing is computed, so there is nothing to be read but zeros.
  struct Zeros {
    std::vector<float> numbers;
    [[nodiscard]] const std::vector<float>& get() const noexcept { return numbers; }
  };
  [[nodiscard]] static Zeros read(Context&, const float*, std::size_t count) {
    return {std::vector<float>(count)};
  }
  static void add_statistics(Context&, std::size_t channels, double, const float*, const float*, double*,
                             double*) {
    norm("statistics' sums", 10, channels);
  }
  /// Logits, and their gradient.
  static void load_numbers(Context&, std::size_t count, const Stored* stored, float* numbers) {
    convert("logits as floats", count, stored, numbers);
  }
  static void store_numbers(Context&, int batch, const Shape& image, const float* numbers, Stored* stored) {
    convert("logits' gradient as stored", static_cast<std::size_t>(batch) * image.size(), numbers, stored);
  }
  template <class Number>
  static void upload_images(Context&, Shape shape, const Number*, int count, bool, std::size_t stride,
                            Stored*) {
    Work work{"images " + text_of(shape) + ", from where they were uploaded", ""};
    work.bytes = static_cast<double>(count) * (static_cast<double>(shape.size() * sizeof(Number)) +
                                               static_cast<double>(sizeof(Stored) * shape.pixels() * stride));
    record(std::move(work));
  }

 private:
  [[nodiscard]] static std::size_t size(const Shape& shape, int batch) {
    return detail::padded_size(shape, lanes) * static_cast<std::size_t>(batch);
  }
  template <ConvShape S>
  [[nodiscard]] static std::size_t input_size(int batch) {
    return S.network_input ? S.in.size() * static_cast<std::size_t>(batch) : size(S.in, batch);
  }
  template <ConvShape S>
  static constexpr std::size_t weight_size = static_cast<std::size_t>(S.kernel) * S.kernel * S.in.channels *
                                             static_cast<std::size_t>(padded(S.channels_out));
  template <LinearShape S>
  static constexpr std::size_t linear_size = S.in.size() * static_cast<std::size_t>(padded(S.features));
  template <ConvShape S>
  [[nodiscard]] static double products(int batch) {
    return 2.0 * S.kernel * S.kernel * S.in.channels * static_cast<double>(S.out().size()) * batch;
  }

  [[nodiscard]] static std::string reading(const Source<float, Stored>& source) {
    std::string text;
    const auto also = [&](bool is, const char* what) {
      if (is) text += (text.empty() ? "" : ", ") + std::string(what);
    };
    also(source.norm, "BN");
    also(source.shortcut, "+ shortcut");
    also(source.activated, "ReLU");
    also(source.finished, "written");
    return text;
  }
  [[nodiscard]] static std::string masking(const Source<float, Stored>& source, const Stored* add) {
    std::string text = source.activated ? "mask" : "";
    if (add) text += text.empty() ? "+ shortcut's" : ", + shortcut's";
    return text;
  }
  /// A Source in the forward direction: two operations for each norm, one each for the sum and the ReLU.
  static void read(Bytes& bytes, Work& work, const Source<float, Stored>& source, std::size_t numbers) {
    bytes.add(source.x, numbers);
    bytes.add(source.shortcut, numbers);
    bytes.write(source.finished, numbers);
    const int each = (source.norm ? 2 : 0) + (source.shortcut ? 1 : 0) + (source.shortcut_norm ? 2 : 0) +
                     (source.activated ? 1 : 0);
    work.operations += each * static_cast<double>(numbers);
  }
  static void read(Bytes& bytes, Work& work, const Gradient<float, Stored>& gradient, std::size_t numbers) {
    bytes.add(gradient.dy, numbers);
    if (!gradient.norm) return;
    bytes.add(gradient.x, numbers);
    work.operations += 5 * static_cast<double>(numbers);
  }
  /// A Source in the backward direction: the sign of its value, and its raw numbers where sums over them are
  /// wanted.
  static void mask(Bytes& bytes, Work& work, const Source<float, Stored>& source, const Stored* add,
                   const SourceSums<float>& sums, std::size_t numbers) {
    bytes.add(add, numbers);
    if (source.activated && source.finished) bytes.add(source.finished, numbers);
    const bool again = source.activated && !source.finished;
    if (again || sums.dz_normalised) bytes.add(source.x, numbers);
    if (again || sums.dz_normalised_shortcut) bytes.add(source.shortcut, numbers);
    const int each = (add ? 1 : 0) + (source.activated ? 1 : 0) + (again ? 3 : 0) + (sums.dz ? 1 : 0) +
                     (sums.dz_normalised ? 4 : 0) + (sums.dz_normalised_shortcut ? 4 : 0);
    work.operations += each * static_cast<double>(numbers);
  }
  static void pool(const std::string& stage, const PoolShape& shape, const Shape& out_shape, int batch,
                   const Stored* in, const Stored* out) {
    Work work{stage, ""};
    Bytes bytes;
    // Plain subsampling reads only what it keeps.
    const bool all = shape.window_height >= shape.stride && shape.window_width >= shape.stride;
    const std::size_t numbers = size(all ? shape.in : shape.out(), batch);
    bytes.add(in, numbers);
    bytes.write(out, size(out_shape, batch));
    work.operations = static_cast<double>(numbers);
    record(work, bytes);
  }
  template <LinearShape S>
  static void linear(const char* what, int batch, int each, const Bytes& bytes) {
    Work work{what + std::to_string(S.in.size()) + " → " + std::to_string(S.features), ""};
    work.products = 2.0 * each * static_cast<double>(S.in.size()) * S.features * batch;
    record(work, bytes);
  }
  template <class From, class To>
  static void convert(const char* stage, std::size_t count, const From* from, const To* to) {
    Bytes bytes;
    bytes.add(from, count);
    bytes.write(to, count);
    record({.stage = stage, .reads = "", .operations = static_cast<double>(count)}, bytes);
  }
  /// @param arrays  read or written, of a number per channel
  static void norm(const char* stage, int arrays, std::size_t channels) {
    Work work{std::string(stage) + " of " + std::to_string(channels) + " channels", ""};
    work.bytes = 4.0 * arrays * static_cast<double>(channels);
    work.operations = 10 * static_cast<double>(channels);
    record(std::move(work));
  }
};
using Counting = CountingOf<float>;

}  // namespace sdepth::roofline
