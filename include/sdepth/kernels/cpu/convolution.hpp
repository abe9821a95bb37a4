// The convolution stages: one pass over memory each, with everything that is pending around the convolution
// done in its scratch.
//
//   forward   read Source → scratch → image kernel → write raw output, statistics while its rows are in L1
//   backward  read Source and Gradient → two scratches → input gradient (+ add, mask, sums → memory) and weight gradient (→ totals of the part)
//
// Parallel over fixed parts of the batch. A part goes through its images in groups of as many as its kernels
// take at once; while a group is worked on, the next one's operands are on their way to L2.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/cpu/epilogue.hpp>
#include <sdepth/kernels/cpu/kernels.hpp>
#include <sdepth/kernels/cpu/statistics.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Goes through a part of the batch in groups of at most `size` images: body(group, next), `next` being the
/// images that the thread will read after them. Behind the part's end that is a guess, the beginning of the
/// part which is its turn if `threads` threads take turns; a wrong one costs a few loads.
template <class Body>
void for_each_group(const BatchParts& parts, int part, int threads, int size, const Body& body) {
  const Range mine = parts.of(part);
  const Range later = part + threads < parts.mine.last ? parts.of(part + threads) : Range{};
  const auto group_of = [size](int first, const Range& range) {
    return Range{first, std::min(first + size, range.last)};
  };
  for (int n = mine.first; n < mine.last; n += size)
    body(group_of(n, mine), n + size < mine.last ? group_of(n + size, mine) : group_of(later.first, later));
}

/// Hands out pieces of a block of memory, each on a cache line.
class Pieces {
 public:
  explicit Pieces(float* memory) : next_(memory) {}
  float* take(std::size_t size) {
    float* piece = next_;
    next_ += whole_lines(size);
    return piece;
  }

 private:
  float* next_;
};

/// Row h of an image.
template <Shape Image>
[[nodiscard]] constexpr Run row_of(int h) noexcept {
  return {static_cast<std::size_t>(h * Image.width * Image.channels), Image.width, Image.channels};
}
/// Rows [first, last) of one image's Source, to scratch.
template <class Arch, class A, Scratch Geometry, bool Padded, class Stored>
void fill_source(const Source<float, Stored>& source, int first, int last, float* scratch,
                 const Rounder<Stored>& rounder = {}) {
  for (int h = first; h < last; ++h)
    read_source<Arch, A, Padded>(source, row_of<Geometry.image>(h), scratch + Geometry.at(h, 0), rounder);
}
/// All rows of what read_values_and_derivatives writes, to two scratches.
template <class Arch, class A, Scratch Geometry, class Stored>
void fill_values_and_derivatives(const Source<float, Stored>& source, float* values, float* derivatives) {
  for (int h = 0; h < Geometry.image.height; ++h)
    read_values_and_derivatives<Arch, A>(source, row_of<Geometry.image>(h), values + Geometry.at(h, 0),
                                         derivatives + Geometry.at(h, 0));
}
/// All rows of one image's Gradient, to scratch; their sums per channel are added to `sum` unless null.
template <class Arch, Scratch Geometry, class Stored>
void fill_gradient(const Gradient<float, Stored>& gradient, float* scratch, float* sum) {
  for (int h = 0; h < Geometry.image.height; ++h)
    read_gradient<Arch>(gradient, row_of<Geometry.image>(h), scratch + Geometry.at(h, 0), sum);
}

/// The kernel's own form of the weights, made in parallel; the weights themselves where it has none.
template <class Kernel>
[[nodiscard]] const float* prepare_weights(int threads, const float* weights, float* prepared) {
  if constexpr (Kernel::prepared_size == 0) return weights;
  parallel_for(Kernel::prepare_tasks, threads,
               [&](int task, int) { Kernel::prepare(task, weights, prepared); });
  return prepared;
}

/// Clears the halos of a group's scratch.
template <Scratch Geometry>
void clear_halos(int images, float* scratch) {
  for (int g = 0; g < images; ++g)
    clear_halo(Geometry, scratch + static_cast<std::size_t>(g) * Geometry.size());
}
[[nodiscard]] constexpr int calls_of(int height, int rows) noexcept { return (height + rows - 1) / rows; }

