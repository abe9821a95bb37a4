// The stages of a batch that several processes share: each fixed part by launches of its own, and what goes
// over the whole batch by way of the host.
//
//   forward    a launch for each part → its mean and variance → to all → merged on the host → back → the norm
//   backward   input gradients → sums of the parts on their way to the host → weight gradients, while the host waits for the other processes → the norm
//
// A step waits for the network once for each norm and direction, and nothing of it is in a graph.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/conv_forward.hpp>
#include <sdepth/kernels/cuda/conv_input_gradient.hpp>
#include <sdepth/kernels/cuda/finish.hpp>
#include <sdepth/kernels/cuda/linear.hpp>
#include <sdepth/kernels/cuda/norm.hpp>
#include <sdepth/kernels/cuda/precision.hpp>
#include <sdepth/kernels/cuda/weight_gradient.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Images from `first` on. @param size  numbers of an image
template <class Stored>
[[nodiscard]] Source<float, Stored> images_from(const Source<float, Stored>& source, int first,
                                                std::size_t size) {
  Source<float, Stored> part = source.of_image(first, size);
  part.dropout = source.dropout;
  return part;
}
template <class Stored>
[[nodiscard]] Stored* at_image(Stored* tensor, int first, std::size_t size) {
  return tensor ? tensor + static_cast<std::size_t>(first) * size : nullptr;
}

/// The moments of a shared batch: of each part a row of means and one of variances, and what they become.
class SharedMoments {
 public:
  SharedMoments(Context& context, int channels, const Statistics<float>& wanted)
      : context_(context),
        channels_(static_cast<std::size_t>(channels)),
        wanted_(wanted),
        alone_(context.one_part_alone()) {
    if (wanted.mean && !alone_) rows_ = context.rows(2 * channels_);
  }
  /// Where those of a part go.
  [[nodiscard]] Statistics<float> of_part(int index) const {
    if (!rows_) return wanted_;
    float* const row = rows_ + static_cast<std::size_t>(index) * 2 * channels_;
    return {row, row + channels_, nullptr};
  }
  /// Merges the parts in their order, in double, and prepares the norm. @param pixels  of an image
  void merge(std::size_t pixels) const {
    if (!rows_) return;
    context_.send_rows(2 * channels_);
    const BatchParts parts = context_.shared_parts();
    const float* const rows = context_.fetched_rows();
    std::vector<double> means(channels_), variances(channels_);
    for (std::size_t c = 0; c < channels_; ++c) {
      double n = 0, mean = 0, squares = 0;
      for (int part = parts.merged.first; part < parts.merged.last; ++part) {
        const float* const row = rows + static_cast<std::size_t>(part) * 2 * channels_ + c;
        const double m = static_cast<double>(parts.size(part)) * static_cast<double>(pixels);
        const double delta = static_cast<double>(row[0]) - mean;
        mean += delta * m / (n + m);
        squares += static_cast<double>(row[channels_]) * m + delta * delta * n * m / (n + m);
        n += m;
      }
      means[c] = mean;
      variances[c] = n > 0 ? squares / n : 0;
    }
    context_.send(channels_, wanted_.mean, [&](std::size_t c) { return static_cast<float>(means[c]); });
    context_.send(channels_, wanted_.variance,
                  [&](std::size_t c) { return static_cast<float>(variances[c]); });
    if (wanted_.norm)
      norm_forward(context_, static_cast<int>(channels_), *wanted_.norm, wanted_.mean, wanted_.variance);
  }

 private:
  Context& context_;
  std::size_t channels_;
  Statistics<float> wanted_;
  bool alone_;
  float* rows_ = nullptr;  // [parts here][2][channels]
};

/// The same of the sums that norms need on the way back.
class SharedSums {
 public:
  SharedSums(Context& context, int channels, const SourceSums<float>& wanted)
      : context_(context), channels_(static_cast<std::size_t>(channels)), wanted_(wanted) {
    if (any() && !context.one_part_alone()) rows_ = context.rows(3 * channels_);
  }
  [[nodiscard]] SourceSums<float> of_part(int index) const {
    if (!rows_) return wanted_;
    float* const row = rows_ + static_cast<std::size_t>(index) * 3 * channels_;
    return {wanted_.dz ? row : nullptr, wanted_.dz_normalised ? row + channels_ : nullptr,
            wanted_.dz_normalised_shortcut ? row + 2 * channels_ : nullptr};
  }
  /// Behind the launches that make them. What is launched from here on runs while merge() waits.
  void send() const {
    if (rows_) context_.send_rows(3 * channels_);
  }
  void merge() const {
    if (rows_) add_up(context_.fetched_rows());
    for (const NormBackward<float>* norm : {wanted_.norm, wanted_.shortcut_norm})
      if (norm) {
        context_.add_up_norm_gradient(norm->gamma_gradient, channels_);
        context_.add_up_norm_gradient(norm->beta_gradient, channels_);
      }
  }

