// The pictures of a run: what it trains on, what it is judged by, and how they become numbers.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/data/augmentations.hpp>
#include <sdepth/data/catalog.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/loader.hpp>
#include <sdepth/data/mixing.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/data/presets.hpp>
#include <sdepth/data/transforms.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/program/learner.hpp>
#include <sdepth/program/options.hpp>
#include <sdepth/train/score.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

struct RunData {
  AnySource train, validation, test;
  Transforms training, testing;
  Shape shape;  // behind the transforms
  int classes = 0;
  std::vector<std::string> class_names;  // empty: they have none
  std::vector<float> normalization;      // Normalization::values()
};

/// A set in memory as a source that keeps it.
struct KeptImages {
  std::shared_ptr<const ImageSet> set;
  explicit KeptImages(ImageSet images) : set(std::make_shared<const ImageSet>(std::move(images))) {}

  [[nodiscard]] int size() const noexcept { return set->size(); }
  [[nodiscard]] int classes() const noexcept { return set->classes; }
  [[nodiscard]] const std::string& name() const noexcept { return set->name; }
  void read(int record, Picture& picture) const { ImageRecords{*set}.read(record, picture); }
};

/// How the pictures of a batch are mixed, as the options say, behind all other steps.
[[nodiscard]] inline Transforms mixed_as(const Options& options, const Transforms& transforms) {
  const Mixup mixup{options.mixup};
  const CutMix cutmix{options.cutmix};
  if (options.mixup > 0 && options.cutmix > 0) return transforms.then(OneOf<Mixup, CutMix>{mixup, cutmix});
  if (options.mixup > 0) return transforms.then(mixup);
  return options.cutmix > 0 ? transforms.then(cutmix) : transforms;
}

/// The input of the network that is meant, for so many classes. @param pictures  the data set, for the
/// message where there is no such network
using InputFor = std::function<Shape(const std::string& pictures, int classes)>;
/// Pictures of one's own. Null in programs that do not include program/pictures.hpp.
using LoadPictures = RunData (*)(const Options& options, const InputFor& input, int threads);
inline LoadPictures load_pictures = nullptr;

/// Loads the data set, holds out, limits, and measures the mean on what is left to train on, in this order.
/// Throws Error where there is no such data, or not enough of it.
[[nodiscard]] inline RunData load_run_data(const Options& options, const InputFor& input, int threads) {
  if (options.data == "folder") {
    if (!load_pictures)
      fail(
          "--data folder: this program was built without what reads pictures; include <sdepth/program/pictures.hpp> and link sdepth::pictures");
    return load_pictures(options, input, threads);
  }
  auto [train, test] = load_data_set(options.data, options.data_dir);
  ImageSet validation = train.split_off(options.validation);
  if (options.limit_train > 0) train.limit(options.limit_train);
  if (options.limit_test >= 0) test.limit(options.limit_test);
  const Normalization normalization = options.normalize == "paper"      ? Normalization::paper(train)
                                      : options.normalize == "imagenet" ? Normalization::imagenet()
                                                                        : Normalization::none();
  if (!normalization.fits(train.shape))
    fail("--normalize ", options.normalize, " is for pictures of 3 channels, those of ", train.name, " have ",
         train.shape.channels, "; choose another");
  train.check();
  const Transforms testing = Compose{Normalize{normalization}};
  const Shape shape = train.shape;
  const Transforms training = !options.augment ? testing
                              : options.augmentation == "imagenet"
                                  ? training_transforms("imagenet", shape, normalization)
                                  : Transforms(Compose{Normalize{normalization}, PaperAugmentation{}});
  const int classes = train.classes;
  return {KeptImages(std::move(train)),
          KeptImages(std::move(validation)),
          KeptImages(std::move(test)),
          training,
          testing,
          shape,
          classes,
          {},
          normalization.values()};
}

/// Loss and errors over a whole set, `batch` pictures at a time; with no pictures, images is 0. Throws Error
/// where the network computes what is not finite. @param advice  what to do then   @param most  batches that
/// are looked at   @param plan  the blocks that run
[[nodiscard]] inline Score evaluate_set(Learner& learner, const AnySource& set, const RunData& data,
                                        const LoaderOptions& how, std::string_view advice,
                                        const DepthPlan& plan = {},
                                        int most = std::numeric_limits<int>::max()) {
  ScoreSum sum;
  if (set.size() == 0) return sum.all();
  Loader loader(set, data.testing, data.shape,
                {.batch = how.batch,
                 .shuffle = false,
                 .threads = how.threads,
                 .share = how.share,
                 .skip_broken = how.skip_broken,
                 .others = how.others});
  loader.start(0);
  const auto told = [&](int of, const auto& body) {
    try {
      return body();
    } catch (const Error& error) {
      fail("evaluating ", set.name(), " from picture ", static_cast<long long>(of) * how.batch,
           " on: ", error.what(), "; ", advice);
    }
  };
  std::function<Score()> before;  // a device computes it while the next batch is made
  const auto add = [&](int of) { sum.add(told(of, before)); };
  int started = 0;
  for (; started < most; ++started) {
    const Batch* batch = loader.next();
    if (!batch) break;
    auto next = told(started, [&] { return learner.start_evaluation(batch->images, batch->labels, plan); });
    if (before) add(started - 1);
    before = std::move(next);
  }
  if (before) add(started - 1);
  return sum.all();
}

}  // namespace sdepth::inline SDEPTH_ISA::program
