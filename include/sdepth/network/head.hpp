// What a network must end with to be trained and to predict: one number for each class.
#pragma once

#include <cstddef>
#include <type_traits>

#include <sdepth/network/network.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// What is wrong with a network's end.
enum class HeadError { none, many_numbers, features };

/// Whether a row of words ends with a classifier, as far as words can tell. The last word with weights
/// decides: a Linear or a 1×1 convolution is one, a residual block is none, and any other convolution is one
/// unless a BN or ReLU is behind it. Pools change nothing. So GlobalAvgPool may come last, but not behind
/// features.
template <class Net, class... Words>
constexpr bool ends_with_classifier(std::type_identity<Chain<Words...>>) {
  bool classifier = false, pointwise = true;
  std::size_t i = 0;
  const auto visit = [&]<class Word>(std::type_identity<Word>) {
    const Shape out = Net::shapes[++i];
    if constexpr (is_linear<Word>) {
      classifier = pointwise = true;
    } else if constexpr (is_convolution<Word>) {
      classifier = true;
      pointwise = Word::kernel == 1 || out.pixels() == 1;
    } else if constexpr (is_block<Word>) {
      classifier = false;
    } else if constexpr (std::is_same_v<Word, BN> || std::is_same_v<Word, ReLU>) {
      classifier = classifier && pointwise;
    }
  };
  (visit(std::type_identity<Words>{}), ...);
  return classifier;
}

/// What keeps a network from giving one number per class. @pre  Net::sound
template <class Net>
constexpr HeadError output_error() {
  return Net::output.pixels() == 1 ? HeadError::none : HeadError::many_numbers;
}

/// The same for training, where these numbers must come from a classifier. Without training they may be
/// features, as of a network whose Linear was left out on purpose.
template <class Net>
constexpr HeadError head_error() {
  if (output_error<Net>() != HeadError::none) return output_error<Net>();
  return ends_with_classifier<Net>(std::type_identity<typename Net::Layers>{}) ? HeadError::none
                                                                               : HeadError::features;
}

/// Says what is wrong with a network's end, once for all that ask; see CheckedWord.
template <HeadError Error>
struct CheckedHead {
  static constexpr bool said = true;
  static_assert(
      Error != HeadError::many_numbers,
      "Network<Input, layers...>: to be trained and to predict, the network must end with one number per class; add GlobalAvgPool and "
      "Linear<classes>");
  static_assert(
      Error != HeadError::features,
      "Network<Input, layers...>: to be trained, the network must end with one number per class, but it ends with features; add "
      "Linear<classes> at the end, or Conv<classes, 1> before GlobalAvgPool");
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