template <class Arch, ConvShape S, class A, class Kernel, class Stored>
void forward_group(const Source<float, Stored>& source, const Range& group, const Range& next,
                   const float* weights, const float* bias, float* scratch, float* work, Stored* out,
                   Moments* moments, const Rounder<Stored>& rounder) {
  constexpr Shape shape = Kernel::out;
  constexpr std::size_t in_image = Kernel::scratch.image.size();
  Prefetcher ahead(Kernel::steps * calls_of(shape.height, Kernel::rows));
  for (int n = next.first; n < next.last; ++n) {
    const Source<float, Stored> wanted = source.of_image(n, in_image);
    for (const Stored* tensor : {wanted.x, wanted.shortcut, static_cast<const Stored*>(wanted.finished)})
      ahead.want(tensor, in_image);
    ahead.want(out + static_cast<std::size_t>(n) * shape.size(), shape.size());
  }
  int filled = 0;
  const auto fill = [&](int rows) {
    for (int g = 0; g < group.size(); ++g)
      fill_source<Arch, A, Kernel::scratch, !S.network_input>(
          source.of_image(group.first + g, in_image), filled, rows,
          scratch + static_cast<std::size_t>(g) * Kernel::scratch.size(),
          rounder.second().at(group.first + g, S.in.pixels()));
    filled = rows;
  };
  const auto sinks = [&](int g) {
    return ForwardSink<Arch, shape, Stored>(out + static_cast<std::size_t>(group.first + g) * shape.size(),
                                            bias, moments, rounder.at(group.first + g, shape.pixels()));
  };
  for (int row = 0; row < shape.height; row += Kernel::rows) {
    const int count = std::min(Kernel::rows, shape.height - row);
    fill(std::max(filled, Kernel::needed(row + count)));
    Kernel::run(scratch, group.size(), row, count, weights, work, ahead, sinks);
  }
  fill(S.in.height);  // rows that no tap reads may still be wanted in source.finished
}

/// @see operands.hpp. out must not alias an operand.
template <class Arch, int Parts, ConvShape S, class A, class Kernel, class Stored>
void conv_forward(Workspace<float>& context, int batch, const Source<float, Stored>& source,
                  const float* weights, const float* bias, Stored* out, const Statistics<float>& statistics) {
  constexpr int channels = Kernel::out.channels;
  constexpr std::size_t scratch_size = whole_lines(Kernel::images * Kernel::scratch.size());
  constexpr std::size_t moments_size = MomentsOfParts::size(Parts, channels);
  context.reserve(scratch_size + Kernel::work_size, moments_size + Kernel::prepared_size);
  Pieces shared(context.shared());
  float* moments_memory = shared.take(moments_size);
  std::fill_n(moments_memory, moments_size, 0.0F);
  const MomentsOfParts moments(moments_memory, channels);
  const float* prepared =
      prepare_weights<Kernel>(context.threads(), weights, shared.take(Kernel::prepared_size));

  const BatchParts parts = context.parts(batch, Parts);
  const auto rounder = Rounder<Stored>::of(context, parts.first);
  parallel_for(parts.mine.size(), context.threads(), [&](int index, int thread) {
    const int part = parts.mine.first + index;
    float* scratch = context.of_thread(thread);
    clear_halos<Kernel::scratch>(Kernel::images, scratch);
    Moments mine = moments.of(part);
    for_each_group(parts, part, context.threads(), Kernel::images,
                   [&](const Range& group, const Range& next) {
                     forward_group<Arch, S, A, Kernel>(source, group, next, prepared, bias, scratch,
                                                       scratch + scratch_size, out,
                                                       statistics.mean ? &mine : nullptr, rounder);
                   });
  });
  if (statistics.mean) moments.merge(context, parts, S.out().pixels(), statistics);
}

/// The backward stage for one choice of kernels; its types and the pieces of its memory.
template <class Arch, int Parts, ConvShape S, class A, class Convolution, class Stored>
struct ConvBackward {
  using Kernels = typename Convolution::template Kernels<Arch, S>;
  using InputKernel = typename Kernels::InputGradient;
  using WeightKernel = typename Kernels::WeightGradient;
  static constexpr Scratch v_scratch = Kernels::v_scratch;
  static constexpr Scratch d_scratch = Kernels::d_scratch;
  static constexpr Shape in = InputKernel::out, out_image = d_scratch.image;
  // as `in`, but for the network's input, whose pixels are not padded
  static constexpr std::size_t in_image = v_scratch.image.size();
  static constexpr int group = std::min(InputKernel::images, WeightKernel::images);

  // Memory per thread: v, the activation's derivatives where v does not tell them, d, the weight gradient's
  // sums, and the kernels' work, which run one after the other.
  static constexpr std::size_t v_size = whole_lines(group * v_scratch.size());
  static constexpr std::size_t derivatives_size = A::derivative_from_output || S.network_input ? 0 : v_size;
  static constexpr std::size_t d_size = whole_lines(group * d_scratch.size());
  static constexpr std::size_t own_sums_size = whole_lines(WeightKernel::own_sums_size);
  static constexpr std::size_t fixed_size = v_size + derivatives_size + d_size + own_sums_size;
  static constexpr std::size_t thread_size =
      fixed_size + std::max(InputKernel::work_size, WeightKernel::work_size);
  // Shared memory: sums and bias gradients of the parts, prepared weights, weight gradients of the parts.
  static constexpr std::size_t sums_size = SumsOfParts::size(Parts, in.channels);
  static constexpr std::size_t bias_size = static_cast<std::size_t>(Parts * out_image.channels);

