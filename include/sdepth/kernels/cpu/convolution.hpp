// The convolution stages: one pass over memory each, with everything that is pending around the convolution done in its scratch.
//
//   forward   read Source → scratch → image kernel → write raw output, statistics while its rows are in L1
//   backward  read Source and Gradient → two scratches → input gradient (+ add, mask, sums → memory) and weight gradient (→ totals of the part)
//
// Parallel over fixed parts of the batch. A part goes through its images in groups of as many as a kernel's scratch holds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/cpu/epilogue.hpp>
#include <sdepth/kernels/cpu/kernels.hpp>
#include <sdepth/kernels/cpu/statistics.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::cpu {

/// Parts that a batch is cut into: no part is empty, and their number depends on the batch alone.
[[nodiscard]] constexpr int parts_of(int batch, int parts) noexcept { return std::min(batch, parts); }

/// Hands out pieces of a block of memory, each on a cache line.
class Pieces {
 public:
  explicit Pieces(float* memory) : next_(memory) {}
  float* take(std::size_t size) {
    float* piece = next_;
    next_ += rounded(size);
    return piece;
  }
  [[nodiscard]] static constexpr std::size_t rounded(std::size_t size) noexcept { return (size + 15) / 16 * 16; }

 private:
  float* next_;
};

/// Rows [first, last) of image n of a Source, to scratch.
template <class Arch, Scratch Geometry, bool Padded>
void fill_source(const Source<float>& source, int n, int first, int last, float* scratch) {
  constexpr Shape image = Geometry.image;
  for (int h = first; h < last; ++h)
    read_source<Arch, Padded>(source,
                              {(static_cast<std::size_t>(n) * image.pixels() + static_cast<std::size_t>(h * image.width)) *
                                   static_cast<std::size_t>(image.channels),
                               image.width, image.channels},
                              scratch + Geometry.at(h, 0));
}
/// All rows of image n of a Gradient, to scratch; their sums per channel are added to `sum` unless null.
template <class Arch, Scratch Geometry>
void fill_gradient(const Gradient<float>& gradient, int n, float* scratch, float* sum) {
  constexpr Shape image = Geometry.image;
  for (int h = 0; h < image.height; ++h)
    read_gradient<Arch>(gradient,
                        {(static_cast<std::size_t>(n) * image.pixels() + static_cast<std::size_t>(h * image.width)) *
                             static_cast<std::size_t>(image.channels),
                         image.width, image.channels},
                        scratch + Geometry.at(h, 0), sum);
}

/// The kernel's own form of the weights, made in parallel; the weights themselves where it has none.
template <class Kernel>
[[nodiscard]] const float* prepare_weights(int threads, const float* weights, float* prepared) {
  if constexpr (Kernel::prepared_size == 0) return weights;
  parallel_for(Kernel::prepare_tasks, threads, [&](int task, int) { Kernel::prepare(task, weights, prepared); });
  return prepared;
}

template <class Arch, ConvShape S, class Kernel>
void forward_group(const Source<float>& source, int n, int images, const float* weights, const float* bias, float* scratch, float* work,
                   float* out, Moments* moments) {
  constexpr Shape shape = Kernel::out;
  constexpr std::size_t out_row = static_cast<std::size_t>(shape.width * shape.channels), out_image = shape.size();
  int filled = 0;
  const auto fill = [&](int rows) {
    for (int g = 0; g < images; ++g)
      fill_source<Arch, Kernel::scratch, !S.network_input>(source, n + g, filled, rows,
                                                           scratch + static_cast<std::size_t>(g) * Kernel::scratch.size());
    filled = rows;
  };
  for (int row = 0; row < shape.height; row += Kernel::rows) {
    const int count = std::min(Kernel::rows, shape.height - row);
    fill(std::max(filled, Kernel::needed(row + count)));
    float* to = out + static_cast<std::size_t>(n) * out_image + static_cast<std::size_t>(row) * out_row;
    Kernel::run(scratch, row, count, weights, bias, work, to);
    for (int g = 0; moments && g < images; ++g)
      moments->add<Arch>(to + static_cast<std::size_t>(g) * out_image, count * shape.width, shape.channels);
  }
  fill(S.in.height);  // rows that no tap reads may still be wanted in source.finished
}

