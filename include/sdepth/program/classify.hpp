// A learner's classification of a whole set, with thumbnails of the pictures that it is most wrong about.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/loader.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/program/classification.hpp>
#include <sdepth/program/learner.hpp>
#include <sdepth/program/run_data.hpp>
#include <sdepth/program/thumbnail.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// @param name  of the set, for the report   @param how  batch, threads and skip_broken are looked at
[[nodiscard]] inline Classification classify_set(Learner& learner, const AnySource& set,
                                                 const std::string& name, const RunData& data,
                                                 const LoaderOptions& how) {
  Classification found(name, data.classes, data.class_names);
  Loader loader(
      set, data.testing, data.shape,
      {.batch = how.batch, .shuffle = false, .threads = how.threads, .skip_broken = how.skip_broken});
  loader.start(0);
  const auto classes = static_cast<std::size_t>(data.classes);
  int record = 0;
  while (const Batch* batch = loader.next()) {
    const std::vector<float> logits = learner.predict(batch->images);
    const auto broken = loader.broken();
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch->size); ++i, ++record) {
      while (broken.contains(record)) ++record;  // those are not in the batch
      found.add(std::span(logits).subspan(i * classes, classes), batch->labels[i], record);
    }
  }
  for (WrongPicture& wrong : found.worst()) {
    Picture picture;
    set.read(wrong.record, picture);
    if (picture.shape.channels == 1 || picture.shape.channels == 3)
      wrong.thumbnail = thumbnail(std::move(picture));
  }
  return found;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
