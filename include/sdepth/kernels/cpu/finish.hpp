// Stages without a convolution: where a Source's value itself is wanted (before a pool, at the end of a block), and the way back through it.
#pragma once

#include <algorithm>
#include <cstddef>

#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/cpu/direct.hpp>
#include <sdepth/kernels/cpu/epilogue.hpp>
#include <sdepth/kernels/cpu/statistics.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::cpu {

/// Pixels that are worked on at a time: 8 KiB, so that what a first pass wrote is in L1 for the second.
[[nodiscard]] constexpr int run_pixels(int channels) noexcept { return std::max(2048 / channels, 1); }

/// Calls body(run) for runs of pixels that make up a range of images; runs end where images do.
template <class Body>
void for_each_run(const Range& images, const Shape& image, const Body& body) {
  const int step = run_pixels(image.channels), pixels = static_cast<int>(image.pixels());
  for (int n = images.first; n < images.last; ++n)
    for (int p = 0; p < pixels; p += step)
      body(Run{static_cast<std::size_t>(n) * image.size() + static_cast<std::size_t>(p) * static_cast<std::size_t>(image.channels),
               std::min(step, pixels - p), image.channels});
}

/// Writes v to source.finished where that is set, and its statistics where they are wanted.
template <class Arch, int Parts, Shape S>
void finish(Workspace<float>& space, int batch, const Source<float>& source, const Statistics<float>& statistics) {
  constexpr Shape image{padded<Arch>(S.channels), S.height, S.width};
  constexpr std::size_t moments_size = MomentsOfParts::size(Parts, image.channels);
  const int parts = std::min(batch, Parts);
  space.reserve(static_cast<std::size_t>(run_pixels(image.channels) * image.channels), moments_size);
  std::fill_n(space.shared(), moments_size, 0.0F);
  const MomentsOfParts moments(space.shared(), image.channels);
  parallel_for(parts, space.threads(), [&](int part, int thread) {
    Moments mine = moments.of(part);
    float* v = space.of_thread(thread);
    for_each_run(part_of(batch, parts, part), image, [&](const Run& run) {
      read_source<Arch>(source, run, v);
      if (statistics.mean) mine.add<Arch>(v, run.pixels, run.channels);
    });
  });
  if (statistics.mean)
    moments.merge(
        parts, [&](int part) { return static_cast<double>(part_of(batch, parts, part).size()) * static_cast<double>(S.pixels()); },
        statistics);
}

/// out = mask(gradient + add), with the sums. out may be gradient.dy or add.
template <class Arch, int Parts, Shape S>
void finish_backward(Workspace<float>& space, int batch, const Gradient<float>& gradient, const Source<float>& source, const float* add,
                     float* out, const SourceSums<float>& sums) {
  constexpr Shape image{padded<Arch>(S.channels), S.height, S.width};
  constexpr std::size_t sums_size = SumsOfParts::size(Parts, image.channels);
  constexpr auto run_size = static_cast<std::size_t>(run_pixels(image.channels) * image.channels);
  const int parts = std::min(batch, Parts);
  space.reserve(2 * run_size, sums_size);
  std::fill_n(space.shared(), sums_size, 0.0F);
  const SumsOfParts sums_of_parts(space.shared(), image.channels, sums);
  const Source<float> values = values_of(source);
  parallel_for(parts, space.threads(), [&](int part, int thread) {
    float* d = space.of_thread(thread);
    float* v = d + run_size;
    for_each_run(part_of(batch, parts, part), image, [&](const Run& run) {
      read_gradient<Arch>(gradient, run, d, nullptr);
      if (source.relu) read_source<Arch>(values, run, v);
      finish_gradient<Arch>(d, v, source, add, out, run, sums_of_parts.of(part));
    });
  });
  sums_of_parts.merge(parts, source);
}

}  // namespace sdepth::cpu
