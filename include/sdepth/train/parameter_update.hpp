// From gradients to new parameters: what a trainer keeps for its optimizer, gradients of several mini-batches
// added up, and their norm clipped.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/core/math.hpp>
#include <sdepth/run/walk.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/train/parameter_groups.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// mixed = keep·mixed + part·other, by the backends' passes over parameters, to which `other` is the
/// gradient.
struct Mix {
  static constexpr std::array<std::string_view, 0> state{};
  template <class V>
  SDEPTH_INLINE static constexpr void update(const std::array<V, 2>& factors, V& mixed, V other,
                                             std::array<V, 0>&) {
    mixed = math::multiply_add(factors[1], other, factors[0] * mixed);
  }
};
/// scaled = factor·other.
struct Scale {
  static constexpr std::array<std::string_view, 0> state{};
  template <class V>
  SDEPTH_INLINE static constexpr void update(const std::array<V, 1>& factors, V& scaled, V other,
                                             std::array<V, 0>&) {
    scaled = factors[0] * other;
  }
};
/// One pass with the same factors for all parameters.
template <class Rule, std::size_t K, class Updater, class Context, class T>
void update_all(Updater& updater, Context& context, const std::array<double, K>& factors, bool frozen,
                T* numbers, const T* others) {
  updater.template update<Rule>(context, std::span(&factors, 1), frozen, numbers, others, {});
}

/// The gradients of a step, and the optimizer that turns them into new parameters.
///
/// A step's gradients come from one mini-batch or more: each time take the gates, let the walk write
/// gradients_of_walk(), then add. What is pending is their mean over all images, where a closed block's count
/// as zero.
template <class Net, class Backend, class Optimizer>
class ParameterUpdate {
 public:
  using T = typename Backend::Scalar;
  using Context = typename Backend::Context;
  using Storage = typename Backend::template Storage<T>;
  using Options = typename Optimizer::Options;
  using Groups = GroupedSegments<Optimizer>;
  static constexpr std::size_t blocks = static_cast<std::size_t>(Net::residual_blocks);

  explicit ParameterUpdate(const Weights<Net, Backend>& weights)
      : gradients_(weights.parameters().size()),
        groups_(weights.tensors(), {}),
        updater_(groups_.segments(), blocks),
        open_(blocks) {
    for (Storage& numbers : state_) numbers = Storage(gradients_.size());
  }

  /// Groups of parameters, in place of those of before; updates are counted on. Throws Error, and changes
  /// nothing, where one says no parameters, or makes options that nothing can be trained with.
  void set_groups(const Weights<Net, Backend>& weights, std::vector<ParameterGroup<Optimizer>> groups,
                  const Options& options) {
    if (images_ > 0)
      fail("set_parameter_groups: there are gradients that wait for apply; call it between two steps");
    for (const ParameterGroup<Optimizer>& group : groups)
      if (!group.contains)
        fail(
            "set_parameter_groups: a group does not say which parameters it contains; give it `.contains = [](const ParameterInfo&) …`");
    Groups changed(weights.tensors(), std::move(groups), groups_.tensor_counts());
    changed.check(options);
    use(std::move(changed));
  }
  [[nodiscard]] const Groups& groups() const noexcept { return groups_; }
  void set_counts(const std::vector<std::uint64_t>& counts) { groups_.set_counts(counts); }
  /// Of each trainable tensor how many updates it has had.
  void set_tensor_counts(const Weights<Net, Backend>& weights, std::span<const std::uint64_t> counts) {
    use(Groups(weights.tensors(), groups_.groups(), counts));
  }

  /// The gates of the next mini-batch: those of (seed, step), or given ones. @tparam Adds  whether it may be
  /// one of several: else Error where others wait. A trainer that only makes whole steps has no code for
  /// adding.
  template <bool Adds>
  void take_drawn_gates(Context& context, std::uint64_t seed, std::uint64_t step,
                        std::span<const double> survival, std::span<const std::uint8_t> open) {
    begin_batch<Adds>(context);
    if constexpr (Net::per_sample)  // which blocks run for any image is nothing that a device draws
      updater_.take_gates(context, open);
    else
      updater_.take_drawn_gates(context, seed, step, survival, open);
    taken_.assign(open.begin(), open.end());
  }
  template <bool Adds>
  void take_gates(Context& context, std::span<const std::uint8_t> open) {
    begin_batch<Adds>(context);
    updater_.take_gates(context, open);
    taken_.assign(open.begin(), open.end());
  }
  /// The walk has written the gradients of so many images.
  template <bool Adds>
  void add([[maybe_unused]] Context& context, int images) {
    if (!summed_) {
      open_ = taken_;
    } else if constexpr (Adds) {
      const double all = static_cast<double>(images_) + images;
      update_all<Mix>(updater_, context, std::array{static_cast<double>(images_) / all, images / all}, false,
                      for_kernels(sum_), for_kernels(std::as_const(gradients_)));
      for (std::size_t block = 0; block < blocks; ++block) open_[block] |= taken_[block];
    }
    images_ += images;
  }
  /// What waits for apply, to come back to where the last add turns out to have had no finite loss.
  struct Pending {
    std::int64_t images = 0;
    std::vector<std::uint8_t> open;
  };
  [[nodiscard]] Pending pending() const { return {images_, open_}; }
  void come_back_to(const Pending& pending) {
    images_ = pending.images;
    open_ = pending.open;
  }

