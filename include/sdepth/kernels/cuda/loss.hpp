// The loss on the device, its gradient, how many images were classified wrongly, and whether it is still a
// number: softmax cross-entropy, and any other.
#pragma once

#include <cuda_runtime.h>

#include <cfloat>
#include <cmath>
#include <cstddef>

#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Where a loss goes, and what its blocks need to find it.
struct LossSums {
  int batch = 0;
  DeviceLoss* result = nullptr;
  unsigned* failed = nullptr;    // or null
  DeviceLoss* blocks = nullptr;  // [blocks]: sums of each
  unsigned* counter = nullptr;

  friend bool operator==(const LossSums&, const LossSums&) = default;
};

struct LossOperands {
  LossSums sums;
  int classes = 0;
  const float* logits = nullptr;  // [N, padded(classes)]
  const int* labels = nullptr;    // [N]
  float* gradient = nullptr;      // [N, padded(classes)], or null

  friend bool operator==(const LossOperands&, const LossOperands&) = default;
};

/// A warp for each image, so that classes are read and worked on side by side, and few images in a block:
/// exponentials in double are what this costs, and they spread over the multiprocessors (128 images: 32
/// blocks).
inline constexpr int loss_warps = 4;

/// Over the threads of a warp, as a tree: the same bits in all of them.
[[nodiscard]] __device__ inline double warp_sum(double v) {
  for (int distance = warp_size / 2; distance > 0; distance /= 2)
    v += __shfl_xor_sync(whole_warp, v, distance);
  return v;
}
[[nodiscard]] __device__ inline int warp_sum(int v) {
  for (int distance = warp_size / 2; distance > 0; distance /= 2)
    v += __shfl_xor_sync(whole_warp, v, distance);
  return v;
}

/// One image, by the threads of a warp together: −log softmax(logits)[label], and (softmax − one-hot)·scale
/// to gradient unless that is null.
__device__ inline double cross_entropy(int classes, const float* logits, int label, double scale,
                                       float* gradient, bool& wrong) {
  const int lane = static_cast<int>(threadIdx.x % warp_size);
  // what is not larger cannot win, but for a NaN, which stays; an infinity shows in the sum
  float largest = -FLT_MAX;
  int best = 0x7FFFFFFF;
  for (int c = lane; c < classes; c += warp_size)
    if (logits[c] > largest || is_nan(logits[c]) || best == 0x7FFFFFFF) largest = logits[c], best = c;
  for (int distance = warp_size / 2; distance > 0; distance /= 2) {
    const float theirs = __shfl_xor_sync(whole_warp, largest, distance);
    const int their_best = __shfl_xor_sync(whole_warp, best, distance);
    if (theirs > largest || is_nan(theirs) || (theirs == largest && their_best < best))
      largest = theirs, best = their_best;
  }
  wrong = best != label || is_nan(largest);
  // exp(logit − maximum) cannot overflow.
  const double maximum = static_cast<double>(largest);
  double sum = 0;
  for (int c = lane; c < classes; c += warp_size) sum += exp(static_cast<double>(logits[c]) - maximum);
  sum = warp_sum(sum);
  if (gradient)
    for (int c = lane; c < padded(classes); c += warp_size) {
      const double probability = c < classes ? exp(static_cast<double>(logits[c]) - maximum) / sum : 0.0;
      gradient[c] = static_cast<float>((probability - (c == label ? 1.0 : 0.0)) * scale);
    }
  return log(sum) + maximum - static_cast<double>(logits[label]);
}

/// Each block adds up its images in their order, one for each warp; the block that is ready last adds up the
/// blocks', always in the same order, whichever it is.
/// @param mine  of the warp's image; zero where it has none
template <int warps>
__device__ inline void add_up_losses(const LossSums& o, const DeviceLoss& mine) {
  auto* of_warps = reinterpret_cast<DeviceLoss*>(shared_memory());  // [warps]
  auto* last = reinterpret_cast<unsigned*>(of_warps + warps);
  const int warp = static_cast<int>(threadIdx.x) / warp_size,
            lane = static_cast<int>(threadIdx.x) % warp_size;
  if (lane == 0) of_warps[warp] = mine;
  __syncthreads();
  if (threadIdx.x == 0) {
    DeviceLoss sum = of_warps[0];
    for (int w = 1; w < warps; ++w) sum.loss += of_warps[w].loss, sum.errors += of_warps[w].errors;
    o.blocks[blockIdx.x] = sum;
    *last = count_arrival(o.counter) == gridDim.x - 1;
  }
  __syncthreads();
  if (!*last || warp > 0) return;
  DeviceLoss total;
  const volatile DeviceLoss* blocks = o.blocks;  // from memory, as other multiprocessors wrote them
  for (unsigned b = static_cast<unsigned>(lane); b < gridDim.x; b += warp_size)
    total.loss += blocks[b].loss, total.errors += blocks[b].errors;
  total = {warp_sum(total.loss) / o.batch, warp_sum(total.errors)};
  if (lane != 0) return;
  *o.counter = 0;
  if (o.failed) {
    if (!(fabs(total.loss) <= DBL_MAX)) *o.failed = 1;
    // an earlier step's loss was not finite, so this step changes nothing either, and must not look as if it
    // had
    else if (*o.failed != 0)
      total.loss = static_cast<double>(NAN);
  }
  *o.result = total;
}

