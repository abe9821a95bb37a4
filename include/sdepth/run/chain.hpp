// A row of words as a row of stages: forward in order, backward in reverse, each at its own offset in the parameters.
#pragma once

#include <array>
#include <cstddef>
#include <numeric>
#include <tuple>
#include <utility>

#include <sdepth/network/rules.hpp>
#include <sdepth/run/stages.hpp>

namespace sdepth::inline SDEPTH_ISA {

template <class Word>
inline constexpr bool is_repeat = false;
template <int Count, class Word>
inline constexpr bool is_repeat<Repeat<Count, Word>> = true;

template <class Backend, class... Words, Shape In, Place Here>
struct Stage<Backend, Chain<Words...>, In, Here> {
  using T = typename Backend::Scalar;
  using Plan = WordPlan<Chain<Words...>, In>;
  using List = std::tuple<Words...>;
  static constexpr std::size_t count = sizeof...(Words);
  template <std::size_t Index>
  using Word = std::tuple_element_t<Index, List>;

  static constexpr std::array<bool, count + 1> is_norm{std::is_same_v<Words, BN>..., false};
  static constexpr std::array<int, count> blocks{BlockTraits<Words>::count...};

  template <std::size_t Index>
  static constexpr Place place{Here.network_input && Index == 0, is_norm[Index + 1], Here.ends_branch&& Index + 1 == count,
                               stochastic_before<Index, Words...>, false};
  template <std::size_t Index>
  using At = Stage<Backend, Word<Index>, Plan::shapes[Index], place<Index>>;

  template <std::size_t Index>
  [[nodiscard]] static constexpr Offsets offset(Offsets at) noexcept {
    constexpr ParameterSizes before = Plan::before(Index, Backend::lanes);
    constexpr int blocks_before = std::accumulate(blocks.begin(), blocks.begin() + Index, 0);
    Offsets word{at.trainable + before.trainable, at.running + before.running, at.block + blocks_before};
    if constexpr (Here.trunk) {
      word.activations = ActivationPlan<Chain<Words...>, In>::kept_before(Index, Backend::lanes);
      word.words = static_cast<int>(Index) + blocks_before;
    }
    return word;
  }

  template <class Indices>
  struct RecordOf;
  template <std::size_t... Index>
  struct RecordOf<std::index_sequence<Index...>> {
    using type = std::tuple<typename At<Index>::Record...>;
  };
  using Record = typename RecordOf<std::make_index_sequence<count>>::type;

  /// Whether norm Index is begun before the convolution in front of it, which then prepares it from its own statistics.
  template <std::size_t Index>
  static constexpr bool begins_early = [] {
    if constexpr (Backend::norms_at_once && Index > 0 && Index < count)
      return is_norm[Index] && is_convolution<Word<Index - 1>>;
    else
      return false;
  }();

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    const auto step = [&]<std::size_t Index>(std::integral_constant<std::size_t, Index>) {
      if constexpr (begins_early<Index + 1>) {
        if (pass.training) {
          if constexpr (Here.trunk) pass.place(offset<Index + 1>(at));
          At<Index + 1>::begin(pass, offset<Index + 1>(at), std::get<Index + 1>(record));
          const NormForward<T> norm = std::get<Index + 1>(record).norm.forward(BN::eps);
          pass.next_norm = &norm;
          if constexpr (Here.trunk) pass.place(offset<Index>(at));
          At<Index>::forward(pass, offset<Index>(at), std::get<Index>(record), value);
          pass.next_norm = nullptr;
          return;
        }
      }
      if constexpr (Here.trunk && !begins_early<Index>) pass.place(offset<Index>(at));
      At<Index>::forward(pass, offset<Index>(at), std::get<Index>(record), value);
    };
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (step(std::integral_constant<std::size_t, Index>{}), ...);
    }(std::make_index_sequence<count>{});
  }

  /// @param joins  A gradient that is added to that of the row's input; null: none. The first word must then be a convolution.
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow, T* joins = nullptr) {
    const auto step = [&]<std::size_t Index>(std::integral_constant<std::size_t, Index>) {
      if constexpr (Index == 0) flow.add = joins;
      At<Index>::backward(pass, offset<Index>(at), std::get<Index>(record), flow);
      if constexpr (Here.trunk && !is_repeat<Word<Index>>)  // a Repeat says so after each of its blocks
        pass.gradients_are_final(offset<Index>(at).trainable, WordPlan<Word<Index>, Plan::shapes[Index]>::sizes(Backend::lanes).trainable);
    };
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (step(std::integral_constant<std::size_t, count - 1 - Index>{}), ...);
    }(std::make_index_sequence<count>{});
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
