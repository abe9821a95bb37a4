// A trained network as a row of operations: its folded numbers, its memory, and the walk of one thread's
// images through it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/core/float16.hpp>
#include <sdepth/core/memory.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/run/block_operation.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// A backend whose folded weights lie in memory as Weight.
template <class Backend, class Weight>
struct StoringWeights : Backend {
  static_assert(
      std::is_same_v<Weight, bfloat16> || std::is_same_v<Weight, float16>,
      "Inference: folded weights are stored as the backend's own numbers (float), as bfloat16 or as float16");
  using ForInference = typename Backend::ForInference::template Storing<Weight>;
};
template <class Backend, class Weight>
using WithWeights = std::conditional_t<std::is_same_v<Weight, typename Backend::Scalar>, Backend,
                                       StoringWeights<Backend, Weight>>;

template <class Net, class Backend>
struct InferencePlan {
  using T = typename Backend::Scalar;
  using Kernels = typename Backend::ForInference;
  using All = Operations<Backend, typename Net::Stages>;
  static constexpr std::size_t length = std::tuple_size_v<All>;
  template <std::size_t Index>
  using At = std::tuple_element_t<Index, All>;
  using Steps = std::make_index_sequence<length>;

  /// Where images come in: a first convolution reads them without padded channels.
  static constexpr ImageLayout input_layout = [] {
    if constexpr (requires { At<0>::input_layout; })
      return At<0>::input_layout;
    else
      return Kernels::template layout<Net::input>;
  }();
  static constexpr ImageLayout output_layout = Kernels::template layout<Net::output>;

  /// A row of residual blocks, some of which may not run.
  template <class Operation>
  static constexpr bool is_row = requires { Operation::blocks; };

  /// What runs, and where its folded numbers are, in the order of their use.
  struct Depth {
    // of each operation: blocks that run; 1 where it is no row of blocks
    std::array<int, length> kept{};
    std::array<std::size_t, length + 1> numbers_before{};  // the last is how many there are in all

    /// @param keep  [residual blocks], 1 for those that run
    explicit Depth(const std::uint8_t* keep) {
      const auto count = [&]<std::size_t Index>(std::integral_constant<std::size_t, Index>) {
        std::size_t size = 0;
        if constexpr (is_row<At<Index>>) {
          kept[Index] = static_cast<int>(
              std::count_if(keep, keep + At<Index>::blocks, [](std::uint8_t gate) { return gate != 0; }));
          keep += At<Index>::blocks;
          size = At<Index>::size(kept[Index]);
        } else {
          kept[Index] = 1;
          size = At<Index>::size;
        }
        numbers_before[Index + 1] = numbers_before[Index] + whole_lines(size);
      };
      [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        (count(std::integral_constant<std::size_t, Index>{}), ...);
      }(Steps{});
    }
    [[nodiscard]] std::size_t size() const noexcept { return numbers_before[length]; }
  };

  /// @param scales, keep  the factors of the branches, and which of them run, [residual blocks]   @param
  ///                numbers  [Depth(keep).size()]
  static void fold(const T* parameters, const T* running, const double* scales, const std::uint8_t* keep,
                   T* numbers) {
    const Depth depth(keep);
    Unfolded<T> from(parameters, running);
    const auto fold_one = [&]<std::size_t Index>(std::integral_constant<std::size_t, Index>) {
      if constexpr (is_row<At<Index>>) {
        At<Index>::fold(from, scales, keep, numbers + depth.numbers_before[Index]);
        scales += At<Index>::blocks;
        keep += At<Index>::blocks;
      } else {
        At<Index>::fold(from, 1.0, numbers + depth.numbers_before[Index]);
      }
    };
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (fold_one(std::integral_constant<std::size_t, Index>{}), ...);
    }(Steps{});
  }

  /// Memory of a thread that takes up to `images` images through the network.
  class Memory {
   public:
    Memory(int images, const Depth& depth)
        : images_(images), depth_(depth), memory_(places(images, depth).back()) {}
    [[nodiscard]] int images() const noexcept { return images_; }
    [[nodiscard]] T* input() noexcept { return memory_.data(); }

    /// Runs the first `count` images of input(). Returns their outputs.
    const T* run(int count, const T* numbers) {
      const auto place = places(images_, depth_);
      T* const work = memory_.data() + place[2 * length + 1];
      T* x = memory_.data();
      const auto step = [&]<std::size_t Index>(std::integral_constant<std::size_t, Index>) {
        T* y = At<Index>::in_place ? x : memory_.data() + place[1 + 2 * Index];
        const OperationMemory<T> memory{memory_.data() + place[2 + 2 * Index], work, images_};
        if constexpr (is_row<At<Index>>)
          At<Index>::run(count, x, numbers + depth_.numbers_before[Index], y, depth_.kept[Index], memory);
        else
          At<Index>::template run<false, NoActivation>(count, x, numbers + depth_.numbers_before[Index], y,
                                                       memory);
        x = y;
      };
      [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        (step(std::integral_constant<std::size_t, Index>{}), ...);
      }(Steps{});
      return x;
    }

   private:
    /// Where things begin: the input, then each operation's output and own memory, if any of it runs, then
    /// what they share, then the end.
    [[nodiscard]] static std::array<std::size_t, 2 * length + 3> places(int images, const Depth& depth) {
      std::array<std::size_t, 2 * length + 3> begin{};
      std::size_t next = whole_lines(input_layout.size * static_cast<std::size_t>(images)), work = 0;
      const auto place = [&]<std::size_t Index>(std::integral_constant<std::size_t, Index>) {
        begin[1 + 2 * Index] = next;
        if (!At<Index>::in_place)
          next +=
              whole_lines(Kernels::template layout<At<Index>::out>.size * static_cast<std::size_t>(images));
        begin[2 + 2 * Index] = next;
        if (depth.kept[Index] > 0) next += whole_lines(At<Index>::own_size(images));
        work = std::max(work, At<Index>::work_size);
      };
      [&]<std::size_t... Index>(std::index_sequence<Index...>) {
        (place(std::integral_constant<std::size_t, Index>{}), ...);
      }(Steps{});
      begin[2 * length + 1] = next;
      begin[2 * length + 2] = next + work;
      return begin;
    }
    int images_;
    Depth depth_;
    Buffer<T> memory_;
  };
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