  /// What a stage is asked for; as in run().
  struct Operands {
    const Gradient<float, Stored>& gradient;
    const Source<float, Stored>& source;
    const float* prepared;  // the weights in the kernel's form
    float* weight_gradient;
    const Stored* add;
    Stored* out;
    const SourceSums<float>& sums;
    const Rounder<Stored>& rounder;
  };

  /// @see operands.hpp. weight_gradient null: the weights are fixed. out null: nobody wants the input's
  ///      gradient. out may be add.
  static void run(Workspace<float>& context, int batch, const Gradient<float, Stored>& gradient,
                  const Source<float, Stored>& source, const float* weights, float* weight_gradient,
                  float* bias_gradient, const Stored* add, Stored* out, const SourceSums<float>& sums) {
    const BatchParts parts = context.parts(batch, Parts);
    const auto rounder = Rounder<Stored>::of(context, parts.first);
    const auto totals_size = static_cast<std::size_t>(parts.mine.size()) * WeightKernel::total_size;
    context.reserve(thread_size, whole_lines(sums_size) + whole_lines(bias_size) +
                                     whole_lines(InputKernel::prepared_size) + totals_size);
    Pieces shared(context.shared());
    float* sums_memory = shared.take(sums_size);
    float* bias_memory = shared.take(bias_size);
    std::fill(sums_memory, bias_memory + bias_size, 0.0F);
    const SumsOfParts sums_of_parts(sums_memory, in.channels, sums);
    float* prepared = shared.take(InputKernel::prepared_size);
    const float* kernel_weights =
        out ? prepare_weights<InputKernel>(context.threads(), weights, prepared) : nullptr;
    float* totals = shared.take(totals_size);
    // Where the other processes are far, the input's gradient first: its sums are on their way while the
    // weights' gradient is computed, for which the operands are read a second time. Each number is computed
    // as ever.
    const bool in_two = weight_gradient && !bias_gradient && out && out != gradient.dy &&
                        sums_of_parts.any() && context.far_from_others();
    const auto go_through = [&](const Operands& operands) {
      parallel_for(parts.mine.size(), context.threads(), [&](int index, int thread) {
        const int part = parts.mine.first + index;
        float* memory = context.of_thread(thread);
        float* total = totals + static_cast<std::size_t>(index) * WeightKernel::total_size;
        float* own_sums = WeightKernel::own_sums_size ? memory + fixed_size - own_sums_size : total;
        clear_halos<v_scratch>(group, memory);
        clear_halos<d_scratch>(group, memory + v_size + derivatives_size);
        bool begun = false;  // the part's weight gradient
        for_each_group(parts, part, context.threads(), group, [&](const Range& images, const Range& next) {
          run_group(operands, images, next, memory, own_sums, begun,
                    bias_gradient ? bias_memory + part * out_image.channels : nullptr,
                    sums_of_parts.of(part));
          begun = true;
        });
        if (operands.weight_gradient && begun) WeightKernel::finish_part(own_sums, total);
        // a part none of whose images survived
        if (!begun) std::fill_n(total, WeightKernel::total_size, 0.0F);
      });
    };
    if (in_two) {
      go_through({gradient, source, kernel_weights, nullptr, add, out, sums, rounder});
      sums_of_parts.send(context);
      go_through({gradient, source, nullptr, weight_gradient, nullptr, nullptr, sums, rounder});
    } else {
      go_through({gradient, source, kernel_weights, weight_gradient, add, out, sums, rounder});
    }
    if (weight_gradient) {
      if (context.others())
        context.others()->begin_sum(totals, parts.mine.size(), WeightKernel::total_size, weight_gradient);
      else
        merge_totals(context.threads(), totals, parts.count, weight_gradient);
    }
    if (bias_gradient) context.fetch_rows(bias_memory, static_cast<std::size_t>(out_image.channels));
    for (int c = 0; bias_gradient && c < out_image.channels; ++c) {
      double sum = 0;
      for (int part = 0; part < parts.count; ++part)
        sum += static_cast<double>(bias_memory[part * out_image.channels + c]);
      bias_gradient[c] = static_cast<float>(sum);
    }
    if (out) sums_of_parts.merge(context, parts, source, in_two);
  }

