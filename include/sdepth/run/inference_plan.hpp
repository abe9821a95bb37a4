// A trained network as a row of operations: its folded numbers, its memory, and the walk of one thread's images through it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

#include <sdepth/core/memory.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/run/fixed_gates.hpp>

namespace sdepth {

template <class Net, class Backend>
struct InferencePlan;

template <class Input_, class... Words, class Backend>
struct InferencePlan<Network<Input_, Words...>, Backend> {
  using Net = Network<Input_, Words...>;
  using T = typename Backend::Scalar;
  using Kernels = typename Backend::ForInference;
  using All = Operations<Backend, WithFixedWords<Chain<Words...>>, Net::input, true>;
  static constexpr std::size_t length = std::tuple_size_v<All>;
  template <std::size_t I>
  using At = std::tuple_element_t<I, All>;
  using Steps = std::make_index_sequence<length>;

  /// Where images come in: a first convolution reads them without padded channels.
  static constexpr ImageLayout input_layout = [] {
    if constexpr (requires { At<0>::input_layout; })
      return At<0>::input_layout;
    else
      return Kernels::template layout<Net::input>;
  }();
  static constexpr ImageLayout output_layout = Kernels::template layout<Net::output>;

  /// Folded numbers of all operations, in the order of their use.
  static constexpr auto numbers_before = [] {
    std::array<std::size_t, length + 1> before{};
    [&]<std::size_t... I>(std::index_sequence<I...>) { ((before[I + 1] = before[I] + whole_lines(At<I>::size)), ...); }(Steps{});
    return before;
  }();
  static constexpr std::size_t size = numbers_before[length];

  /// @param scales  the factors of the branches, [residual blocks]   @param numbers  [size]
  static void fold(const T* parameters, const T* running, const double* scales, T* numbers) {
    Unfolded<T> from(parameters, running);
    const auto fold_one = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
      if constexpr (requires { At<I>::block_size; }) {
        At<I>::fold(from, scales, numbers + numbers_before[I]);
        scales += static_cast<std::ptrdiff_t>(At<I>::size / At<I>::block_size);
      } else {
        At<I>::fold(from, 1.0, numbers + numbers_before[I]);
      }
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) { (fold_one(std::integral_constant<std::size_t, I>{}), ...); }(Steps{});
  }

  /// Memory of a thread that takes up to `images` images through the network.
  class Memory {
   public:
    explicit Memory(int images) : images_(images), memory_(places(images).back()) {}
    [[nodiscard]] int images() const noexcept { return images_; }
    [[nodiscard]] T* input() noexcept { return memory_.data(); }

    /// Runs the first `count` images of input(). Returns their outputs.
    const T* run(int count, const T* numbers) {
      const auto place = places(images_);
      T* const work = memory_.data() + place[2 * length + 1];
      T* x = memory_.data();
      const auto step = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
        T* y = At<I>::in_place ? x : memory_.data() + place[1 + 2 * I];
        At<I>::template run<false, false>(count, x, numbers + numbers_before[I], y, {memory_.data() + place[2 + 2 * I], work, images_});
        x = y;
      };
      [&]<std::size_t... I>(std::index_sequence<I...>) { (step(std::integral_constant<std::size_t, I>{}), ...); }(Steps{});
      return x;
    }

   private:
    /// Where things begin: the input, then each operation's output and own memory, then what they share, then the end.
    [[nodiscard]] static std::array<std::size_t, 2 * length + 3> places(int images) {
      std::array<std::size_t, 2 * length + 3> begin{};
      std::size_t next = whole_lines(input_layout.size * static_cast<std::size_t>(images)), work = 0;
      const auto place = [&]<std::size_t I>(std::integral_constant<std::size_t, I>) {
        begin[1 + 2 * I] = next;
        if (!At<I>::in_place) next += whole_lines(Kernels::template layout<At<I>::out>.size * static_cast<std::size_t>(images));
        begin[2 + 2 * I] = next;
        next += whole_lines(At<I>::own_size(images));
        work = std::max(work, At<I>::work_size);
      };
      [&]<std::size_t... I>(std::index_sequence<I...>) { (place(std::integral_constant<std::size_t, I>{}), ...); }(Steps{});
      begin[2 * length + 1] = next;
      begin[2 * length + 2] = next + work;
      return begin;
    }
    int images_;
    Buffer<T> memory_;
  };
};

}  // namespace sdepth