template <int warps>
__global__ void __launch_bounds__(warps* warp_size) loss_kernel(const LossOperands o) {
  begin_behind_launch_before();
  const int n = static_cast<int>(blockIdx.x) * warps + static_cast<int>(threadIdx.x) / warp_size;
  DeviceLoss mine;
  if (n < o.sums.batch) {
    const std::size_t at = static_cast<std::size_t>(n) * static_cast<std::size_t>(padded(o.classes));
    bool wrong = false;
    mine.loss = cross_entropy(o.classes, o.logits + at, o.labels[n], 1.0 / o.sums.batch,
                              o.gradient ? o.gradient + at : nullptr, wrong);
    mine.errors = wrong;
  }
  add_up_losses<warps>(o.sums, mine);
}

/// Launches a kernel of a warp for each image. @param operands  all but its sums
template <class Operands>
void launch_loss(Context& context, const char* name, int batch, int outputs, void (*kernel)(Operands),
                 Operands operands, DeviceLoss* result, unsigned* failed) {
  const unsigned blocks = (static_cast<unsigned>(batch) + loss_warps - 1) / loss_warps;
  static_assert(sizeof(DeviceLoss) % sizeof(float) == 0);
  auto* of_blocks =
      reinterpret_cast<DeviceLoss*>(context.scratch(blocks * (sizeof(DeviceLoss) / sizeof(float))));
  operands.sums = {batch, result, failed, of_blocks, context.counter(1)};
  const Shape shape{outputs, 1, 1};
  context.launch(StageName{name, shape, shape, batch}, kernel,
                 Grid{.x = blocks,
                      .threads = loss_warps * warp_size,
                      .shared_bytes = loss_warps * sizeof(DeviceLoss) + sizeof(unsigned)},
                 operands);
}

/// Mean over the batch of −log softmax(logits)[label] to *result; gradient (softmax − one-hot)/batch, further
/// lanes zero, unless null. An image whose first largest logit is not its label counts as an error, and so
/// does one with a logit that is NaN. Unless failed is null, *failed becomes 1 where the loss is not finite,
/// and the loss NaN where *failed was not 0. All pointers are the device's.
///
/// @pre  0 ≤ label < classes; batch ≥ 1.
inline void softmax_cross_entropy(Context& context, int batch, int classes, const float* logits,
                                  const int* labels, float* gradient, DeviceLoss* result, unsigned* failed) {
  launch_loss(context, "softmax_cross_entropy", batch, classes, loss_kernel<loss_warps>,
              LossOperands{{}, classes, logits, labels, gradient}, result, failed);
}

template <class Options, class Target>
struct AnyLossOperands {
  LossSums sums;
  int outputs = 0;
  Options options;
  const float* predictions = nullptr;  // [N, padded(outputs)]
  const Target* targets = nullptr;     // [N, per_image]
  std::size_t per_image = 1;
  float* gradient = nullptr;  // [N, padded(outputs)], or null

  friend bool operator==(const AnyLossOperands&, const AnyLossOperands&) = default;
};

/// One thread of a warp computes an image's loss: any formula runs, and few images lie on a multiprocessor.
template <class Loss, class Options, class Target, int warps>
__global__ void __launch_bounds__(warps* warp_size)
    any_loss_kernel(const AnyLossOperands<Options, Target> o) {
  begin_behind_launch_before();
  const int n = static_cast<int>(blockIdx.x) * warps + static_cast<int>(threadIdx.x) / warp_size;
  DeviceLoss mine;
  if (n < o.sums.batch && threadIdx.x % warp_size == 0) {
    const std::size_t at = static_cast<std::size_t>(n) * static_cast<std::size_t>(padded(o.outputs));
    float* const gradient = o.gradient ? o.gradient + at : nullptr;
    bool wrong = false;
    mine.loss = Loss::of_image(o.options, o.outputs, o.predictions + at,
                               o.targets + static_cast<std::size_t>(n) * o.per_image, 1.0 / o.sums.batch,
                               gradient, wrong);
    mine.errors = wrong;
    for (int i = o.outputs; gradient && i < padded(o.outputs); ++i) gradient[i] = 0.0F;
  }
  add_up_losses<warps>(o.sums, mine);
}

/// The same of any loss: see losses/loss.hpp. @param targets  [N, per_image], on the device
template <class Loss, class Target>
void loss(Context& context, int batch, int outputs, const typename Loss::Options& options,
          const float* predictions, const Target* targets, std::size_t per_image, float* gradient,
          DeviceLoss* result, unsigned* failed) {
  using Options = typename Loss::Options;
  launch_loss(
      context, Loss::name.data(), batch, outputs, any_loss_kernel<Loss, Options, Target, loss_warps>,
      AnyLossOperands<Options, Target>{{}, outputs, options, predictions, targets, per_image, gradient},
      result, failed);
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
