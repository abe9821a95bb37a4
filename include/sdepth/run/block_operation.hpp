// A row of residual blocks as one operation: a group of images goes through all of them while its tensors are
// in L2.
//
// Which blocks are kept is decided when the weights are folded. A dropped block has no folded numbers, and
// the loop over blocks is shorter by it. Where all are dropped, a row with identity shortcuts returns its
// input; another shortcut runs alone.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include <sdepth/run/operations.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// A branch's operations. The last one adds its result to what the block's output holds, the shortcut's
/// value. Where the word's own last operation cannot (a pool, what ends in an activation whose result a factor
/// in front of it would change, or a convolution that would overwrite its own input), one more does.
template <class Backend, class Blocks>
struct BranchOperations {
  using Own = Operations<Backend, typename Blocks::Branch>;
  static constexpr std::size_t length = std::tuple_size_v<Own>;
  static constexpr bool ends_itself = [] {
    if constexpr (length == 0) {
      return false;
    } else {
      using Last = std::tuple_element_t<length - 1, Own>;
      return Last::adds && (Last::in_place || length > 1 || !Blocks::identity);
    }
  }();
  using End = std::tuple<PointOperation<Backend, Blocks::out, false, NoActivation>>;
  using type = std::conditional_t<ends_itself, Own,
                                  decltype(std::tuple_cat(std::declval<Own>(), std::declval<End>()))>;
};

/// Runs blocks in place where the shortcut is the identity. Folded numbers are the projection's, where there
/// is one, then the branch's of each block that runs.
template <class Backend, class Blocks>
struct BlockOperation {
  using T = typename Backend::Scalar;
  using Kernels = typename Backend::ForInference;
  using Branch = typename BranchOperations<Backend, Blocks>::type;
  template <std::size_t Index>
  using At = std::tuple_element_t<Index, Branch>;
  static constexpr std::size_t length = std::tuple_size_v<Branch>;
  using Steps = std::make_index_sequence<length>;

  static constexpr Shape in = Blocks::in, out = Blocks::out;
  static constexpr bool in_place = Blocks::identity, projects = Blocks::projects;
  using AfterSum = typename Blocks::Block::AfterSum;
  static constexpr int blocks = Blocks::blocks;
  static constexpr ConvShape projection = Blocks::Projection::First::operation;
  using Projection = ConvOperation<Backend, projection, true, NoActivation>;
  using LoneProjection = ConvOperation<Backend, projection, true, AfterSum>;  // the same numbers
  static_assert(in_place || blocks == 1, "Repeat: a block that changes its input's shape cannot be repeated");

  /// Numbers of the first Index operations of a branch; numbers per image of the tensors that they write.
  template <class F>
  [[nodiscard]] static constexpr std::size_t sum_before(std::size_t count, const F& f) {
    return [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      return (std::size_t{0} + ... + (Index < count ? f(std::type_identity<At<Index>>{}) : 0));
    }(Steps{});
  }
  [[nodiscard]] static constexpr std::size_t numbers_before(std::size_t count) {
    return sum_before(count, []<class O>(std::type_identity<O>) { return O::size; });
  }
  [[nodiscard]] static constexpr std::size_t tensors_before(std::size_t count) {
    return sum_before(count,
                      []<class O>(std::type_identity<O>) { return Kernels::template layout<O::out>.size; });
  }
  template <class F>
  [[nodiscard]] static constexpr std::size_t largest(const F& f) {
    return [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      return std::max({std::size_t{0}, f(std::type_identity<At<Index>>{})...});
    }(Steps{});
  }

  static constexpr std::size_t branch_size = numbers_before(length),
                               shortcut_size = projects ? Projection::size : 0;
  /// @param kept  how many of the blocks run
  [[nodiscard]] static constexpr std::size_t size(int kept) noexcept {
    return shortcut_size + static_cast<std::size_t>(kept) * branch_size;
  }
  static constexpr std::size_t in_size = Kernels::template layout<in>.size,
                               out_size = Kernels::template layout<out>.size;
  static constexpr std::size_t work_size =
      std::max(projects ? Projection::work_size : 0,
               largest([]<class O>(std::type_identity<O>) { return O::work_size; }));
  static constexpr bool adds = false;

