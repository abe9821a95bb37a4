// Passes over all parameters on the device: one launch over the flat buffer, which asks the gates which
// segments have a gradient.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/gates.hpp>
#include <sdepth/kernels/cuda/memory.hpp>
#include <sdepth/kernels/cuda/update.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// See HostUpdater, which has the same functions.
class Updater {
 public:
  Updater(std::span<const ParameterSegment> segments, std::size_t blocks)
      : segments_(segments.size()),
        count_(segments.empty() ? 0 : segments.back().offset + segments.back().size),
        starts_(segments.size() + 1),
        blocks_(segments.size()),
        gates_(std::max<std::size_t>(blocks, 1)),
        survival_(blocks) {
    for (std::size_t i = 0; i < segments_; ++i) {
      starts_.data()[i] = segments[i].offset;
      starts_.data()[i + 1] = segments[i].offset + segments[i].size;
      blocks_.data()[i] = segments[i].block;
    }
  }

  /// The device draws the gates of (seed, step) itself. @param open  [blocks], as the host drew them
  void take_drawn_gates(Context& context, std::uint64_t seed, std::uint64_t step,
                        std::span<const double> survival, std::span<const std::uint8_t> open) {
    if (open.empty()) return;
    if (!std::equal(survival.begin(), survival.end(), survival_of_.begin(), survival_of_.end())) {
      survival_of_.assign(survival.begin(), survival.end());
      std::copy(survival.begin(), survival.end(), survival_.data());
    }
    draw_gates(context, seed, step, static_cast<int>(open.size()), survival_.on_device(), gates_.data());
  }
  void take_gates(Context& context, std::span<const std::uint8_t> open) {
    if (open.empty()) return;
    const OnDevice here = context.here();
    std::memcpy(context.gates().begin(open.size()), open.data(), open.size());
    const std::byte* there = context.gates().send(context.stream());
    check(cudaMemcpyAsync(gates_.data(), there, open.size(), cudaMemcpyDeviceToDevice, context.stream()),
          "cudaMemcpyAsync of gates");
  }
  template <class Rule, std::size_t K>
  void update(Context& context, std::span<const std::array<double, K>> factors, bool frozen, float* weights,
              const float* gradients, const std::array<float*, Rule::state.size()>& states) {
    const bool alike =
        std::all_of(factors.begin(), factors.end(), [&](const auto& other) { return other == factors[0]; });
    cuda::update<Rule, K, Rule::state.size()>(context, on_device(), {weights, gradients, states}, factors[0],
                                              alike ? nullptr : sent(context, factors), frozen);
  }
  /// Waits for the device.
  [[nodiscard]] double norm(Context& context, const float* gradients) {
    if (count_ == 0) return 0;
    const unsigned blocks = update_blocks(count_);
    const OnDevice here = context.here();
    if (sums_.size() < blocks) sums_ = DeviceBuffer<double>(blocks, "sums");
    context.launch(StageName{"squares"}, squares_kernel<update_launch::threads>,
                   Grid{blocks, 1, 1, update_launch::threads, update_launch::threads * sizeof(double)},
                   SquaresOperands{on_device(), gradients, sums_.data()});
    std::vector<double> sums(blocks);
    check(cudaMemcpy(sums.data(), sums_.data(), blocks * sizeof(double), cudaMemcpyDeviceToHost),
          "cudaMemcpy of sums");
    double sum = 0;
    for (const double of_block : sums) sum += of_block;
    return std::sqrt(sum);
  }

 private:
  [[nodiscard]] Segments on_device() {
    return {starts_.on_device(), blocks_.on_device(), gates_.data(), static_cast<int>(segments_), count_};
  }
  /// [segments][K] on the device, behind what the stream does already.
  template <std::size_t K>
  [[nodiscard]] const float* sent(Context& context, std::span<const std::array<double, K>> factors) {
    const OnDevice here = context.here();
    if (!factors_) factors_ = std::make_unique<Upload>(context.device());
    const std::size_t bytes = factors.size() * K * sizeof(float);
    std::byte* to = factors_->begin(bytes);
    for (const std::array<double, K>& of_segment : factors)
      for (const double factor : of_segment) {
        const auto rounded = static_cast<float>(factor);
        std::memcpy(to, &rounded, sizeof rounded);
        to += sizeof rounded;
      }
    return reinterpret_cast<const float*>(factors_->send(context.stream()));
  }

  std::size_t segments_;
  std::size_t count_;           // parameters
  Mirror<std::size_t> starts_;  // [segments + 1]
  Mirror<int> blocks_;          // [segments]
  DeviceBuffer<std::uint8_t> gates_;
  Mirror<double> survival_;
  std::vector<double> survival_of_;
  std::unique_ptr<Upload> factors_;  // made when first needed: where segments differ
  DeviceBuffer<double> sums_;
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
