// SGD on the device: one launch over the flat buffer of parameters, which asks the step's gates which segments have a gradient.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <sdepth/kernels/cuda/gates.hpp>
#include <sdepth/kernels/cuda/memory.hpp>
#include <sdepth/kernels/cuda/sgd.hpp>
#include <sdepth/kernels/cuda/space.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// See HostOptimizer, which has the same functions.
class Optimizer {
 public:
  Optimizer(std::span<const ParameterSegment> segments, std::size_t blocks)
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
  void take_drawn_gates(Space& space, std::uint64_t seed, std::uint64_t step, std::span<const double> survival,
                        std::span<const std::uint8_t> open) {
    if (open.empty()) return;
    if (!std::equal(survival.begin(), survival.end(), survival_of_.begin(), survival_of_.end())) {
      survival_of_.assign(survival.begin(), survival.end());
      std::copy(survival.begin(), survival.end(), survival_.data());
    }
    draw_gates(space, seed, step, static_cast<int>(open.size()), survival_.on_device(), gates_.data());
  }
  void take_gates(Space& space, std::span<const std::uint8_t> open) {
    if (open.empty()) return;
    const OnDevice here = space.here();
    std::memcpy(space.gates().begin(open.size()), open.data(), open.size());
    const std::byte* there = space.gates().send(space.stream());
    check(cudaMemcpyAsync(gates_.data(), there, open.size(), cudaMemcpyDeviceToDevice, space.stream()), "cudaMemcpyAsync of gates");
  }
  void step(Space& space, const SgdStep& step, bool frozen, float* weights, const float* gradients, float* velocity) {
    sgd(space, {weights, gradients, velocity, starts_.on_device(), blocks_.on_device(), gates_.data(), count_}, static_cast<int>(segments_),
        step, frozen);
  }

 private:
  std::size_t segments_;
  std::size_t count_;           // parameters
  Mirror<std::size_t> starts_;  // [segments + 1]
  Mirror<int> blocks_;          // [segments]
  DeviceBuffer<std::uint8_t> gates_;
  Mirror<double> survival_;
  std::vector<double> survival_of_;
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
