// Augmentation put together from steps: each a type of its own, from a picture of any size to the network's
// input.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <tuple>
#include <utility>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/data/batch.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/data/record_random.hpp>
#include <sdepth/data/resize.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Which picture, in which epoch, and the memory that one thread uses for one after the other.
struct RecordContext {
  std::uint64_t seed = 0;
  int epoch = 0;
  int record = 0;
  ResizeScratch scratch{};

  /// The random numbers of one step. @param step  from 1 on
  [[nodiscard]] RecordRandom random(int step) const noexcept { return {seed, epoch, record, step}; }
};

/// A step that changes one picture: what it draws is a function of (seed, epoch, record, place of the step).
template <class Step>
concept PictureStep =
    requires(const Step& step, Picture& picture, RecordContext& context) { step.apply(picture, context, 1); };
/// A step that mixes the pictures of a batch: what it draws is a function of (seed, epoch, batch, place of
/// the step).
template <class Step>
concept BatchStep =
    requires(const Step& step, Batch& batch, RecordRandom& random) { step.mix(batch, Shape{}, 10, random); };

/// Throws Error unless a number of a step lies in [least, most]; what it would do with others is nonsense.
inline void check_step_number(const char* step, const char* what, double number, double least, double most) {
  if (!(number >= least && number <= most))
    fail(step, ": ", what, " is ", number, ", expected ", least, " to ", most);
}
/// More pixels each way than any picture has, and few enough that sums of them do not overflow.
inline constexpr int most_pixels_each_way = 32767;
inline void check_step_extents(const char* step, int height, int width) {
  check_step_number(step, "height", height, 1, most_pixels_each_way);
  check_step_number(step, "width", width, 1, most_pixels_each_way);
}
/// Throws Error where a step has a check() of its numbers which does.
template <class Step>
void check_step(const Step& step) {
  if constexpr (requires { step.check(); }) step.check();
}

/// How many pictures before it in the batch, the last ones being before the first, a step mixes a picture
/// with at most: Step::reach, or any number.
inline constexpr int whole_batch_reach = 1 << 24;
template <class Step>
inline constexpr int reach_of = [] {
  if constexpr (!BatchStep<Step>)
    return 0;
  else if constexpr (requires { Step::reach; })
    return int{Step::reach};
  else
    return whole_batch_reach;
}();

/// Steps in a row, as torchvision's Compose:
///
///     const Compose training{RandomResizedCrop{224, 224}, HorizontalFlip{}, ColorJitter{0.4, 0.4, 0.4}, Normalize{Normalization::imagenet()}, Mixup{0.2}};
///     const Compose test{ResizeAndCrop{256, 224, 224}, Normalize{Normalization::imagenet()}};
///
/// A step of one's own is a type with `void apply(Picture&, RecordContext&, int place) const`, or `mix` as of
/// Mixup; with `void check() const`, which is called here, it may refuse its own numbers by an Error. Of
/// several processes that train together each reads no more of a batch than its `reach` says; without it,
/// all.
template <class... Steps>
  requires((PictureStep<Steps> || BatchStep<Steps>) && ...)
class Compose {
 public:
  /// Throws Error where a step has numbers that mean nothing.
  explicit Compose(Steps... steps) : steps_(std::move(steps)...) {
    for_each([](const auto& step, int) { check_step(step); });
  }

  void apply(Picture& picture, RecordContext& context) const {
    for_each([&](const auto& step, int place) {
      if constexpr (PictureStep<std::remove_cvref_t<decltype(step)>>) step.apply(picture, context, place);
    });
  }
  /// @param batch_number  within the epoch   @param classes  0: there are none
  void mix(Batch& batch, Shape shape, int classes, std::uint64_t seed, int epoch, int batch_number) const {
    for_each([&](const auto& step, int place) {
      if constexpr (BatchStep<std::remove_cvref_t<decltype(step)>>) {
        RecordRandom random(seed, epoch, batch_number, place);
        step.mix(batch, shape, classes, random);
      }
    });
  }
  /// Whether pictures of a batch are mixed, and with how many before them.
  static constexpr bool mixes = (BatchStep<Steps> || ...);
  static constexpr int reach = (0 + ... + reach_of<Steps>);

 private:
  template <class Visit>
  void for_each(const Visit& visit) const {
    int place = 0;
    std::apply([&](const Steps&... steps) { (visit(steps, ++place), ...); }, steps_);
  }
  std::tuple<Steps...> steps_;
};

/// Any Compose, so that a program can choose one when it runs.
class Transforms {
 public:
  template <class... Steps>
  Transforms(Compose<Steps...> compose) {
    const auto shared = std::make_shared<const Compose<Steps...>>(std::move(compose));
    apply_ = [shared](Picture& picture, RecordContext& context) { shared->apply(picture, context); };
    reach_ = Compose<Steps...>::reach;
    if constexpr (Compose<Steps...>::mixes)
      mix_ = [shared](Batch& batch, Shape shape, int classes, std::uint64_t seed, int epoch, int number) {
        shared->mix(batch, shape, classes, seed, epoch, number);
      };
  }

  void apply(Picture& picture, RecordContext& context) const { apply_(picture, context); }
  void mix(Batch& batch, Shape shape, int classes, std::uint64_t seed, int epoch, int number) const {
    if (mix_) mix_(batch, shape, classes, seed, epoch, number);
  }
  /// With how many pictures before it in the batch one is mixed at most.
  [[nodiscard]] int reach() const noexcept { return reach_; }

  /// The same, and then a step that mixes the pictures of each batch.
  template <BatchStep Step>
  [[nodiscard]] Transforms then(Step last) const {
    check_step(last);
    constexpr int place = 1000;  // behind those of any row of steps, so that its random numbers are its own
    Transforms both = *this;
    both.reach_ += reach_of<Step>;
    both.mix_ = [before = mix_, last](Batch& batch, Shape shape, int classes, std::uint64_t seed, int epoch,
                                      int number) {
      if (before) before(batch, shape, classes, seed, epoch, number);
      RecordRandom random(seed, epoch, number, place);
      last.mix(batch, shape, classes, random);
    };
    return both;
  }

 private:
  std::function<void(Picture&, RecordContext&)> apply_;
  std::function<void(Batch&, Shape, int, std::uint64_t, int, int)> mix_;
  int reach_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA
