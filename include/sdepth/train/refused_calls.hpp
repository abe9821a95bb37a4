// Calls of a Trainer that cannot be meant: each is one sentence, where the compiler would list what there is
// instead.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <vector>

#include <sdepth/losses/class_targets.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/run/images.hpp>
#include <sdepth/train/score.hpp>
#include <sdepth/train/training_pass.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// What is wrong with the arguments behind the images.
enum class CallError { none, no_targets, targets, gates, plan };

template <class Given>
inline constexpr bool are_gates = std::is_convertible_v<Given, std::span<const std::uint8_t>>;

template <class Ready>
inline constexpr bool is_ready = std::is_invocable_v<std::add_lvalue_reference_t<Ready>, GradientRange>;

/// Of step(images, targets), step(images, targets, gates). void: an argument that is not there.
template <class Targets, class First = void, class... Others>
consteval CallError step_error() {
  if (std::is_void_v<First>) return CallError::no_targets;
  if (!std::is_convertible_v<First, Targets>) return CallError::targets;
  const bool right = sizeof...(Others) == 0 || (sizeof...(Others) == 1 && (are_gates<Others> && ...));
  return right ? CallError::none : CallError::gates;
}
/// Of compute_gradients, which may have a function behind these.
template <class Targets, class First = void, class Second = void, class... Others>
consteval CallError gradients_error() {
  if (std::is_void_v<First>) return CallError::no_targets;
  if (!std::is_convertible_v<First, Targets>) return CallError::targets;
  const bool right = sizeof...(Others) == 0
                         ? std::is_void_v<Second> || are_gates<Second> || is_ready<Second>
                         : are_gates<Second> && sizeof...(Others) == 1 && (is_ready<Others> && ...);
  return right ? CallError::none : CallError::gates;
}
/// Of evaluate(images, targets), evaluate(images, targets, plan).
template <class Targets, class First = void, class... Others>
consteval CallError evaluation_error() {
  if (std::is_void_v<First>) return CallError::no_targets;
  if (!std::is_convertible_v<First, Targets>) return CallError::targets;
  const bool right = sizeof...(Others) == 0 ||
                     (sizeof...(Others) == 1 && (std::is_convertible_v<Others, const DepthPlan&> && ...));
  return right ? CallError::none : CallError::plan;
}

/// Says it, once for each kind of mistake.
template <CallError Error, class Targets>
struct CheckedCall {
  static constexpr bool said = true;
  static constexpr bool of_classes = std::is_same_v<Targets, ClassTargets>,
                        of_numbers = std::is_same_v<Targets, std::span<const float>>,
                        wrong = Error == CallError::targets || Error == CallError::no_targets;
  static_assert(
      !wrong || !of_classes,
      "targets: behind the images come their labels, one int for each, in a std::vector<int> or any std::span<const int>, or "
      "Probabilities{numbers}; copy labels of another type into a std::vector<int>");
  static_assert(
      !wrong || !of_numbers,
      "targets: behind the images come the numbers that the loss compares with, floats for each image in a std::vector<float> or "
      "any std::span<const float>");
  static_assert(!wrong || of_classes || of_numbers,
                "targets: behind the images comes what the loss compares with, of its type Targets");
  static_assert(
      Error != CallError::gates,
      "step(images, targets, gates), compute_gradients(images, targets, gates, ready): gates are 0 or 1 for each residual block in a "
      "std::vector<std::uint8_t> or any std::span<const std::uint8_t>; ready is called with a GradientRange");
  static_assert(
      Error != CallError::plan,
      "evaluate(images, targets, plan), predict(images, plan): which blocks run is said by a DepthPlan, such as "
      "keep_blocks<Net>(order, 10); logits of a batch need no labels");
};
template <class Result, CallError Error, class Targets>
Result refuse_the_call() {
  static_assert(CheckedCall<Error, Targets>::said);
  fail("a call that does not compile was made");
}

