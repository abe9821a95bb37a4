// The operations that a trained network consists of: what fused stages become when nothing has to be kept for
// the way back.
//
// An operation has: the shapes `in` and `out`; size, its folded numbers; work_size, memory of any content
// that it needs; own_size(images), memory that it needs for itself alone and that was zero at first;
// in_place, whether out may be in; adds, whether it can end a branch: multiply what it makes by a factor, and
// add it to what is there. fold makes its numbers, run runs it on some images.
#pragma once

#include <algorithm>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

#include <sdepth/kernels/operands.hpp>
#include <sdepth/network/lowering.hpp>
#include <sdepth/run/folding.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// Memory of one thread, besides an operation's input and output.
template <class T>
struct OperationMemory {
  T* own = nullptr;
  T* work = nullptr;
  int images = 0;  // the most that this thread takes through the network at once; own is made for them
};

/// Convolution, norm?, activation? in one.
template <class Backend, ConvShape S, bool Norm, class Activation>
struct ConvOperation {
  using T = typename Backend::Scalar;
  using Kernel = typename Backend::ForInference::template Conv<S>;
  static constexpr Shape in = S.in, out = S.out();
  static constexpr std::size_t size = Kernel::size, work_size = Kernel::work_size;
  // the factor goes into the weights
  static constexpr bool in_place = false, adds = is_positively_homogeneous<Activation>;
  static constexpr int images = Kernel::images;
  [[nodiscard]] static constexpr std::size_t own_size(int) noexcept { return 0; }
  static constexpr ImageLayout input_layout = Backend::ForInference::template input_layout<S>;

  static void fold(Unfolded<T>& from, double factor, T* numbers) {
    constexpr auto rows = static_cast<std::size_t>(S.kernel * S.kernel * S.in.channels);
    const Dense<T> folded = fold_dense(from, rows, static_cast<std::size_t>(Backend::padded(S.channels_out)),
                                       S.bias, Norm, factor);
    check_range<typename Backend::ForInference::Weight>(folded);
    Kernel::prepare(folded.weights.data(), folded.bias.data(), numbers);
  }
  template <bool Add, class After>
  static void run(int count, const T* x, const T* numbers, T* y, const OperationMemory<T>& memory) {
    Kernel::template run<Ending{activates<Activation>, Add, activates<After>}, Activation, After>(
        count, x, numbers, y, memory.work);
  }
};

/// Linear layer, norm?, activation? in one.
template <class Backend, LinearShape S, bool Norm, class Activation>
struct LinearOperation {
  using T = typename Backend::Scalar;
  using Kernels = typename Backend::ForInference;
  static constexpr Shape in = S.in, out = S.out();
  static constexpr auto features = static_cast<std::size_t>(Backend::padded(S.features));
  static constexpr std::size_t size = features + Kernels::weights_size(S.in.size() * features), work_size = 0;
  static constexpr bool in_place = false, adds = false;
  static constexpr int images = 1;
  [[nodiscard]] static constexpr std::size_t own_size(int) noexcept { return 0; }

  static void fold(Unfolded<T>& from, double factor, T* numbers) {
    const Dense<T> folded = fold_dense(from, S.in.size(), features, S.bias, Norm, factor);
    std::copy(folded.bias.begin(), folded.bias.end(), numbers);
    check_range<typename Kernels::Weight>(folded);
    Kernels::store_weights(folded.weights.data(), folded.weights.size(), numbers + features);
  }
  template <bool, class>
  static void run(int count, const T* x, const T* numbers, T* y, const OperationMemory<T>&) {
    Kernels::template linear<S, activates<Activation>, Activation>(count, x, numbers + features, numbers, y);
  }
};