  void drop_pending() noexcept { images_ = 0; }

  /// Throws Error where no gradients wait.
  void check_pending(const char* who) const {
    if (images_ == 0) fail(who, ": there are no gradients; call compute_gradients first");
  }
  /// Scales what waits so that its norm is `most` at most. @return  the norm before
  double clip(Context& context, double most) {
    check_pending("clip_gradient_norm");
    if (!(most >= 0)) fail("clip_gradient_norm: the largest norm is ", most, ", expected a number from 0 up");
    use_pending_gates(context);
    T* const gradients = for_kernels(current());
    const double norm = updater_.norm(context, gradients);
    if (!std::isfinite(norm))
      fail("clip_gradient_norm: the norm of the gradients is ", norm,
           ", expected a finite number; lower the learning rate");
    const double factor = most / (norm + 1e-6);
    if (factor < 1) update_all<Scale>(updater_, context, std::array{factor}, true, gradients, gradients);
    return norm;
  }
  /// One update by what waits.
  void apply(Context& context, const Options& options, bool frozen, T* parameters) {
    use_pending_gates(context);
    std::array<T*, state_count<Optimizer>> states{};
    for (std::size_t i = 0; i < states.size(); ++i) states[i] = for_kernels(state_[i]);
    const std::vector<Factors<Optimizer>>& factors = groups_.factors(options);
    updater_.template update<Optimizer>(context, std::span<const Factors<Optimizer>>(factors), frozen,
                                        parameters, for_kernels(std::as_const(current())), states);
    groups_.count(open_, frozen);
    images_ = 0;
  }

  /// Where the walk writes.
  [[nodiscard]] Storage& gradients_of_walk() noexcept { return gradients_; }
  /// The last mini-batch's gradients, or the mean of several.
  [[nodiscard]] Storage& current() noexcept { return summed_ ? sum_ : gradients_; }
  [[nodiscard]] const Storage& current() const noexcept { return summed_ ? sum_ : gradients_; }
  /// In the order of Optimizer::state.
  [[nodiscard]] std::array<Storage, state_count<Optimizer>>& state() noexcept { return state_; }
  /// Throws Error where the optimizer keeps nothing of that name.
  [[nodiscard]] Storage& state(std::string_view name) {
    const auto found = std::find(Optimizer::state.begin(), Optimizer::state.end(), name);
    if (found == Optimizer::state.end())
      fail(Optimizer::name, " keeps nothing called \"", name, "\" for its parameters",
           Optimizer::state.empty() ? "" : "; it keeps ",
           Optimizer::state.empty() ? std::string_view() : *Optimizer::state.begin());
    return state_[static_cast<std::size_t>(found - Optimizer::state.begin())];
  }

 private:
  void use(Groups&& groups) {
    [[maybe_unused]] const auto here = detail::on_device_of(gradients_);
    updater_ = typename Backend::Updater(groups.segments(), blocks);
    groups_ = std::move(groups);
    taken_.clear();
  }
  /// Before the walk writes gradients anew.
  template <bool Adds>
  void begin_batch([[maybe_unused]] Context& context) {
    [[maybe_unused]] const auto here = detail::on_device_of(gradients_);
    if (images_ == 0) {
      summed_ = false;
    } else if constexpr (!Adds) {
      fail(
          "step: there are gradients that wait for apply; call apply, or zero_gradients, before a whole step");
    } else if (!summed_) {
      if (sum_.size() == 0) sum_ = Storage(gradients_.size());
      use_pending_gates(context);
      update_all<Scale>(updater_, context, std::array{1.0}, false, for_kernels(sum_),
                        for_kernels(std::as_const(gradients_)));
      summed_ = true;
    }
  }
  /// Has the updater work with the gates of what waits, where it has others: of a mini-batch that came later,
  /// or failed.
  void use_pending_gates(Context& context) {
    if (open_ == taken_) return;
    updater_.take_gates(context, open_);
    taken_ = open_;
  }

  Storage gradients_;
  Storage sum_;          // made when a second mini-batch comes
  bool summed_ = false;  // what is current is in sum_
  std::array<Storage, state_count<Optimizer>> state_;
  Groups groups_;
  typename Backend::Updater updater_;
  std::vector<std::uint8_t> open_;   // [blocks], those with a gradient in what waits
  std::vector<std::uint8_t> taken_;  // [blocks], the gates that the updater has; empty: none
  std::int64_t images_ = 0;          // of the mini-batches that wait
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