/// What is said to a user who makes a Trainer from something else than its options.
template <class Options, class Given, class... Others>
[[noreturn]] const Options& refuse_the_options() {
  static_assert(
      std::is_convertible_v<const Given&, const Options&> && sizeof...(Others) == 0,
      "Trainer(options): a trainer is made with its own type Options, as in Trainer<Net, Cpu<>> trainer({.batch = 64, .threads = 2}), "
      "and behind them with a Communicator where several processes train together");
  fail("a trainer that does not compile was made");
}

/// A Trainer's.
template <class Loss>
struct RefusedCalls {
  // As targets are views of numbers that somebody keeps, braces are none: nobody keeps theirs.
  using Braces = std::initializer_list<
      std::conditional_t<std::is_same_v<typename Loss::Targets, ClassTargets>, int, double>>;
  template <Images Given, class... Others>
  Score step(const Given&, Braces, Others&&...) {
    return refuse_the_call<Score, CallError::targets, typename Loss::Targets>();
  }
  template <Images Given, class... Others>
  Score start(const Given&, Braces, Others&&...) {
    return refuse_the_call<Score, CallError::targets, typename Loss::Targets>();
  }
  template <Images Given, class... Others>
  Score compute_gradients(const Given&, Braces, Others&&...) {
    return refuse_the_call<Score, CallError::targets, typename Loss::Targets>();
  }
  template <Images Given, class... Others>
  Score evaluate(const Given&, Braces, Others&&...) {
    return refuse_the_call<Score, CallError::targets, typename Loss::Targets>();
  }

  template <class Given, class... Others>
    requires(!Images<Given>)
  Score step(const Given&, Others&&...) {
    return wrap_the_images<Score, Given>();
  }
  template <class Given, class... Others>
    requires(!Images<Given>)
  Score start(const Given&, Others&&...) {
    return wrap_the_images<Score, Given>();
  }
  template <class Given, class... Others>
    requires(!Images<Given>)
  Score compute_gradients(const Given&, Others&&...) {
    return wrap_the_images<Score, Given>();
  }
  template <class Given, class... Others>
    requires(!Images<Given>)
  Score evaluate(const Given&, Others&&...) {
    return wrap_the_images<Score, Given>();
  }
  template <class Given, class... Others>
    requires(!Images<Given>)
  std::vector<float> predict(const Given&, Others&&...) {
    return wrap_the_images<std::vector<float>, Given>();
  }

  template <Images Given, class... Others>
    requires(step_error<typename Loss::Targets, Others...>() != CallError::none)
  Score step(const Given&, Others&&...) {
    return refuse_the_call<Score, step_error<typename Loss::Targets, Others...>(), typename Loss::Targets>();
  }
  template <Images Given, class... Others>
    requires(step_error<typename Loss::Targets, Others...>() != CallError::none)
  Score start(const Given&, Others&&...) {
    return refuse_the_call<Score, step_error<typename Loss::Targets, Others...>(), typename Loss::Targets>();
  }
  template <Images Given, class... Others>
    requires(gradients_error<typename Loss::Targets, Others...>() != CallError::none)
  Score compute_gradients(const Given&, Others&&...) {
    return refuse_the_call<Score, gradients_error<typename Loss::Targets, Others...>(),
                           typename Loss::Targets>();
  }
  template <Images Given, class... Others>
    requires(evaluation_error<typename Loss::Targets, Others...>() != CallError::none)
  Score evaluate(const Given&, Others&&...) {
    return refuse_the_call<Score, evaluation_error<typename Loss::Targets, Others...>(),
                           typename Loss::Targets>();
  }
  template <Images Given, class... Others>
    requires(sizeof...(Others) > 1 || !(std::is_convertible_v<Others, const DepthPlan&> && ...))
  std::vector<float> predict(const Given&, Others&&...) {
    return refuse_the_call<std::vector<float>, CallError::plan, typename Loss::Targets>();
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
