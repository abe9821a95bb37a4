// How long a step of several processes takes: the model of docs/distributed.md.
#pragma once

#include <algorithm>

#include "recorded_step.hpp"

/// @param sent  what a step of rank 0 sends and receives, and its work, a third of it forward
/// @param far  whether weights' gradients are computed while sums are on their way   @param bucket  bytes
[[nodiscard]] inline double modelled_step(const Circumstances& how, const Step& sent, bool far,
                                          double bucket) {
  constexpr double look = 5e-5, send = 1e-6;
  const double per_byte = how.bytes_per_second > 0 ? 1 / how.bytes_per_second : 0, others = how.ranks - 1,
               norms = sent.gathers * (how.latency + look + others * send) + sent.gathered * per_byte,
               meanwhile = far ? std::min(norms / 2, sent.own / 3) : 0,
               behind_buckets = (far ? 0 : sent.summed * per_byte) +
                                sent.gathers / 2 * bucket * per_byte * (1 - 2.0 / how.ranks),
               back = 2 * sent.own / 3 + norms / 2 - meanwhile + behind_buckets,
               sums = sent.summed * per_byte * (how.ranks > 2 ? 2 : 1),
               chain = 2 * others * (how.latency + look + 0.75 * bucket * per_byte);
  return sent.own / 3 + norms / 2 + std::max(back, sums) + chain;
}