 private:
  [[nodiscard]] bool any() const noexcept { return wanted_.dz || wanted_.dz_normalised_shortcut; }
  void add_up(const float* rows) const {
    const BatchParts parts = context_.shared_parts();
    const auto sum = [&](std::size_t which, float* to) {
      if (!to) return;
      context_.send(channels_, to, [&](std::size_t c) {
        double all = 0;
        for (int part = parts.merged.first; part < parts.merged.last; ++part)
          all += static_cast<double>(rows[(static_cast<std::size_t>(part) * 3 + which) * channels_ + c]);
        return static_cast<float>(all);
      });
    };
    sum(0, wanted_.dz);
    sum(1, wanted_.dz_normalised);
    sum(2, wanted_.dz_normalised_shortcut);
    if (parts.merged.size() == 0) return;  // norms of its own, of no image
    const int channels = static_cast<int>(channels_);
    if (wanted_.norm) norm_backward(context_, channels, *wanted_.norm, wanted_.dz, wanted_.dz_normalised);
    if (wanted_.shortcut_norm)
      norm_backward(context_, channels, *wanted_.shortcut_norm, wanted_.dz, wanted_.dz_normalised_shortcut);
  }

  Context& context_;
  std::size_t channels_;
  SourceSums<float> wanted_;
  float* rows_ = nullptr;  // [parts here][3][channels]
};

template <ConvShape S>
inline constexpr std::size_t shared_in_size =
    S.in.pixels() * static_cast<std::size_t>(S.network_input ? S.in.channels : padded(S.in.channels));
template <ConvShape S>
inline constexpr std::size_t shared_out_size =
    S.out().pixels() * static_cast<std::size_t>(padded(S.channels_out));

/// @see conv_forward
template <ConvShape S, Precision P, class A, class Stored>
void shared_conv_forward(Context& context, const Source<float, Stored>& source, const float* weights,
                         const float* bias, Stored* out, const Statistics<float>& statistics) {
  const SharedMoments moments(context, padded(S.channels_out), statistics);
  context.for_each_part([&](const Range& images, int index) {
    conv_forward<S, P, A>(context, images.size(), images_from(source, images.first, shared_in_size<S>),
                          weights, bias, at_image(out, images.first, shared_out_size<S>),
                          moments.of_part(index));
  });
  moments.merge(S.out().pixels());
}

/// The gradients of weights and bias of all parts, which begin to be added up. @see conv_weight_gradient
template <ConvShape S, Precision P, class A, class Stored>
void shared_weight_gradient(Context& context, const Gradient<float, Stored>& gradient,
                            const Source<float, Stored>& source, float* weight_gradient,
                            float* bias_gradient) {
  constexpr std::size_t weights = static_cast<std::size_t>(S.kernel * S.kernel * S.in.channels) *
                                  padded(S.channels_out),
                        biases = static_cast<std::size_t>(padded(S.channels_out));
  const int parts = context.shared_parts().mine.size();
  float* const rows = context.gradient_rows(weights + biases);
  float* const bias_rows = rows + static_cast<std::size_t>(parts) * weights;
  context.for_each_part([&](const Range& images, int index) {
    conv_weight_gradient<S, P, A>(
        context, images.size(), gradient.of_image(images.first, shared_out_size<S>),
        images_from(source, images.first, shared_in_size<S>),
        rows + static_cast<std::size_t>(index) * weights,
        bias_gradient ? bias_rows + static_cast<std::size_t>(index) * biases : nullptr);
  });
  context.begin_sum(rows, parts, weights, weight_gradient);
  if (bias_gradient) context.begin_sum(bias_rows, parts, biases, bias_gradient);
}

