// The CUDA backend: kernels for one GPU, float32, with TF32 tensor cores for the convolutions and activations
// in bfloat16 as options.
//
//   instructions, operands          the words that kernels are written in
//   check, memory, replay, runs, context  the host's side of the device: errors, memory, graphs, launches
//   convolution, weight_gradient    the stages with a convolution; finish, pool, linear, loss, norm, update, gates, images: the rest
//   updater                         an optimizer's update, with a step's gates
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <sdepth/activations/relu.hpp>
#include <sdepth/core/bfloat16.hpp>
#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/conv_forward.hpp>
#include <sdepth/kernels/cuda/conv_input_gradient.hpp>
#include <sdepth/kernels/cuda/finish.hpp>
#include <sdepth/kernels/cuda/images.hpp>
#include <sdepth/kernels/cuda/linear.hpp>
#include <sdepth/kernels/cuda/loss.hpp>
#include <sdepth/kernels/cuda/norm.hpp>
#include <sdepth/kernels/cuda/pool.hpp>
#include <sdepth/kernels/cuda/precision.hpp>
#include <sdepth/kernels/cuda/shared_stages.hpp>
#include <sdepth/kernels/cuda/stored.hpp>
#include <sdepth/kernels/cuda/survivors.hpp>
#include <sdepth/kernels/cuda/updater.hpp>
#include <sdepth/kernels/cuda/weight_gradient.hpp>

namespace sdepth::inline SDEPTH_ISA {

using cuda::Precision;

namespace cuda {

/// What processes can share a batch by: floats in 8 parts. Batches of bfloat16 stay whole.
template <class Stored>
struct Shares {};
template <>
struct Shares<float> {
  static constexpr int parts = 8;
};

}  // namespace cuda

/// Kernels over floats on the CUDA device that was current when the Context was made, from whichever thread
/// they are launched. operands.hpp says what the operands mean, Reference what each kernel computes.
///
/// All pointers are to device memory, but for the Norms of a Source or Gradient, labels and what is said to
/// be the host's. Functions return when the work has been handed over; everything happens in one stream. The
/// same operands give the same bits on every device of the same precision. Throws Error naming the call of
/// the CUDA runtime that failed, the stage and its shape.
///
/// @tparam P        Precision::tf32 rounds the factors of convolutions to 10 bits of mantissa, from compute
///                  capability 8.0 on; Precision::tf32x3 multiplies there with about float32's accuracy; sums
///                  stay float32
/// @tparam Stored_  What activations, and their gradients on the way back, lie in memory as: float, or
///                  bfloat16 for half the bytes. Weights, statistics, sums and all arithmetic stay float;
///                  what is summed up of a tensor is the rounded numbers.
template <Precision P = Precision::float32, class Stored_ = float>
struct Cuda : cuda::Shares<Stored_> {
  static_assert(std::is_same_v<Stored_, float> || std::is_same_v<Stored_, bfloat16>,
                "Cuda: activations are stored as float or bfloat16");
  using Scalar = float;
  using Stored = Stored_;
  using Context = cuda::Context;
  using Loss = cuda::PendingLoss;
  using ActivationArena = cuda::DeviceArena;
  using Updater = cuda::Updater;
  template <class Number>
  using Memory = cuda::DeviceBuffer<Number>;
  template <class Number>
  using Storage = cuda::Mirror<Number>;
  static constexpr bool addressable = false;
  static constexpr bool synchronous = false;
  static constexpr bool replays = true;
  static constexpr bool prepares_norms = true;  // by the last block of the kernel that makes their sums
  static constexpr Precision precision = P;
  static constexpr bool shares = std::is_same_v<Stored, float>;
  static constexpr int lanes = cuda::lanes;
  [[nodiscard]] static constexpr int padded(int channels) noexcept { return cuda::padded(channels); }