/// Norms and activations that no convolution stands before, and the end of a branch that no convolution can
/// end.
template <class Backend, Shape S, bool Norm, class Activation>
struct PointOperation {
  using T = typename Backend::Scalar;
  static constexpr Shape in = S, out = S;
  static constexpr auto channels = static_cast<std::size_t>(Backend::padded(S.channels));
  static constexpr std::size_t size = 2 * channels, work_size = 0;
  static constexpr bool in_place = true, adds = is_positively_homogeneous<Activation>;
  static constexpr int images = 1;
  [[nodiscard]] static constexpr std::size_t own_size(int) noexcept { return 0; }

  static void fold(Unfolded<T>& from, double factor, T* numbers) {
    const Affine affine = Norm ? Affine::of_norm(from, channels, factor) : Affine(channels, factor);
    std::transform(affine.scale.begin(), affine.scale.end(), numbers,
                   [](double v) { return static_cast<T>(v); });
    std::transform(affine.shift.begin(), affine.shift.end(), numbers + channels,
                   [](double v) { return static_cast<T>(v); });
  }
  template <bool Add, class After>
  static void run(int count, const T* x, const T* numbers, T* y, const OperationMemory<T>&) {
    Backend::ForInference::template pointwise<S, Ending{activates<Activation>, Add, activates<After>},
                                              Activation, After>(count, x, numbers, numbers + channels, y);
  }
};

template <class Backend, PoolShape S>
struct PoolOperation {
  using T = typename Backend::Scalar;
  static constexpr Shape in = S.in, out = S.out();
  static constexpr std::size_t size = 0, work_size = 0;
  static constexpr bool in_place = false, adds = false;
  static constexpr int images = 1;
  [[nodiscard]] static constexpr std::size_t own_size(int) noexcept { return 0; }

  static void fold(Unfolded<T>&, double, T*) {}
  template <bool, class>
  static void run(int count, const T* x, const T*, T* y, const OperationMemory<T>&) {
    Backend::ForInference::template pool<S>(count, x, y);
  }
};

/// A row of residual blocks; see block_operation.hpp.
template <class Backend, class Blocks>
struct BlockOperation;

/// The operations of one stage, as a std::tuple: one, or none where there is only something to be written
/// down for training.
template <class Backend, class Stage>
struct OperationsOfStage {  // of a row of blocks
  using type = std::tuple<BlockOperation<Backend, Stage>>;
};
template <class Backend, ConvShape S, bool Norm, class Activation, class Pending>
struct OperationsOfStage<Backend, FusedStage<S, Norm, Activation, Pending>> {
  using type = std::tuple<ConvOperation<Backend, S, Norm, Activation>>;
};
template <class Backend, LinearShape S, bool Norm, class Activation, class Pending>
struct OperationsOfStage<Backend, FusedStage<S, Norm, Activation, Pending>> {
  using type = std::tuple<LinearOperation<Backend, S, Norm, Activation>>;
};
template <class Backend, PoolShape S, bool Norm, class Activation, class Pending>
struct OperationsOfStage<Backend, FusedStage<S, Norm, Activation, Pending>> {
  using type = std::tuple<PoolOperation<Backend, S>>;
};
template <class Backend, DropoutShape S, bool Norm, class Activation, class Pending>
struct OperationsOfStage<Backend, FusedStage<S, Norm, Activation, Pending>> {
  using type = std::tuple<>;
};
template <class Backend, NoOperation S, bool Norm, class Activation, class Pending>
struct OperationsOfStage<Backend, FusedStage<S, Norm, Activation, Pending>> {
  using type = std::conditional_t<Norm || activates<Activation>,
                                  std::tuple<PointOperation<Backend, S.in, Norm, Activation>>, std::tuple<>>;
};

/// The operations of a list of stages.
template <class Backend, class List>
struct OperationsOf;
template <class Backend, Shape In, class... Stages>
struct OperationsOf<Backend, StageList<In, Stages...>> {
  using type = decltype(std::tuple_cat(std::declval<typename OperationsOfStage<Backend, Stages>::type>()...));
};
template <class Backend, class List>
using Operations = typename OperationsOf<Backend, List>::type;

}  // namespace sdepth::inline SDEPTH_ISA::detail