/// @see operands.hpp. out must not be gradient.dy.
template <ConvShape S, Precision P, class A, class Stored>
void shared_conv_backward(Context& context, const Gradient<float, Stored>& gradient,
                          const Source<float, Stored>& source, const float* weights, float* weight_gradient,
                          float* bias_gradient, const Stored* add, Stored* out,
                          const SourceSums<float>& sums) {
  const SharedSums sums_of_parts(context, padded(S.in.channels), sums);
  if constexpr (!S.network_input) {
    if (out)
      context.for_each_part([&](const Range& images, int index) {
        conv_input_gradient<S, P, A>(
            context, images.size(), gradient.of_image(images.first, shared_out_size<S>),
            images_from(source, images.first, shared_in_size<S>), weights,
            at_image(add, images.first, shared_in_size<S>), at_image(out, images.first, shared_in_size<S>),
            sums_of_parts.of_part(index));
      });
    if (out) sums_of_parts.send();
  }
  if (weight_gradient)
    shared_weight_gradient<S, P, A>(context, gradient, source, weight_gradient, bias_gradient);
  if (out) sums_of_parts.merge();
}

/// @see finish
template <Shape S, class A, class Stored>
void shared_finish(Context& context, const Source<float, Stored>& source,
                   const Statistics<float>& statistics) {
  constexpr std::size_t size = S.pixels() * static_cast<std::size_t>(padded(S.channels));
  const SharedMoments moments(context, padded(S.channels), statistics);
  context.for_each_part([&](const Range& images, int index) {
    finish<S, A>(context, images.size(), images_from(source, images.first, size), moments.of_part(index));
  });
  moments.merge(S.pixels());
}
/// @see finish_backward
template <Shape S, class A, class Stored>
void shared_finish_backward(Context& context, const Gradient<float, Stored>& gradient,
                            const Source<float, Stored>& source, const Stored* add, Stored* out,
                            const SourceSums<float>& sums) {
  constexpr std::size_t size = S.pixels() * static_cast<std::size_t>(padded(S.channels));
  const SharedSums sums_of_parts(context, padded(S.channels), sums);
  context.for_each_part([&](const Range& images, int index) {
    finish_backward<S, A>(context, images.size(), gradient.of_image(images.first, size),
                          images_from(source, images.first, size), at_image(add, images.first, size),
                          at_image(out, images.first, size), sums_of_parts.of_part(index));
  });
  sums_of_parts.send();
  sums_of_parts.merge();
}

/// The operands of all images are fetched, since the sum over images is one sum in the batch's order. @see
/// linear_backward
template <LinearShape S>
void shared_linear_backward(Context& context, int batch, const float* dy, const float* in,
                            const float* weights, float* weight_gradient, float* bias_gradient, float* dx) {
  const int whole = context.whole_batch(batch);
  const float* const inputs =
      context.images_of_all(in, S.in.pixels() * static_cast<std::size_t>(padded(S.in.channels)), 0);
  const float* const gradients = context.images_of_all(dy, static_cast<std::size_t>(padded(S.features)), 1);
  // The first launch is for dx: what it says of the weights are these images alone.
  if (dx && batch > 0)
    linear_backward<S>(context, batch, dy, in, weights, weight_gradient, bias_gradient, dx);
  linear_backward<S>(context, whole, gradients, inputs, weights, weight_gradient, bias_gradient, nullptr);
}

/// A loss and its gradient of all images, by every process alike, of which each keeps its own images'
/// gradient.
/// @param padded_outputs  numbers of an image's predictions   @param body(predictions, targets, gradient) of
///                        all of them, on the device and the host
template <class Target, class Body>
void with_shared_predictions(Context& context, std::size_t padded_outputs, const float* predictions,
                             const Target* targets, std::size_t per_image, float* gradient,
                             const Body& body) {
  const BatchParts parts = context.shared_parts();
  const float* const all = context.images_of_all(predictions, padded_outputs, 0);
  std::vector<Target> of_all(static_cast<std::size_t>(parts.images) * per_image);
  const int here = parts.mine.size() > 0 ? parts.of(parts.mine.last - 1).last : 0;
  std::copy_n(
      targets, static_cast<std::size_t>(here) * per_image,
      of_all.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(parts.first) * per_image));
  context.fetch_images(of_all.data(), per_image);
  float* const gradient_of_all = gradient ? context.room_for_all(padded_outputs, 1) : nullptr;
  body(all, of_all.data(), gradient_of_all);
  if (gradient) context.copy_own(gradient_of_all, padded_outputs, gradient);
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