  template <ConvShape S, class A = ReLU>
  static void conv_forward(Context& context, int batch, const Source<float, Stored>& source,
                           const float* weights, const float* bias, Stored* out,
                           Statistics<float> statistics) {
    if constexpr (shares)
      if (context.others())
        return cuda::shared_conv_forward<S, P, A>(context, source, weights, bias, out, statistics);
    cuda::conv_forward<S, P, A>(context, batch, source, weights, bias, out, statistics);
  }
  template <ConvShape S, class A = ReLU>
  static void conv_backward(Context& context, int batch, const Gradient<float, Stored>& gradient,
                            const Source<float, Stored>& source, const float* weights, float* weight_gradient,
                            float* bias_gradient, const Stored* add, Stored* out, SourceSums<float> sums) {
    if constexpr (shares)
      if (context.others())
        return cuda::shared_conv_backward<S, P, A>(context, gradient, source, weights, weight_gradient,
                                                   bias_gradient, add, out, sums);
    const auto rounding = context.next_rounding<Stored>();
    // The two gradients run at the same time: they share what they read, and `out` is none of it.
    if (weight_gradient)
      cuda::conv_weight_gradient<S, P, A>(context, batch, gradient, source, weight_gradient, bias_gradient);
    if constexpr (!S.network_input)
      if (out)
        cuda::conv_input_gradient<S, P, A>(
            context, batch, gradient, source, weights, add, out, sums,
            weight_gradient && out != gradient.dy ? cuda::Lane::beside : cuda::Lane::main, rounding);
  }
  template <Shape S, class A = ReLU>
  static void finish(Context& context, int batch, const Source<float, Stored>& source,
                     Statistics<float> statistics) {
    if constexpr (shares)
      if (context.others()) return cuda::shared_finish<S, A>(context, source, statistics);
    cuda::finish<S, A>(context, batch, source, statistics);
  }
  template <Shape S, class A = ReLU>
  static void finish_backward(Context& context, int batch, const Gradient<float, Stored>& gradient,
                              const Source<float, Stored>& source, const Stored* add, Stored* out,
                              SourceSums<float> sums) {
    if constexpr (shares)
      if (context.others())
        return cuda::shared_finish_backward<S, A>(context, gradient, source, add, out, sums);
    cuda::finish_backward<S, A>(context, batch, gradient, source, add, out, sums);
  }
  template <PoolShape S>
  static void pool_forward(Context& context, int batch, const Stored* in, Stored* out) {
    cuda::pool_forward<S>(context, batch, in, out);
  }
  template <PoolShape S>
  static void pool_backward(Context& context, int batch, const Stored* dy, const Stored* in, Stored* dx) {
    cuda::pool_backward<S>(context, batch, dy, in, dx);
  }
  template <ShortcutShape S>
  static void shortcut_forward(Context& context, int batch, const Stored* in, Stored* out) {
    cuda::shortcut_forward<S>(context, batch, in, out);
  }
  template <ShortcutShape S>
  static void shortcut_backward(Context& context, int batch, const Stored* dy, Stored* dx) {
    cuda::shortcut_backward<S>(context, batch, dy, dx);
  }
  /// Of images that have gates of their own, the survivors' are copied side by side, or back to their places;
  /// the others' there stay, or become zeros.
  /// @param gates  [N], on the host, 1 open; null: all   @param numbers  of an image
  static void gather_images(Context& context, int batch, const std::uint8_t* gates, std::size_t numbers,
                            const Stored* from, Stored* to) {
    cuda::move_images<cuda::Move::gather>(context, batch, cuda::Survivors::of(gates, batch), numbers, from,
                                          to);
  }
  static void scatter_images(Context& context, int batch, const std::uint8_t* gates, std::size_t numbers,
                             const Stored* from, Stored* to) {
    cuda::move_images<cuda::Move::scatter>(context, batch, cuda::Survivors::of(gates, batch), numbers, from,
                                           to);
  }
  static void scatter_images_among_zeros(Context& context, int batch, const std::uint8_t* gates,
                                         std::size_t numbers, const Stored* from, Stored* to) {
    cuda::move_images<cuda::Move::scatter_among_zeros>(context, batch, cuda::Survivors::of(gates, batch),
                                                       numbers, from, to);
  }
  template <LinearShape S>
  static void linear_forward(Context& context, int batch, const Stored* in, const float* weights,
                             const float* bias, Stored* out) {
    cuda::linear_forward<S>(context, batch, in, weights, bias, out);
  }
  template <LinearShape S>
  static void linear_backward(Context& context, int batch, const Stored* dy, const Stored* in,
                              const float* weights, float* weight_gradient, float* bias_gradient,
                              Stored* dx) {
    if constexpr (shares)
      if (context.others())
        return cuda::shared_linear_backward<S>(context, batch, dy, in, weights, weight_gradient,
                                               bias_gradient, dx);
    cuda::linear_backward<S>(context, batch, dy, in, weights, weight_gradient, bias_gradient, dx);
  }

