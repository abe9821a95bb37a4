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

template <class Backend, class... Words, Shape In, Place Here>
struct Stage<Backend, Chain<Words...>, In, Here> {
  using T = typename Backend::Scalar;
  using Plan = WordPlan<Chain<Words...>, In>;
  using List = std::tuple<Words...>;
  static constexpr std::size_t count = sizeof...(Words);
  template <std::size_t I>
  using Word = std::tuple_element_t<I, List>;

  static constexpr std::array<bool, count + 1> is_norm{std::is_same_v<Words, BN>..., false};
  static constexpr std::array<int, count> blocks{BlockTraits<Words>::count...};

  template <std::size_t I>
  static constexpr Place place{Here.network_input && I == 0, is_norm[I + 1], Here.ends_branch&& I + 1 == count,
                               stochastic_before<I, Words...>, false};
  template <std::size_t I>
  using At = Stage<Backend, Word<I>, Plan::shapes[I], place<I>>;

  template <std::size_t I>
  [[nodiscard]] static constexpr Offsets offset(Offsets at) noexcept {
    constexpr ParameterSizes before = Plan::before(I, Backend::lanes);
    constexpr int blocks_before = std::accumulate(blocks.begin(), blocks.begin() + I, 0);
    Offsets word{at.trainable + before.trainable, at.running + before.running, at.block + blocks_before};
    if constexpr (Here.trunk) {
      word.activations = ActivationPlan<Chain<Words...>, In>::kept_before(I, Backend::lanes);
      word.words = static_cast<int>(I) + blocks_before;
    }
    return word;
  }

  template <class Indices>
  struct RecordOf;
  template <std::size_t... I>
  struct RecordOf<std::index_sequence<I...>> {
    using type = std::tuple<typename At<I>::Record...>;
  };
  using Record = typename RecordOf<std::make_index_sequence<count>>::type;

  /// Whether norm I is begun before the convolution in front of it, which then prepares it from its own statistics.
  template <std::size_t I>
  static constexpr bool begins_early = [] {
    if constexpr (Backend::norms_at_once && I > 0 && I < count)
      return is_norm[I] && is_convolution<Word<I - 1>>;
    else
      return false;
  }();

  static void forward(Pass<Backend>& pass, Offsets at, Record& record, Value<T>& value) {
    const auto step = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      if constexpr (begins_early<I + 1>) {
        if (pass.training) {
          if constexpr (Here.trunk) pass.place(offset<I + 1>(at));
          At<I + 1>::begin(pass, offset<I + 1>(at), std::get<I + 1>(record));
          const NormForward<T> norm = std::get<I + 1>(record).norm.forward(BN::eps);
          pass.next_norm = &norm;
          if constexpr (Here.trunk) pass.place(offset<I>(at));
          At<I>::forward(pass, offset<I>(at), std::get<I>(record), value);
          pass.next_norm = nullptr;
          return;
        }
      }
      if constexpr (Here.trunk && !begins_early<I>) pass.place(offset<I>(at));
      At<I>::forward(pass, offset<I>(at), std::get<I>(record), value);
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (step(std::integral_constant<std::size_t, I>{}), ...);
    }(std::make_index_sequence<count>{});
  }

  /// @param joins  A gradient that is added to that of the row's input; null: none. The first word must then be a convolution.
  static void backward(Pass<Backend>& pass, Offsets at, Record& record, Flow<T>& flow, T* joins = nullptr) {
    const auto step = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      if constexpr (I == 0) flow.add = joins;
      At<I>::backward(pass, offset<I>(at), std::get<I>(record), flow);
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (step(std::integral_constant<std::size_t, count - 1 - I>{}), ...);
    }(std::make_index_sequence<count>{});
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
