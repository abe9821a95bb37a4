// Parameters that are updated in another way than the others: without weight decay, with a lower learning
// rate, or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/kernels/operands.hpp>
#include <sdepth/network/parameters.hpp>
#include <sdepth/optimizers/optimizer.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Which parameters, and how.
///
///     trainer.set_parameter_groups({
///         {.contains = [](const ParameterInfo& p) { return p.name.starts_with("conv1"); }, .frozen = true},
///         {.contains = is_norm_or_bias, .change = [](auto& options) { options.weight_decay = 0; }},
///     });
template <class Optimizer>
struct ParameterGroup {
  using Change = std::function<void(typename Optimizer::Options&)>;
  // GCC 12 crashes on a group in a function template unless it has been asked for this before.
  static_assert(std::is_nothrow_destructible_v<Change> && std::is_nothrow_default_constructible_v<Change>);

  std::function<bool(const ParameterInfo&)> contains;
  /// What it changes of the trainer's options, before each update: `options.learning_rate *= 0.1` follows a
  /// schedule. Empty: nothing.
  Change change = nullptr;
  bool frozen = false;  // its parameters and the optimizer's state stay as they are, whatever their gradients
};

/// BN's γ and β, and the biases of convolutions and linear layers: those that are commonly spared weight
/// decay.
[[nodiscard]] inline bool is_norm_or_bias(const ParameterInfo& parameter) {
  return parameter.kind == ParameterKind::bias || parameter.kind == ParameterKind::bn_weight ||
         parameter.kind == ParameterKind::bn_bias;
}

namespace detail {

/// The flat buffer of parameters as segments that are updated alike: same residual block, same group, as many
/// updates so far.
template <class Optimizer>
class GroupedSegments {
 public:
  using Options = typename Optimizer::Options;
  using Group = ParameterGroup<Optimizer>;

  GroupedSegments() = default;
  /// @param counts  of each trainable tensor how many updates it has had; empty: none
  GroupedSegments(const std::vector<ParameterInfo>& tensors, std::vector<Group> groups,
                  std::span<const std::uint64_t> counts = {})
      : groups_(std::move(groups)) {
    std::size_t i = 0;
    for (const ParameterInfo& tensor : tensors) {
      if (!tensor.trainable()) continue;
      int group = 0;
      while (group < static_cast<int>(groups_.size()) &&
             !groups_[static_cast<std::size_t>(group)].contains(tensor))
        ++group;
      const bool never =
          group < static_cast<int>(groups_.size()) && groups_[static_cast<std::size_t>(group)].frozen;
      const int block = never ? ParameterSegment::never : tensor.block;
      const std::uint64_t count = counts.empty() ? 0 : counts[i];
      ++i;
      if (segments_.empty() || segments_.back().block != block || group_.back() != group ||
          counts_.back() != count) {
        segments_.push_back({tensor.offset, 0, block});
        group_.push_back(group);
        counts_.push_back(count);
      }
      segments_.back().size += tensor.size;
      segment_of_.push_back(segments_.size() - 1);
    }
  }

  [[nodiscard]] const std::vector<ParameterSegment>& segments() const noexcept { return segments_; }
  [[nodiscard]] const std::vector<Group>& groups() const noexcept { return groups_; }
  /// Of each segment how many updates it has had. Where factors do not depend on it, it stays 0.
  [[nodiscard]] const std::vector<std::uint64_t>& counts() const noexcept { return counts_; }
  void set_counts(const std::vector<std::uint64_t>& counts) { counts_ = counts; }
  /// The same for each trainable tensor.
  [[nodiscard]] std::vector<std::uint64_t> tensor_counts() const {
    std::vector<std::uint64_t> all;
    for (const std::size_t segment : segment_of_) all.push_back(counts_[segment]);
    return all;
  }
  /// In which group each trainable tensor is; the number of groups: in none.
  [[nodiscard]] std::vector<int> tensor_groups() const {
    std::vector<int> all;
    for (const std::size_t segment : segment_of_) all.push_back(group_[segment]);
    return all;
  }
  /// A group's options. Throws Error where nothing can be trained with them.
  [[nodiscard]] Options options_of(const Group& group, Options options) const {
    if (group.change) group.change(options);
    check_options<Optimizer>(options);
    return options;
  }
  /// Throws Error where with these options, or with those that a group makes of them, nothing can be trained.
  void check(const Options& options) const {
    check_options<Optimizer>(options);
    for (const Group& group : groups_) static_cast<void>(options_of(group, options));
  }

  /// The factors of the next update: [1] for all segments, or [segments].
  [[nodiscard]] const std::vector<Factors<Optimizer>>& factors(const Options& options) {
    factors_.clear();
    std::vector<Options> of_groups;
    for (const Group& group : groups_) of_groups.push_back(options_of(group, options));
    of_groups.push_back(options);
    for (std::size_t i = 0; i < segments_.size(); ++i) {
      std::size_t same = 0;
      while (same < i && (group_[same] != group_[i] || counts_[same] != counts_[i])) ++same;
      factors_.push_back(
          same < i ? factors_[same]
                   : factors_of<Optimizer>(of_groups[static_cast<std::size_t>(group_[i])], counts_[i] + 1));
    }
    if (factors_.empty()) factors_.push_back(factors_of<Optimizer>(options, 1));
    return factors_;
  }
  /// After an update: those that it did not leave alone have had one more.
  /// @param open  [blocks]   @param frozen  closed blocks were left alone
  void count(std::span<const std::uint8_t> open, bool frozen) {
    if constexpr (counts_updates<Optimizer>)
      for (std::size_t i = 0; i < segments_.size(); ++i) {
        const int block = segments_[i].block;
        counts_[i] += block != ParameterSegment::never &&
                      (block < 0 || !frozen || open[static_cast<std::size_t>(block)] != 0);
      }
  }

 private:
  std::vector<Group> groups_;
  std::vector<ParameterSegment> segments_;
  std::vector<int> group_;               // [segments]
  std::vector<std::uint64_t> counts_;    // [segments]
  std::vector<std::size_t> segment_of_;  // [trainable tensors]
  std::vector<Factors<Optimizer>> factors_;
};

}  // namespace detail

}  // namespace sdepth::inline SDEPTH_ISA
