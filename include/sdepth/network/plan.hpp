// From words to storage: how many numbers each word of a network keeps, in which order, and what PyTorch calls them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/layers/blocks.hpp>
#include <sdepth/layers/conv.hpp>
#include <sdepth/layers/input.hpp>
#include <sdepth/layers/linear.hpp>
#include <sdepth/layers/pointwise.hpp>
#include <sdepth/layers/pool.hpp>
#include <sdepth/layers/residual.hpp>
#include <sdepth/network/parameters.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The words of a projection shortcut around `Block` at input shape `In`.
template <class Block, Shape In>
using ProjectionWords = Chain<Conv<Block::output(In).channels, 1, Block::shortcut_stride(In), Bias::none, 0>, BN>;

/// True where the block's shortcut has parameters.
template <class Block, Shape In>
inline constexpr bool has_projection = Block::projects && !Block::identity_shortcut(In);

/// Names in PyTorch's manner: conv1, bn1, conv2, … counted within a prefix; a network's only linear layer is fc.
struct Naming {
  std::string prefix;
  int block = -1;        // the tensors' ParameterInfo::block
  bool numbered = true;  // false: `conv`, `bn` without a number, as in a shortcut
  bool only_linear = false;
  int convolutions = 0;
  int norms = 0;
  int linears = 0;
  int blocks = 0;

  [[nodiscard]] std::string next(const char* kind, int& count) const {
    ++count;
    return prefix + kind + (numbered ? std::to_string(count) : std::string());
  }
};

/// Where the next tensor goes.
struct Planner {
  int lanes = 1;
  ParameterSizes used;
  std::vector<ParameterInfo> tensors;

  void add(std::string name, ParameterKind kind, std::vector<std::int64_t> shape, const Naming& naming, int channels, std::size_t rows,
           Shape in = {}) {
    ParameterInfo info{std::move(name), kind, std::move(shape), 0, naming.block, in, round_up(channels, lanes), 0};
    info.size = rows * static_cast<std::size_t>(info.out_stride);
    std::size_t& offset = info.trainable() ? used.trainable : used.running;
    info.offset = offset;
    offset += info.size;
    tensors.push_back(std::move(info));
  }
};

/// Storage of one word at input shape `In`: `sizes(lanes)`, and `describe`, which appends its tensors in storage order. The primary: no parameters.
template <class Word, Shape In>
struct WordPlan {
  [[nodiscard]] static constexpr ParameterSizes sizes(int) noexcept { return {}; }
  static constexpr double multiply_adds = 0;
  static void describe(Planner&, Naming&) {}
};

template <int Channels, int Kernel, int Stride, Bias HasBias, int Padding, Shape In>
struct WordPlan<Conv<Channels, Kernel, Stride, HasBias, Padding>, In> {
  using Word = Conv<Channels, Kernel, Stride, HasBias, Padding>;
  static constexpr std::size_t rows = static_cast<std::size_t>(Kernel) * Kernel * In.channels;
  static constexpr double multiply_adds = static_cast<double>(rows) * static_cast<double>(Word::output(In).size());

  [[nodiscard]] static constexpr ParameterSizes sizes(int lanes) noexcept {
    return {(rows + (Word::bias ? 1 : 0)) * static_cast<std::size_t>(round_up(Channels, lanes)), 0};
  }
  static void describe(Planner& planner, Naming& naming) {
    const std::string name = naming.next("conv", naming.convolutions);
    planner.add(name + ".weight", ParameterKind::conv_weight, {Channels, In.channels, Kernel, Kernel}, naming, Channels, rows);
    if (Word::bias) planner.add(name + ".bias", ParameterKind::bias, {Channels}, naming, Channels, 1);
  }
};

template <Shape In>
struct WordPlan<BN, In> {
  static constexpr double multiply_adds = 0;
  [[nodiscard]] static constexpr ParameterSizes sizes(int lanes) noexcept {
    const auto vector = static_cast<std::size_t>(round_up(In.channels, lanes));
    return {2 * vector, 2 * vector};
  }
  static void describe(Planner& planner, Naming& naming) {
    const std::string name = naming.next("bn", naming.norms);
    const auto add = [&](const char* what, ParameterKind kind) { planner.add(name + what, kind, {In.channels}, naming, In.channels, 1); };
    add(".weight", ParameterKind::bn_weight);
    add(".bias", ParameterKind::bn_bias);
    add(".running_mean", ParameterKind::running_mean);
    add(".running_var", ParameterKind::running_var);
  }
};

