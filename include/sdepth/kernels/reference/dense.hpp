// The reference's linear layer, losses and optimizers.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>

#include <sdepth/kernels/operands.hpp>
#include <sdepth/kernels/reference/source.hpp>

namespace sdepth::inline SDEPTH_ISA::reference {

/// out[n, f] = bias[f] + Σ_i in[n, i] · weights[i, f].
template <LinearShape S, class T, class Stored>
void linear_forward(int batch, const Stored* in, const T* weights, const T* bias, Stored* out,
                    const RoundingNoise& noise = {}) {
  const Written<Stored> written{noise, S.features};
  constexpr std::size_t inputs = S.in.size(), features = static_cast<std::size_t>(S.features);
  for (std::size_t n = 0; n < static_cast<std::size_t>(batch); ++n)
    for (std::size_t f = 0; f < features; ++f) {
      double sum = bias ? static_cast<double>(bias[f]) : 0.0;
      for (std::size_t i = 0; i < inputs; ++i)
        sum += static_cast<double>(in[n * inputs + i]) * static_cast<double>(weights[i * features + f]);
      out[n * features + f] = written(sum, n * features + f);
    }
}

template <LinearShape S, class T, class Stored>
void linear_backward(int batch, const Stored* dy, const Stored* in, const T* weights, T* weight_gradient,
                     T* bias_gradient, Stored* dx, const RoundingNoise& noise = {}) {
  const Written<Stored> written{noise, S.in.channels};
  constexpr std::size_t inputs = S.in.size(), features = static_cast<std::size_t>(S.features);
  const auto images = static_cast<std::size_t>(batch);
  for (std::size_t i = 0; i < inputs; ++i)
    for (std::size_t f = 0; f < features; ++f) {
      double sum = 0;
      for (std::size_t n = 0; n < images; ++n)
        sum += static_cast<double>(in[n * inputs + i]) * static_cast<double>(dy[n * features + f]);
      weight_gradient[i * features + f] = static_cast<T>(sum);
    }
  for (std::size_t f = 0; bias_gradient && f < features; ++f) {
    double sum = 0;
    for (std::size_t n = 0; n < images; ++n) sum += static_cast<double>(dy[n * features + f]);
    bias_gradient[f] = static_cast<T>(sum);
  }
  for (std::size_t n = 0; n < images; ++n)
    for (std::size_t i = 0; i < inputs; ++i) {
      double sum = 0;
      for (std::size_t f = 0; f < features; ++f)
        sum += static_cast<double>(dy[n * features + f]) * static_cast<double>(weights[i * features + f]);
      dx[n * inputs + i] = written(sum, n * inputs + i);
    }
}

/// Mean over the batch of −log softmax(logits)[label]; gradient (softmax − one-hot)/batch unless null. An
/// image whose first largest logit is not its label counts as an error, and so does one that has a NaN, which
/// is taken for the largest.
template <class T>
LossResult softmax_cross_entropy(int batch, int classes, const T* logits, const int* labels, T* gradient) {
  LossResult result;
  const auto count = static_cast<std::size_t>(classes);
  for (std::size_t n = 0; n < static_cast<std::size_t>(batch); ++n, logits += count) {
    std::size_t best = 0;
    for (std::size_t c = 1; c < count; ++c)
      if (logits[c] > logits[best] || std::isnan(logits[c])) best = c;
    const auto maximum = static_cast<double>(logits[best]);
    double sum = 0;
    for (std::size_t c = 0; c < count; ++c) sum += std::exp(static_cast<double>(logits[c]) - maximum);
    const auto label = static_cast<std::size_t>(labels[n]);
    result.loss += std::log(sum) + maximum - static_cast<double>(logits[label]);
    result.errors += best != label || std::isnan(maximum);
    for (std::size_t c = 0; gradient && c < count; ++c)
      gradient[n * count + c] = static_cast<T>(
          (std::exp(static_cast<double>(logits[c]) - maximum) / sum - (c == label ? 1.0 : 0.0)) / batch);
  }
  result.loss /= batch;
  return result;
}

/// The same of any loss: see losses/loss.hpp. @param targets  per_image numbers for each image
template <class Loss, class T, class Target>
LossResult loss(int batch, int outputs, const typename Loss::Options& options, const T* predictions,
                const Target* targets, std::size_t per_image, T* gradient) {
  LossResult result;
  const auto row = static_cast<std::size_t>(outputs);
  for (std::size_t n = 0; n < static_cast<std::size_t>(batch); ++n) {
    bool wrong = false;
    result.loss += Loss::of_image(options, outputs, predictions + n * row, targets + n * per_image,
                                  1.0 / batch, gradient ? gradient + n * row : nullptr, wrong);
    result.errors += wrong;
  }
  result.loss /= batch;
  return result;
}

/// Rule::update in double, on `count` parameters; gradient null: zero. See optimizers/optimizer.hpp.
template <class Rule, class T, std::size_t K, std::size_t N>
void update(std::size_t count, const std::array<double, K>& factors, T* weights, const T* gradient,
            const std::array<T*, N>& states) {
  for (std::size_t i = 0; i < count; ++i) {
    auto w = static_cast<double>(weights[i]);
    std::array<double, N> state{};
    for (std::size_t s = 0; s < N; ++s) state[s] = static_cast<double>(states[s][i]);
    Rule::update(factors, w, gradient ? static_cast<double>(gradient[i]) : 0.0, state);
    weights[i] = static_cast<T>(w);
    for (std::size_t s = 0; s < N; ++s) states[s][i] = static_cast<T>(state[s]);
  }
}

}  // namespace sdepth::inline SDEPTH_ISA::reference
