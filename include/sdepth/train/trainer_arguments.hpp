// Template arguments of a Trainer in the wrong place: each is one sentence, and the Trainer is then made of
// what was meant, so that nothing follows from the mistake.
#pragma once

#include <type_traits>

#include <sdepth/losses/cross_entropy.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/optimizers/sgd.hpp>
#include <sdepth/train/training_options.hpp>

namespace sdepth::inline SDEPTH_ISA {

template <class Net, class Backend, class Loss_, class Optimizer_>
class Trainer;

namespace detail {

// What each kind of argument is known by, one with a mistake, too: which it is, is said elsewhere.

// A Network is not looked into: clang takes a mistake that is said there for an answer.
template <class Given>
inline constexpr bool is_network = false;
template <class Input, class... Words>
inline constexpr bool is_network<Network<Input, Words...>> = true;
template <class Given>
concept MeantAsNetwork = is_network<Given> || requires {
  typename Given::Lowered;
  Given::residual_blocks;
};
template <class Given>
concept MeantAsBackend = requires { typename Given::Scalar; } || requires { typename Given::Context; };
template <class Given>
concept MeantAsLoss = requires { typename Given::Targets; } || requires { Given::needs_classifier; };
template <class Given>
concept MeantAsOptimizer =
    requires(typename Given::Options options) { options.learning_rate; } || requires { Given::state; };

enum class TrainerError { none, network, backend, loss, optimizer };

template <class Net, class Backend, class Loss, class Optimizer>
inline constexpr TrainerError trainer_error = !MeantAsNetwork<Net>           ? TrainerError::network
                                              : !MeantAsBackend<Backend>     ? TrainerError::backend
                                              : !MeantAsLoss<Loss>           ? TrainerError::loss
                                              : !MeantAsOptimizer<Optimizer> ? TrainerError::optimizer
                                                                             : TrainerError::none;

template <TrainerError Error>
struct CheckedTrainer {
  static constexpr bool said = true;
  static_assert(
      Error != TrainerError::network,
      "Trainer<Net, Backend, Loss, Optimizer>: the first argument must be a network, Network<Input<channels, height, "
      "width>, layers...>");
  static_assert(
      Error != TrainerError::backend,
      "Trainer<Net, Backend, Loss, Optimizer>: the second argument must be a backend, such as Cpu<>");
  static_assert(
      Error != TrainerError::loss,
      "Trainer<Net, Backend, Loss, Optimizer>: the third argument must be a loss, such as CrossEntropy; an optimizer is "
      "the fourth, as in Trainer<Net, Cpu<>, CrossEntropy, AdamW>");
  static_assert(
      Error != TrainerError::optimizer,
      "Trainer<Net, Backend, Loss, Optimizer>: the fourth argument must be an optimizer, such as SGD or AdamW; a "
      "schedule of survival stands in the network, and one of the learning rate calls set_learning_rate");
};

/// The Trainer that may have been meant: network and backend in their places, a loss and an optimizer that
/// are such. Where there is no network or no backend at all, one that can be made and no more.
template <class Net, class Backend, class Loss, class Optimizer>
struct MeantTrainer {
  struct Type {
    explicit Type(const TrainingOptions& = {}) {}
  };
};
template <MeantAsNetwork Net, MeantAsBackend Backend, class Loss, class Optimizer>
struct MeantTrainer<Net, Backend, Loss, Optimizer> {
  using Comparing = std::conditional_t<MeantAsLoss<Loss>, Loss,
                                       std::conditional_t<MeantAsLoss<Optimizer>, Optimizer, CrossEntropy>>;
  using Updating = std::conditional_t<MeantAsOptimizer<Loss>, Loss,
                                      std::conditional_t<MeantAsOptimizer<Optimizer>, Optimizer, SGD>>;
  using Type = Trainer<Net, Backend, Comparing, Updating>;
};
template <MeantAsBackend Backend, MeantAsNetwork Net, class Loss, class Optimizer>
struct MeantTrainer<Backend, Net, Loss, Optimizer> : MeantTrainer<Net, Backend, Loss, Optimizer> {};

}  // namespace detail

/// With an argument in the wrong place.
template <class Net, class Backend, class Loss, class Optimizer>
  requires(detail::trainer_error<Net, Backend, Loss, Optimizer> != detail::TrainerError::none)
class Trainer<Net, Backend, Loss, Optimizer>
    : public detail::MeantTrainer<Net, Backend, Loss, Optimizer>::Type {
  static_assert(detail::CheckedTrainer<detail::trainer_error<Net, Backend, Loss, Optimizer>>::said);

 public:
  using detail::MeantTrainer<Net, Backend, Loss, Optimizer>::Type::Type;
};

}  // namespace sdepth::inline SDEPTH_ISA