  /// @param labels  [N], on the host
  [[nodiscard]] static Loss softmax_cross_entropy(Context& context, int batch, int classes,
                                                  const float* logits, const int* labels, float* gradient) {
    with_predictions(context, batch, classes, logits, labels, 1, gradient,
                     [&](int images, const float* from, const int* there, float* to) {
                       // Only a step of training, which asks for a gradient, is undone by a loss that is not
                       // finite.
                       cuda::softmax_cross_entropy(context, images, classes, from, there, to,
                                                   context.next_loss(), to ? context.failed() : nullptr);
                     });
    return Loss(context, gradient != nullptr);
  }
  /// The same of any loss: see losses/loss.hpp. @param targets  per_image numbers for each image, on the host
  template <class AnyLoss, class Target>
  [[nodiscard]] static Loss loss(Context& context, int batch, int outputs,
                                 const typename AnyLoss::Options& options, const float* predictions,
                                 const Target* targets, std::size_t per_image, float* gradient) {
    with_predictions(context, batch, outputs, predictions, targets, per_image, gradient,
                     [&](int images, const float* from, const Target* there, float* to) {
                       cuda::loss<AnyLoss>(context, images, outputs, options, from, there, per_image, to,
                                           context.next_loss(), to ? context.failed() : nullptr);
                     });
    return Loss(context, gradient != nullptr);
  }

  static void norm_forward(Context& context, std::size_t channels, const NormForward<float>& norm,
                           const float* mean, const float* variance) {
    cuda::norm_forward(context, static_cast<int>(channels), norm, mean, variance);
  }
  static void norm_scale(Context& context, std::size_t channels, const Norm<float>& norm,
                         double branch_scale) {
    cuda::norm_scale(context, static_cast<int>(channels), norm, branch_scale);
  }
  static void add_statistics(Context& context, std::size_t channels, double count, const float* mean,
                             const float* variance, double* mean_sum, double* variance_sum) {
    cuda::add_statistics(context, static_cast<int>(channels), count, mean, variance, mean_sum, variance_sum);
  }

  /// The user's images, on the host, as the walk's input on the device: [N, H, W, stride].
  template <class Number>
  static void upload_images(Context& context, Shape shape, const Number* images, int count,
                            bool channels_last, std::size_t stride, Stored* to) {
    if (count == 0) return;  // of a shared batch
    const std::size_t bytes = static_cast<std::size_t>(count) * shape.size() * sizeof(Number);
    std::memcpy(context.images().begin(bytes), images, bytes);
    const auto order = channels_last ? cuda::ImageOrder::channels_last : cuda::ImageOrder::channels_first;
    cuda::copy_images(context, shape, order, count,
                      reinterpret_cast<const Number*>(context.images().send(context.stream())),
                      static_cast<int>(stride), to);
  }
  /// The outputs of a network as losses read them, and back.
  static void load_numbers(Context& context, std::size_t count, const Stored* stored, float* numbers) {
    cuda::convert(context, count, stored, numbers);
  }
  static void store_numbers(Context& context, int batch, const Shape& image, const float* numbers,
                            Stored* stored) {
    cuda::convert(context, static_cast<std::size_t>(batch) * image.size(), numbers, stored, image.channels,
                  context.next_rounding<Stored>());
  }
  /// Device memory on the host: get() waits for all kernels that write it.
  [[nodiscard]] static cuda::PendingNumbers read(Context& context, const float* numbers, std::size_t count) {
    return {context, numbers, count};
  }

 private:
  /// Calls body(images, predictions, targets on the device, gradient): of the batch, or of all of one that is
  /// shared.
  template <class Target, class Body>
  static void with_predictions(Context& context, int batch, int outputs, const float* predictions,
                               const Target* targets, std::size_t per_image, float* gradient,
                               const Body& body) {
    const auto with_targets = [&](int images, const float* from, const Target* of, float* to) {
      body(images, from, sent_targets(context, of, static_cast<std::size_t>(images) * per_image), to);
    };
    if (!context.others()) return with_targets(batch, predictions, targets, gradient);
    cuda::with_shared_predictions(context, static_cast<std::size_t>(padded(outputs)), predictions, targets,
                                  per_image, gradient, [&](const float* from, const Target* of, float* to) {
                                    with_targets(context.whole_batch(batch), from, of, to);
                                  });
  }
  template <class Target>
  [[nodiscard]] static const Target* sent_targets(Context& context, const Target* targets,
                                                  std::size_t count) {
    const std::size_t bytes = count * sizeof(Target);
    std::memcpy(context.labels().begin(bytes), targets, bytes);
    return reinterpret_cast<const Target*>(context.labels().send(context.stream()));
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
