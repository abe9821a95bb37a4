// Adds pictures of one's own, PNG and JPEG, to a program: --data folder to train, and files and folders to
// infer, for which program/pictures/infer.hpp alone is enough. Include it in one .cpp, and link
// sdepth::pictures.
#pragma once

#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/augmentations.hpp>
#include <sdepth/data/measure.hpp>
#include <sdepth/data/presets.hpp>
#include <sdepth/data/transforms.hpp>
#include <sdepth/pictures/list.hpp>
#include <sdepth/pictures/picture_set.hpp>
#include <sdepth/program/options.hpp>
#include <sdepth/program/pictures/infer.hpp>
#include <sdepth/program/run_data.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// The pictures below --data-dir, or of the list it names, decoded while the network is trained.
///
/// --validation N holds about N pictures out. --normalize paper measures a mean and a deviation of each
/// channel; --augment is a part of random area and proportions, flipped, and a test sees the middle of each
/// picture. Throws Error for pictures that cannot be read, too few classes, and classes for which there is no
/// network.
[[nodiscard]] inline RunData load_picture_data(const Options& options, const InputFor& input, int threads) {
  if (options.data_dir.empty())
    fail(
        "--data folder: expected the place of the pictures, found none; name it by --data-dir, a folder with a folder of pictures for each "
        "class, or a list x.csv of lines path,label");
  PictureData data = read_pictures(options.data_dir, {.test_split = options.test_split,
                                                      .seed = options.seed,
                                                      .skip_broken = options.skip_broken,
                                                      .threads = threads});
  for (const std::string& sentence : data.left_out) std::cerr << "note: left out: " << sentence << '\n';
  const Shape shape = input(data.train.name(), data.train.classes());
  PictureSet validation{data.train.name() + ", held out", data.train.class_names, {}, data.train.limits};
  if (options.validation > 0) {
    const int size = data.train.size();
    if (options.validation >= size)
      fail(data.train.name(), ": cannot hold out ", options.validation, " of ", size,
           " pictures; choose a smaller --validation");
    // Another seed than that of the test part: what is left has draws beyond that part's share.
    validation = data.train.split_off(static_cast<double>(options.validation) / size, options.seed + 1,
                                      options.data_dir);
  }
  if (options.limit_train > 0) data.train.limit(options.limit_train, options.seed);
  if (options.limit_test >= 0) data.test.limit(options.limit_test, options.seed);
  const auto normalization = [&] {
    if (options.normalize == "none") return Normalization::none();
    if (options.normalize == "paper")
      return measure(AnySource(data.train), Compose{Channels{shape.channels}, FitInput{shape}}, shape,
                     MeansOf::channels,
                     {.seed = options.seed, .threads = threads, .skip_broken = options.skip_broken});
    if (shape.channels != 3)
      fail("--normalize imagenet is for networks that read 3 channels, this one reads ", shape.channels);
    return Normalization::imagenet();
  }();
  const std::string augmentation = !options.augment                  ? "none"
                                   : options.augmentation == "paper" ? "paper"
                                                                     : "imagenet";
  const int classes = data.train.classes();
  std::vector<std::string> names = data.train.class_names;
  return {std::move(data.train),
          std::move(validation),
          std::move(data.test),
          training_transforms(augmentation, shape, normalization),
          test_transforms(shape, normalization),
          shape,
          classes,
          std::move(names),
          normalization.values()};
}

inline const bool pictures_are_read = (load_pictures = load_picture_data, true);

}  // namespace sdepth::inline SDEPTH_ISA::program