template <int Features, Bias HasBias, Shape In>
struct WordPlan<Linear<Features, HasBias>, In> {
  using Word = Linear<Features, HasBias>;
  static constexpr double multiply_adds = static_cast<double>(In.size()) * Features;
  [[nodiscard]] static constexpr ParameterSizes sizes(int lanes) noexcept {
    return {(In.size() + (Word::bias ? 1 : 0)) * static_cast<std::size_t>(round_up(Features, lanes)), 0};
  }
  static void describe(Planner& planner, Naming& naming) {
    std::string name = naming.next("fc", naming.linears);
    if (naming.only_linear) name = naming.prefix + "fc";
    planner.add(name + ".weight", ParameterKind::linear_weight, {Features, static_cast<std::int64_t>(In.size())}, naming, Features,
                In.size(), In);
    if (Word::bias) planner.add(name + ".bias", ParameterKind::bias, {Features}, naming, Features, 1);
  }
};

/// Words in a row; `before<Index>` is what the first Index of them keep.
template <class... Words, Shape In>
struct WordPlan<Chain<Words...>, In> {
  static constexpr auto shapes = [] {
    std::array<Shape, sizeof...(Words) + 1> all{In};
    std::size_t i = 0;
    ((all[i + 1] = Words::output(all[i]), ++i), ...);
    return all;
  }();

  [[nodiscard]] static constexpr ParameterSizes before(std::size_t count, int lanes) noexcept {
    return [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      return (ParameterSizes{} + ... + (Index < count ? WordPlan<Words, shapes[Index]>::sizes(lanes) : ParameterSizes{}));
    }(std::index_sequence_for<Words...>{});
  }
  [[nodiscard]] static constexpr ParameterSizes sizes(int lanes) noexcept { return before(sizeof...(Words), lanes); }

  static constexpr double multiply_adds = []<std::size_t... Index>(std::index_sequence<Index...>) {
    return (0.0 + ... + WordPlan<Words, shapes[Index]>::multiply_adds);
  }(std::index_sequence_for<Words...>{});

  static void describe(Planner& planner, Naming& naming) {
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (WordPlan<Words, shapes[Index]>::describe(planner, naming), ...);
    }(std::index_sequence_for<Words...>{});
  }
};

/// A residual block: the branch's storage, then the projection's where there is one.
template <class Shortcut, class AfterSum, class... Branch, Shape In>
struct WordPlan<BasicResidual<Shortcut, AfterSum, Branch...>, In> {
  using Block = BasicResidual<Shortcut, AfterSum, Branch...>;
  using BranchPlan = WordPlan<typename Block::Words, In>;
  static constexpr bool projection = has_projection<Block, In>;

  [[nodiscard]] static constexpr ParameterSizes branch_sizes(int lanes) noexcept { return BranchPlan::sizes(lanes); }
  [[nodiscard]] static constexpr ParameterSizes sizes(int lanes) noexcept {
    if constexpr (projection) return branch_sizes(lanes) + WordPlan<ProjectionWords<Block, In>, In>::sizes(lanes);
    return branch_sizes(lanes);
  }
  static constexpr double branch_multiply_adds = BranchPlan::multiply_adds;
  static constexpr double multiply_adds = [] {
    if constexpr (projection) return branch_multiply_adds + WordPlan<ProjectionWords<Block, In>, In>::multiply_adds;
    return branch_multiply_adds;
  }();

  static void describe(Planner& planner, Naming& trunk) {
    const int block = trunk.blocks++;
    Naming inside{"blocks." + std::to_string(block) + ".", block};
    BranchPlan::describe(planner, inside);
    if constexpr (projection) {
      Naming shortcut{inside.prefix + "shortcut.", -1, false};
      WordPlan<ProjectionWords<Block, In>, In>::describe(planner, shortcut);
    }
  }
};

template <class Block, class Schedule, Gating Gates, Shape In>
struct WordPlan<StochasticDepth<Block, Schedule, Gates>, In> : WordPlan<Block, In> {};

template <int Count, class Word, Shape In>
struct WordPlan<Repeat<Count, Word>, In> {
  using One = WordPlan<Word, In>;
  [[nodiscard]] static constexpr ParameterSizes sizes(int lanes) noexcept { return Count * One::sizes(lanes); }
  static constexpr double multiply_adds = Count * One::multiply_adds;
  static void describe(Planner& planner, Naming& naming) {
    for (int i = 0; i < Count; ++i) One::describe(planner, naming);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