  /// Images that go through the blocks together: as many as fit, a multiple of what the kernels take at once
  /// where that many fit. Where even a block's numbers do not fit, they are what is worth keeping in L2, so
  /// all of a thread's images go through one convolution after the other (measured, 64 channels at 8×8, 17
  /// blocks, 64 images: 36 ms in groups of 8, 27 ms all at once).
  static constexpr int images = static_cast<int>(
      largest([]<class O>(std::type_identity<O>) { return static_cast<std::size_t>(O::images); }));
  [[nodiscard]] static constexpr int group(int all) noexcept {
    if (shortcut_size + branch_size > 2 * Kernels::group_size) return all;
    const std::size_t per_image = in_size + (in_place ? 0 : out_size) + tensors_before(length - 1);
    const int fit = std::max(1, static_cast<int>(Kernels::group_size / per_image));
    return std::min(fit > images ? fit / images * images : fit, all);
  }
  [[nodiscard]] static constexpr std::size_t own_size(int all) noexcept {
    return static_cast<std::size_t>(group(all)) * tensors_before(length - 1);
  }

  /// @param scales  the factors of the blocks' branches   @param keep  [blocks], 0 for a block that does not
  ///                run   @param numbers  [size(kept)]
  static void fold(Unfolded<T>& from, const double* scales, const std::uint8_t* keep, T* numbers) {
    constexpr ParameterSizes branch = Blocks::branch_sizes(Backend::lanes);
    T* next = numbers + shortcut_size;
    for (int i = 0; i < blocks; ++i) {
      if (!keep[i]) {
        from.skip(branch);
      } else {
        [&]<std::size_t... Index>(std::index_sequence<Index...>) {
          (At<Index>::fold(from, Index + 1 == length ? scales[i] : 1.0, next + numbers_before(Index)), ...);
        }(Steps{});
        next += branch_size;
      }
      if constexpr (projects) Projection::fold(from, 1.0, numbers);
    }
  }

  /// @param kept  how many of the blocks run
  static void run(int count, const T* x, const T* numbers, T* y, int kept, const OperationMemory<T>& memory) {
    const int images_at_once = group(memory.images);
    for (int n = 0; n < count; n += images_at_once) {
      const int here = std::min(images_at_once, count - n);
      const T* from = x + static_cast<std::size_t>(n) * in_size;
      T* to = y + static_cast<std::size_t>(n) * out_size;
      if (kept == 0) run_shortcut<LoneProjection>(here, from, numbers, to, memory);
      for (int i = 0; i < kept; ++i) {
        run_shortcut<Projection>(here, from, numbers, to, memory);
        run_branch(here, from, numbers + size(i), to, memory);
      }
    }
  }

 private:
  /// Nothing where the shortcut is the identity: y is x. Numbers without a projection are averages or copies
  /// of numbers that are not negative (Network's check for blocks that may be dropped), so the ReLU after the
  /// sum, where no branch is added, would change nothing.
  template <class Projection_>
  static void run_shortcut(int count, const T* x, const T* numbers, T* y, const OperationMemory<T>& memory) {
    if constexpr (projects)
      Projection_::template run<false, NoActivation>(count, x, numbers, y, memory);
    else if constexpr (!in_place)
      Kernels::template shortcut<Blocks::shortcut>(count, x, y);
  }
  static void run_branch(int count, const T* x, const T* numbers, T* y, const OperationMemory<T>& memory) {
    const auto images_at_once = static_cast<std::size_t>(group(memory.images));
    const auto step = [&]<std::size_t Index>(std::integral_constant<std::size_t, Index>) {
      constexpr bool last = Index + 1 == length;
      const T* from =
          Index == 0 ? x : memory.own + images_at_once * tensors_before(Index > 0 ? Index - 1 : 0);
      T* to = last ? y : memory.own + images_at_once * tensors_before(Index);
      At<Index>::template run<last, std::conditional_t<last, AfterSum, NoActivation>>(
          count, from, numbers + numbers_before(Index), to, memory);
    };
    [&]<std::size_t... Index>(std::index_sequence<Index...>) {
      (step(std::integral_constant<std::size_t, Index>{}), ...);
    }(Steps{});
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
