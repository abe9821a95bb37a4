// Stages without a convolution: where a Source's value itself is wanted (before a pool, at the end of a
// block), and the way back through it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/cpu/direct.hpp>
#include <sdepth/kernels/cpu/dropout.hpp>
#include <sdepth/kernels/cpu/epilogue.hpp>
#include <sdepth/kernels/cpu/statistics.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Calls body(n, first row, rows) for bands of rows of a range of images: about 8 KiB, so that what a first
/// pass wrote is in L1 for the second.
template <Shape Image, class Body>
void for_each_band(const Range& images, const Body& body) {
  constexpr int rows = rows_at_a_time(Image.height, Image.width * Image.channels, 1);
  for (int n = images.first; n < images.last; ++n)
    for (int row = 0; row < Image.height; row += rows) body(n, row, std::min(rows, Image.height - row));
}
template <Shape Image>
inline constexpr std::size_t band_size = static_cast<std::size_t>(
    rows_at_a_time(Image.height, Image.width* Image.channels, 1) * Image.width * Image.channels);

/// The number of a row's first pixel, counted over the batch.
template <Shape S>
[[nodiscard]] constexpr std::uint32_t pixel_in_batch(int n, int row) noexcept {
  return static_cast<std::uint32_t>((n * S.height + row) * S.width);
}

/// Writes v to source.finished where that is set, and its statistics where they are wanted.
template <class Arch, int Parts, Shape S, class A, class Stored>
void finish(Workspace<float>& context, int batch, const Source<float, Stored>& source,
            const Statistics<float>& statistics) {
  constexpr Shape image{padded<Arch>(S.channels), S.height, S.width};
  constexpr std::size_t moments_size = MomentsOfParts::size(Parts, image.channels),
                        row_size = image.size() / image.height;
  const BatchParts parts = context.parts(batch, Parts);
  context.reserve(band_size<image>, moments_size);
  std::fill_n(context.shared(), moments_size, 0.0F);
  const MomentsOfParts moments(context.shared(), image.channels);
  const auto rounder = Rounder<Stored>::of(context, parts.first);
  parallel_for(parts.mine.size(), context.threads(), [&](int index, int thread) {
    const int part = parts.mine.first + index;
    Moments mine = moments.of(part);
    float* v = context.of_thread(thread);
    for_each_band<image>(parts.of(part), [&](int n, int row, int rows) {
      const Run run{static_cast<std::size_t>(row) * row_size, rows * image.width, image.channels};
      Source<float, Stored> of_image = source.of_image(n, image.size());
      Stored* const dropped = source.dropout ? std::exchange(of_image.finished, nullptr) : nullptr;
      const auto of_rows = rounder.at(n, S.pixels());
      read_source<Arch, A>(of_image, run, v, of_rows);
      if (dropped) {
        apply_dropout(*source.dropout, S.channels, pixel_in_batch<S>(parts.first + n, row), run.pixels,
                      run.channels, v);
        if constexpr (Rounder<Stored>::rounds)
          if (of_rows)
            of_rows.template rows<Arch>(image.channels, static_cast<std::size_t>(row * S.width), run.pixels,
                                        v);
        copy_numbers<Arch>(v, run.size(), dropped + run.at);
      }
      if (!statistics.mean) return;
      mine.begin(rows * image.width);
      for (int c = 0; c < image.channels; c += lanes<Arch>)
        mine.block<Arch>(c, v + c, 1, rows * image.width, 0, image.channels);
    });
  });
  if (statistics.mean) moments.merge(context, parts, S.pixels(), statistics);
}

/// out = the gradient of source before its activation, from gradient + add; with the sums. out may be
/// gradient.dy or add.
template <class Arch, int Parts, Shape S, class A, class Stored>
void finish_backward(Workspace<float>& context, int batch, const Gradient<float, Stored>& gradient,
                     const Source<float, Stored>& source, const Stored* add, Stored* out,
                     const SourceSums<float>& sums) {
  constexpr Shape image{padded<Arch>(S.channels), S.height, S.width};
  // as if it were whole: bands lie one after the other
  constexpr Scratch band{image, 0, 0, image.height, image.width};
  constexpr std::size_t sums_size = SumsOfParts::size(Parts, image.channels),
                        row_size = image.size() / image.height;
  const BatchParts parts = context.parts(batch, Parts);
  context.reserve(2 * band_size<image>, sums_size);
  std::fill_n(context.shared(), sums_size, 0.0F);
  const SumsOfParts sums_of_parts(context.shared(), image.channels, sums);
  const auto rounder = Rounder<Stored>::of(context, parts.first);
  parallel_for(parts.mine.size(), context.threads(), [&](int index, int thread) {
    const int part = parts.mine.first + index;
    float* d = context.of_thread(thread);
    float* v = d + band_size<image>;
    for_each_band<image>(parts.of(part), [&](int n, int row, int rows) {
      const std::size_t first = static_cast<std::size_t>(row) * row_size;
      const Run run{first, rows * image.width, image.channels};
      const Source<float, Stored> mine = source.of_image(n, image.size());
      read_gradient<Arch>(gradient.of_image(n, image.size()), run, d, nullptr);
      if (source.dropout)
        apply_dropout(*source.dropout, S.channels, pixel_in_batch<S>(parts.first + n, row), run.pixels,
                      run.channels, d);
      if (mine.activated) read_derivatives<Arch, A>(mine, run, v);
      if (row == 0) clear_sums(source, n, image.channels);
      const std::size_t at = static_cast<std::size_t>(source.gradient_image(n)) * image.size() + first;
      give_rows<Arch, image.width, image.channels>(
          d, 0, rows,
          GradientSink<Arch, A, image, band, Stored>(
              at_number(mine, first), v, add ? add + at : nullptr, out + at,
              sums_of_image(source, n, image.channels, sums_of_parts.of(part)),
              rounder.at(n, S.pixels(), static_cast<std::size_t>(row * S.width))));
    });
  });
  sums_of_parts.merge(context, parts, source);
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
