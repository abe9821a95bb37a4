// Means and deviations of pictures that are read from files or elsewhere, for Normalize.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/loader.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/data/transforms.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Of what there is one mean: each channel, with a deviation of its own; or each position of a picture, with
/// one deviation, as in the paper.
enum class MeansOf { channels, positions };

struct MeasureOptions {
  int pictures = 5000;  ///< that are looked at, drawn by the seed; all where there are fewer
  std::uint64_t seed = 0;
  int threads = 1;  ///< that read; the result does not depend on them
  bool skip_broken = false;
};

/// Measures the pictures of a source behind `transforms`, which must not normalise. Sums are doubles, in the
/// order of the seed. Throws Error where there are no pictures, or they do not differ, or one cannot be read.
[[nodiscard]] inline Normalization measure(const AnySource& source, const Transforms& transforms, Shape shape,
                                           MeansOf of, const MeasureOptions& options = {}) {
  check_at_least_one("measure", "pictures", options.pictures);
  Loader loader(
      source, transforms, shape,
      {.batch = 64, .seed = options.seed, .threads = options.threads, .skip_broken = options.skip_broken});
  const auto channels = static_cast<std::size_t>(shape.channels),
             means = of == MeansOf::channels ? channels : shape.size();
  std::vector<double> sums(means), squares(means);
  double each = 0;  // numbers that each mean is of
  loader.start(0);
  for (int left = options.pictures; left > 0;) {
    const Batch* batch = loader.next();
    if (!batch) break;
    for (int n = 0; n < batch->size && left > 0; ++n, --left) {
      const float* picture = batch->images.data() + static_cast<std::size_t>(n) * shape.size();
      for (std::size_t i = 0; i < shape.size(); ++i) {
        const double value = static_cast<double>(picture[i]);
        sums[i % means] += value;
        squares[i % means] += value * value;
      }
      each += of == MeansOf::channels ? static_cast<double>(shape.pixels()) : 1.0;
    }
  }
  if (each < 1) fail(source.name(), ": there are no pictures to measure");
  std::vector<float> values, deviations;
  double variance = 0;
  for (std::size_t i = 0; i < means; ++i) {
    const double mean = sums[i] / each, own = std::max(0.0, squares[i] / each - mean * mean);
    values.push_back(static_cast<float>(mean));
    deviations.push_back(static_cast<float>(std::sqrt(own)));
    variance += own / static_cast<double>(means);
  }
  if (!(variance > 0))
    fail(
        source.name(),
        ": the pictures do not differ, so there is no standard deviation to divide by; use more pictures or no normalisation");
  if (of == MeansOf::channels) {
    for (float& deviation : deviations)
      if (!(deviation > 0)) deviation = 1;  // a channel that is the same everywhere becomes 0
    values.insert(values.end(), deviations.begin(), deviations.end());
  } else {
    values.insert(values.begin(), static_cast<float>(std::sqrt(variance)));
  }
  return Normalization::from_values(values, shape);
}

}  // namespace sdepth::inline SDEPTH_ISA