/// @see operands.hpp. out must not alias an operand.
template <class Arch, int Parts, ConvShape S, class Kernel>
void conv_forward(Workspace<float>& space, int batch, const Source<float>& source, const float* weights, const float* bias, float* out,
                  const Statistics<float>& statistics) {
  constexpr int channels = Kernel::out.channels;
  constexpr std::size_t scratch_size = Pieces::rounded(Kernel::images * Kernel::scratch.size());
  constexpr std::size_t moments_size = MomentsOfParts::size(Parts, channels);
  space.reserve(scratch_size + Kernel::work_size, moments_size + Kernel::prepared_size);
  Pieces shared(space.shared());
  float* moments_memory = shared.take(moments_size);
  std::fill_n(moments_memory, moments_size, 0.0F);
  const MomentsOfParts moments(moments_memory, channels);
  const float* prepared = prepare_weights<Kernel>(space.threads(), weights, shared.take(Kernel::prepared_size));

  const int parts = parts_of(batch, Parts);
  parallel_for(parts, space.threads(), [&](int part, int thread) {
    float* scratch = space.of_thread(thread);
    for (int g = 0; g < Kernel::images; ++g) clear_halo(Kernel::scratch, scratch + static_cast<std::size_t>(g) * Kernel::scratch.size());
    Moments mine = moments.of(part);
    const Range range = part_of(batch, parts, part);
    for (int n = range.first; n < range.last; n += Kernel::images)
      forward_group<Arch, S, Kernel>(source, n, std::min(Kernel::images, range.last - n), prepared, bias, scratch, scratch + scratch_size,
                                     out, statistics.mean ? &mine : nullptr);
  });
  if (statistics.mean)
    moments.merge(
        parts, [&](int part) { return static_cast<double>(part_of(batch, parts, part).size()) * static_cast<double>(S.out().pixels()); },
        statistics);
}

/// The backward stage for one choice of kernels; its types and the pieces of its memory.
template <class Arch, int Parts, ConvShape S, class Convolution>
struct ConvBackward {
  using Kernels = typename Convolution::template Kernels<Arch, S>;
  using InputKernel = typename Kernels::InputGradient;
  using WeightKernel = typename Kernels::WeightGradient;
  static constexpr Scratch v_scratch = Kernels::v_scratch;
  static constexpr Scratch d_scratch = Kernels::d_scratch;
  static constexpr Shape in = InputKernel::out;
  static constexpr std::size_t in_row = static_cast<std::size_t>(in.width * in.channels);
  static constexpr int channels_out = d_scratch.image.channels;

  // Memory per thread: v, d, rows of the raw input gradient, the kernels' own.
  static constexpr std::size_t v_size = Pieces::rounded(v_scratch.size());
  static constexpr std::size_t d_size = Pieces::rounded(d_scratch.size());
  static constexpr std::size_t rows_size = Pieces::rounded(InputKernel::rows * in_row);
  static constexpr std::size_t thread_size =
      v_size + d_size + rows_size + Pieces::rounded(InputKernel::work_size) + WeightKernel::work_size;
  // Shared memory: sums and bias gradients of the parts, prepared weights, weight gradients of the parts.
  static constexpr std::size_t sums_size = SumsOfParts::size(Parts, in.channels);
  static constexpr std::size_t bias_size = static_cast<std::size_t>(Parts * channels_out);

