// The pictures of a run: what it trains on, what it is judged by, and how bytes become numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/catalog.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/train/trainer.hpp>

#include "learner.hpp"
#include "options.hpp"

namespace programs {

struct RunData {
  sdepth::ImageSet train;
  sdepth::ImageSet validation;
  sdepth::ImageSet test;
  sdepth::Normalization normalization;
};

/// Loads the data set, holds out, limits, and measures the mean on what is left to train on, in this order.
/// Throws Error where there is no such data, or not enough of it.
[[nodiscard]] inline RunData load_run_data(const Options& options) {
  auto [train, test] = sdepth::load_data_set(options.data, options.data_dir);
  sdepth::ImageSet validation = train.split_off(options.validation);
  if (options.limit_train > 0) train.limit(options.limit_train);
  if (options.limit_test >= 0) test.limit(options.limit_test);
  const auto normalization = options.normalize == "paper" ? sdepth::Normalization::paper(train) : sdepth::Normalization::none();
  return {std::move(train), std::move(validation), std::move(test), normalization};
}

/// Loss and errors over a whole set, `batch` pictures at a time; with no pictures, images is 0. Throws Error where the network computes
/// what is not finite. @param advice  what to do then   @param plan  the blocks that run
[[nodiscard]] inline sdepth::Score evaluate_set(Learner& learner, const sdepth::ImageSet& set, const sdepth::Normalization& normalization,
                                                int batch, std::string_view advice, const sdepth::DepthPlan& plan = {}) {
  sdepth::Score total;
  std::vector<float> images;
  std::vector<int> labels;
  for (int first = 0; first < set.size(); first += batch) {
    const int count = std::min(batch, set.size() - first);
    images.resize(static_cast<std::size_t>(count) * set.shape.size());
    labels.clear();
    for (int i = 0; i < count; ++i) {
      normalization.apply(set.image(first + i), images.data() + static_cast<std::size_t>(i) * set.shape.size());
      labels.push_back(set.labels[static_cast<std::size_t>(first + i)]);
    }
    try {
      const sdepth::Score part = learner.evaluate(images, labels, plan);
      total.loss += part.loss * static_cast<double>(count);
      total.errors += part.errors;
      total.images += count;
    } catch (const sdepth::Error& error) {
      sdepth::fail("evaluating ", set.name, " from picture ", first, " on: ", error.what(), "; ", advice);
    }
  }
  if (total.images > 0) total.loss /= static_cast<double>(total.images);
  return total;
}

}  // namespace programs
