// The memory plan: how many numbers of activations an image needs in a training step, and how large its largest tensor is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include <sdepth/network/plan.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Numbers of a tensor of one image whose channels are padded to `lanes`.
[[nodiscard]] constexpr std::size_t padded_size(Shape shape, int lanes) noexcept {
  return static_cast<std::size_t>(round_up(shape.channels, lanes)) * shape.pixels();
}

/// Per image: numbers kept for the backward pass with every block open (an upper bound, reserved as address space), and the largest tensor.
struct ActivationSizes {
  std::size_t kept = 0;
  std::size_t largest = 0;
};
[[nodiscard]] constexpr ActivationSizes operator+(ActivationSizes a, ActivationSizes b) noexcept {
  return {a.kept + b.kept, std::max(a.largest, b.largest)};
}

/// Activations of one word. The primary is for BN and ReLU, which become part of a neighbouring stage.
template <class Word, Shape In>
struct ActivationPlan {
  [[nodiscard]] static constexpr ActivationSizes sizes(int lanes) noexcept {
    const std::size_t in = padded_size(In, lanes), out = padded_size(Word::output(In), lanes);
    // The raw output, and a finished copy of the input where something is pending on it that this word cannot read through.
    return {std::is_same_v<Word, ReLU> ? 0 : std::is_same_v<Word, BN> ? in : in + out, std::max(in, out)};
  }
};

/// A convolution reads through whatever is pending; a BN right after one reads its raw output.
template <class... Words, Shape In>
struct ActivationPlan<Chain<Words...>, In> {
  [[nodiscard]] static constexpr ActivationSizes sizes(int lanes) noexcept { return of_first(sizeof...(Words), lanes); }
  /// Numbers kept by the first `count` words.
  [[nodiscard]] static constexpr std::size_t kept_before(std::size_t count, int lanes) noexcept { return of_first(count, lanes).kept; }

 private:
  [[nodiscard]] static constexpr ActivationSizes of_first(std::size_t count, int lanes) noexcept {
    ActivationSizes sum;
    std::size_t words = 0;
    bool after_raw = false;
    const auto visit = [&]<class Word, Shape Here>(std::type_identity<Word>, std::integral_constant<Shape, Here>) {
      if (words++ >= count) return;
      ActivationSizes word = ActivationPlan<Word, Here>::sizes(lanes);
      if (is_convolution<Word>) word.kept = padded_size(Word::output(Here), lanes);
      if (std::is_same_v<Word, BN> && after_raw) word.kept = 0;
      after_raw = !std::is_same_v<Word, BN> && !std::is_same_v<Word, ReLU> && !is_block<Word>;
      sum = sum + word;
    };
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (visit(std::type_identity<Words>{}, std::integral_constant<Shape, WordPlan<Chain<Words...>, In>::shapes[Index]>{}), ...);
    }(std::index_sequence_for<Words...>{});
    return sum;
  }
};

/// A block keeps its finished input, its branch, and its shortcut's output unless that is the input itself.
template <class Shortcut, class AfterSum, class... Branch, Shape In>
struct ActivationPlan<BasicResidual<Shortcut, AfterSum, Branch...>, In> {
  using Block = BasicResidual<Shortcut, AfterSum, Branch...>;
  using Last = std::tuple_element_t<sizeof...(Branch) - 1, std::tuple<Branch...>>;
  [[nodiscard]] static constexpr ActivationSizes sizes(int lanes) noexcept {
    const std::size_t in = padded_size(In, lanes), out = padded_size(Block::output(In), lanes);
    ActivationSizes sum = ActivationPlan<typename Block::Words, In>::sizes(lanes);
    sum.kept += in + (Block::identity_shortcut(In) ? 0 : out) + (std::is_same_v<Last, ReLU> ? out : 0);
    sum.largest = std::max({sum.largest, in, out});
    return sum;
  }
};

template <class Block, class Schedule, Gating Gates, Shape In>
struct ActivationPlan<StochasticDepth<Block, Schedule, Gates>, In> {
  [[nodiscard]] static constexpr ActivationSizes sizes(int lanes) noexcept {
    ActivationSizes sum = ActivationPlan<Block, In>::sizes(lanes);
    // Per sample: the survivors side by side, beside all images, where no convolution reads them from their places; and a projection behind its norm.
    if (Gates != Gating::per_batch)
      sum.kept += padded_size(In, lanes) + (has_projection<Block, In> ? padded_size(Block::output(In), lanes) : 0);
    return sum;
  }
};

template <int Count, class Word, Shape In>
struct ActivationPlan<Repeat<Count, Word>, In> {
  [[nodiscard]] static constexpr ActivationSizes sizes(int lanes) noexcept {
    ActivationSizes one = ActivationPlan<Word, In>::sizes(lanes);
    one.kept *= static_cast<std::size_t>(Count);
    return one;
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