  /// @see operands.hpp. weight_gradient null: the weights are fixed. out null: nobody wants the input's gradient. out may be add.
  static void run(Workspace<float>& space, int batch, const Gradient<float>& gradient, const Source<float>& source, const float* weights,
                  float* weight_gradient, float* bias_gradient, const float* add, float* out, const SourceSums<float>& sums) {
    const int parts = parts_of(batch, Parts);
    const auto totals_size = static_cast<std::size_t>(parts) * WeightKernel::total_size;
    space.reserve(thread_size,
                  Pieces::rounded(sums_size) + Pieces::rounded(bias_size) + Pieces::rounded(InputKernel::prepared_size) + totals_size);
    Pieces shared(space.shared());
    float* sums_memory = shared.take(sums_size);
    float* bias_memory = shared.take(bias_size);
    std::fill(sums_memory, bias_memory + bias_size, 0.0F);
    const SumsOfParts sums_of_parts(sums_memory, in.channels, sums);
    float* prepared = shared.take(InputKernel::prepared_size);
    if (out) static_cast<void>(prepare_weights<InputKernel>(space.threads(), weights, prepared));
    float* totals = shared.take(totals_size);
    const Source<float> values = values_of(source);

    parallel_for(parts, space.threads(), [&](int part, int thread) {
      Pieces pieces(space.of_thread(thread));
      float* v = pieces.take(v_size);
      float* d = pieces.take(d_size);
      float* rows = pieces.take(rows_size);
      float* input_work = pieces.take(InputKernel::work_size);
      float* weight_work = pieces.take(WeightKernel::work_size);  // apart: it may gather several images
      float* total = totals + static_cast<std::size_t>(part) * WeightKernel::total_size;
      float* bias_sum = bias_gradient ? bias_memory + part * channels_out : nullptr;
      clear_halo(v_scratch, v);
      clear_halo(d_scratch, d);
      if (weight_gradient) std::fill_n(total, WeightKernel::total_size, 0.0F);
      const Range range = part_of(batch, parts, part);
      for (int n = range.first; n < range.last; ++n) {
        if (weight_gradient || source.relu) fill_source<Arch, v_scratch, !S.network_input>(values, n, 0, S.in.height, v);
        fill_gradient<Arch, d_scratch>(gradient, n, d, bias_sum);
        if constexpr (!S.network_input)
          if (out) input_gradient(n, d, v, source, prepared, input_work, rows, add, out, sums_of_parts.of(part));
        const int slot = (n - range.first) % WeightKernel::images;
        for (int row = 0; weight_gradient && row < S.out().height; row += WeightKernel::rows)
          WeightKernel::run(v, d, row, std::min(WeightKernel::rows, S.out().height - row), slot,
                            slot + 1 == WeightKernel::images || n + 1 == range.last, total, weight_work);
      }
    });

    constexpr std::size_t piece = 4096;
    constexpr int pieces = static_cast<int>((WeightKernel::merged_size + piece - 1) / piece);
    if (weight_gradient)
      parallel_for(pieces, space.threads(), [&](int i, int) {
        const std::size_t first = static_cast<std::size_t>(i) * piece;
        WeightKernel::merge_parts(totals, parts, first, std::min(first + piece, WeightKernel::merged_size), weight_gradient);
      });
    for (int c = 0; bias_gradient && c < channels_out; ++c) {
      double sum = 0;
      for (int part = 0; part < parts; ++part) sum += static_cast<double>(bias_memory[part * channels_out + c]);
      bias_gradient[c] = static_cast<float>(sum);
    }
    if (out) sums_of_parts.merge(parts, source);
  }

 private:
  static void input_gradient(int n, const float* d, const float* v, const Source<float>& source, const float* prepared, float* work,
                             float* rows, const float* add, float* out, const PartialSums& sums) {
    for (int row = 0; row < in.height; row += InputKernel::rows) {
      const int count = std::min(InputKernel::rows, in.height - row);
      InputKernel::run(d, row, count, prepared, nullptr, work, rows);
      for (int r = 0; r < count; ++r)
        finish_gradient<Arch>(rows + static_cast<std::size_t>(r) * in_row, v + v_scratch.at(row + r, 0), source, add, out,
                              {static_cast<std::size_t>(n) * in.size() + static_cast<std::size_t>(row + r) * in_row, in.width, in.channels},
                              sums);
    }
  }
};

}  // namespace sdepth::cpu
