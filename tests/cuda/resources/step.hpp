// A training step of ResNet-110 with a batch of 128 by the CUDA backend; with the recording runtime, what it
// launches is written down.
#pragma once

#include <cstdint>
#include <span>

namespace sdepth::resources {

inline constexpr int batch = 128;
inline constexpr int blocks = 54;

/// Makes one step after another on a trainer that is there until the program ends. In a file for each
/// backend, so that compilers can work side by side.
/// @param gates  [blocks]; empty: those of the step, at linear decay to 0.5
void step_float32(std::span<const std::uint8_t> gates);
void step_float32_dependent(std::span<const std::uint8_t> gates);  // by dependent launches
void step_tf32(std::span<const std::uint8_t> gates);
void step_tf32_persistent(std::span<const std::uint8_t> gates);  // forward by few launches
void step_bf16(std::span<const std::uint8_t> gates);             // and convolutions in TF32
void step_bf16_stochastic(std::span<const std::uint8_t> gates);  // rounded so

}  // namespace sdepth::resources
