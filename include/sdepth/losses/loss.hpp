// What a loss is: a type with options, the targets that it compares with, and one formula for one image, the
// same for all backends. A new one is one header of this shape, wherever it stands:
//
//     struct AbsoluteError {
//       static constexpr std::string_view name = "AbsoluteError";  // for checkpoints
//       static constexpr bool needs_classifier = false;            // true: the outputs are classes, and the network must end with a classifier
//       struct Options { friend bool operator==(const Options&, const Options&) = default; };
//       using Targets = std::span<const float>;                    // [N, outputs]
//       static void check(Targets targets, int images, int outputs) { check_numbers("AbsoluteError", targets, images, outputs); }
//       template <class T>  // the loss of one image; unless gradient is null, writes the loss's gradient by each output, times factor
//       static constexpr double of_image(const Options&, int outputs, const T* x, const float* target, double factor, T* gradient, bool&) {
//         double sum = 0;
//         for (int i = 0; i < outputs; ++i) {
//           const double difference = static_cast<double>(x[i]) - static_cast<double>(target[i]);
//           sum += difference < 0 ? -difference : difference;
//           if (gradient) gradient[i] = static_cast<T>(factor * (difference > 0 ? 1 : difference < 0 ? -1 : 0));
//         }
//         return sum;
//       }
//     };
//
// The loss of a batch is the mean over its images. `bool& wrong` is for losses that know right from wrong: an
// image for which they make it true counts in Score::errors; it is false at first. Options need
// each_option(options, visit), as an optimizer's, where they have members.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include <sdepth/core/error.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Calls body(numbers, numbers of one image) with the targets as kernels read them. A loss whose Targets are
/// no span says how itself, by with_targets.
template <class Loss, class Body>
auto with_targets(const typename Loss::Targets& targets, int outputs, std::size_t images, const Body& body) {
  if constexpr (requires { Loss::with_targets(targets, outputs, body); })
    return Loss::with_targets(targets, outputs, body);
  else
    return body(targets.data(), images > 0 ? targets.size() / images : 0);
}

/// A name, and whether its network must be a classifier.
template <class L>
concept HasLossNames = requires {
  { std::string_view(L::name) };
  { L::needs_classifier } -> std::convertible_to<bool>;
};
/// Options that can be copied as bytes and compared.
template <class L>
concept HasLossOptions =
    std::is_trivially_copyable_v<typename L::Options> && std::equality_comparable<typename L::Options>;
/// Targets, and `check`, which refuses those that do not fit the network.
template <class L>
concept HasLossTargets = requires(const typename L::Targets& targets) { L::check(targets, 1, 1); };
template <class L>
struct LossProbe {
  template <class Number>
    requires requires(const typename L::Options& options, const float* x, const Number* target,
                      float* gradient, bool& wrong) {
      { L::of_image(options, 1, x, target, 1.0, gradient, wrong) } -> std::convertible_to<double>;
    }
  int operator()(const Number*, std::size_t) const;
};
/// The loss of one image, and its gradient.
template <class L>
concept HasLossOfImage = requires(const typename L::Targets& targets, const LossProbe<L>& probe) {
  probe(targets.data(), std::size_t{1});
} || requires(const typename L::Targets& targets, const LossProbe<L>& probe) {
  L::with_targets(targets, 1, probe);
};

/// A loss: see the example above.
template <class L>
concept Loss = HasLossNames<L> && HasLossOptions<L> && HasLossTargets<L> && HasLossOfImage<L>;

/// True unless the formula is there for another type of target than the loss's Targets hold, which `Found`
/// is.
template <class L, class Held, class Found>
inline constexpr bool takes_no_other_target =
    std::is_same_v<Held, Found> ||
    !requires(const typename L::Options& options, const float* x, const Found* target, float* gradient,
              bool& wrong) { L::of_image(options, 1, x, target, 1.0, gradient, wrong); };
struct NoNumber {};  // of Targets that are no span
template <class L>
struct NumberOfTargets {
  using type = NoNumber;
};
template <HasLossTargets L>
  requires requires(const typename L::Targets& targets) { *targets.data(); }
struct NumberOfTargets<L> {
  using type = std::remove_cvref_t<decltype(*std::declval<const typename L::Targets&>().data())>;
};
/// Whether of_image is there, but with a pointer to other numbers than Targets hold.
template <class L>
inline constexpr bool takes_its_targets = [] {
  using Held = typename NumberOfTargets<L>::type;
  return HasLossOfImage<L> || std::is_same_v<Held, NoNumber> ||
         (takes_no_other_target<L, Held, float> && takes_no_other_target<L, Held, double> &&
          takes_no_other_target<L, Held, int>);
}();

/// Says in a sentence what a type lacks to be a loss.
template <class L>
struct CheckedLoss {
  static constexpr bool said = true;
  static_assert(
      HasLossNames<L>,
      "a loss has a name, and says by needs_classifier whether the network's outputs are classes; see sdepth/losses/loss.hpp");
  static_assert(
      HasLossOptions<L>,
      "a loss has a plain structure Options, which may be empty, with a defaulted operator==; see sdepth/losses/loss.hpp");
  static_assert(
      HasLossTargets<L>,
      "a loss has a type Targets, and check(targets, images, outputs), which throws Error where they do not fit; see sdepth/losses/loss.hpp");
  static_assert(
      takes_its_targets<L> || !std::is_same_v<typename NumberOfTargets<L>::type, float>,
      "the loss's Targets hold floats, but its of_image takes a pointer to other numbers: write `const float* target`");
  static_assert(
      takes_its_targets<L> || !std::is_same_v<typename NumberOfTargets<L>::type, int>,
      "the loss's Targets hold ints, but its of_image takes a pointer to other numbers: write `const int* target`");
  static_assert(
      takes_its_targets<L> || std::is_same_v<typename NumberOfTargets<L>::type, float> ||
          std::is_same_v<typename NumberOfTargets<L>::type, int>,
      "a loss's of_image takes a pointer to what its Targets hold: `const Number* target` for `using Targets = std::span<const Number>`");
  static_assert(
      HasLossOfImage<L> || !takes_its_targets<L>,
      "a loss has one formula for one image: template <class T> static constexpr double of_image(const Options&, int outputs, const T* x, const "
      "Number* target, double factor, T* gradient, bool& wrong); see sdepth/losses/loss.hpp");
};

/// Throws Error unless there are `outputs` finite numbers for each of `count` images.
inline void check_numbers(std::string_view loss, std::span<const float> targets, int count, int outputs) {
  const std::size_t expected = static_cast<std::size_t>(count) * static_cast<std::size_t>(outputs);
  if (targets.size() != expected)
    fail("targets: ", loss, " expects ", outputs, " numbers for each of ", count, " images, ", expected,
         " together, found ", targets.size());
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (!std::isfinite(targets[i]))
      fail("targets: image ", i / static_cast<std::size_t>(outputs), " has ", targets[i], " for output ",
           i % static_cast<std::size_t>(outputs), ", expected a finite number");
}

}  // namespace sdepth::inline SDEPTH_ISA