 private:
  /// One group of images; `begun`: own_sums holds the weight gradient of others.
  static void run_group(const Operands& o, const Range& range, const Range& next, float* memory,
                        float* own_sums, bool begun, float* bias_sum, const PartialSums& sums) {
    float* v = memory;
    float* derivatives = derivatives_size == 0 ? v : memory + v_size;
    float* d = memory + v_size + derivatives_size;
    float* work = memory + fixed_size;
    const int n = range.first, images = range.size();
    for (int g = 0; g < images; ++g) {
      const Source<float, Stored> source = o.source.of_image(n + g, in_image);
      const std::size_t own = static_cast<std::size_t>(g) * v_scratch.size();
      if (derivatives_size != 0 && source.activated)
        fill_values_and_derivatives<Arch, A, v_scratch>(source, v + own, derivatives + own);
      else if (needs_v(o, source))
        fill_source<Arch, A, v_scratch, !S.network_input>(values_of(source), 0, S.in.height, v + own);
      fill_gradient<Arch, d_scratch>(o.gradient.of_image(n + g, out_image.size()),
                                     d + static_cast<std::size_t>(g) * d_scratch.size(), bias_sum);
      if (o.out) clear_sums(o.source, n + g, in.channels);
    }
    Prefetcher ahead = wanted_by(o, next);
    if constexpr (!S.network_input) {
      const auto sinks = [&](int g) {
        const std::size_t at = static_cast<std::size_t>(o.source.gradient_image(n + g)) * in.size();
        return GradientSink<Arch, A, in, v_scratch, Stored>(
            o.source.of_image(n + g, in_image), derivatives + static_cast<std::size_t>(g) * v_scratch.size(),
            o.add ? o.add + at : nullptr, o.out + at, sums_of_image(o.source, n + g, in.channels, sums),
            o.rounder.at(n + g, in.pixels()));
      };
      for (int row = 0; o.out && row < in.height; row += InputKernel::rows)
        InputKernel::run(d, images, row, std::min(InputKernel::rows, in.height - row), o.prepared, work,
                         ahead, sinks);
    }
    for (int row = 0; o.weight_gradient && row < out_image.height; row += WeightKernel::rows)
      WeightKernel::run(v, d, images, row, std::min(WeightKernel::rows, out_image.height - row), own_sums,
                        begun || row > 0, work, ahead);
  }
  [[nodiscard]] static bool needs_v(const Operands& o, const Source<float, Stored>& source) noexcept {
    return o.weight_gradient || source.activated;
  }
  [[nodiscard]] static Prefetcher wanted_by(const Operands& o, const Range& next) {
    Prefetcher ahead(
        (o.out ? InputKernel::steps * calls_of(in.height, InputKernel::rows) : 0) +
        (o.weight_gradient ? WeightKernel::steps * calls_of(out_image.height, WeightKernel::rows) : 0));
    for (int n = next.first; n < next.last; ++n) {
      const Gradient<float, Stored> gradient = o.gradient.of_image(n, out_image.size());
      ahead.want(gradient.dy, out_image.size());
      if (gradient.norm) ahead.want(gradient.x, out_image.size());
      const Source<float, Stored> source = o.source.of_image(n, in_image), values = values_of(source);
      if (needs_v(o, source)) {
        ahead.want(values.x, in_image);
        ahead.want(values.shortcut, in_image);
      }
      const std::size_t at = static_cast<std::size_t>(o.source.gradient_image(n)) * in.size();
      if (o.out) ahead.want(o.out + at, in.size());
      if (o.add && o.add != o.out) ahead.want(o.add + at, in.size());
      const PartialSums sums = sums_of_image(o.source, n, in.channels,
                                             {nullptr, o.sums.dz_normalised, o.sums.dz_normalised_shortcut});
      // what v is made of is read, too
      const bool again = derivatives_size != 0 && source.activated && source.finished;
      if (again || (sums.dz_x && source.finished)) ahead.want(source.x, in_image);
      if (again || sums.dz_shortcut) ahead.want(source.shortcut, in_image);
    }
    return ahead;
  }
  /// weight_gradient = the sum of the parts' totals, in their order; as Communicator::begin_sum where they
  /// are not all here.
  static void merge_totals(int threads, const float* totals, int parts, float* weight_gradient) {
    constexpr std::size_t piece = 4096;  // floats: enough work for a thread, and more pieces than threads
    constexpr int pieces = static_cast<int>((WeightKernel::total_size + piece - 1) / piece);
    parallel_for(pieces, threads, [&](int index, int) {
      const std::size_t first = static_cast<std::size_t>(index) * piece,
                        last = std::min(first + piece, WeightKernel::total_size);
      for (std::size_t i = first; i < last; i += lanes<Arch>) {
        Vector<Arch> sum = load<Arch>(totals + i);
        for (int part = 1; part < parts; ++part)
          sum = sum + load<Arch>(totals + static_cast<std::size_t>(part) * WeightKernel::total_size + i);
        store<Arch>(weight_gradient + i, sum);
      }
    });
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
