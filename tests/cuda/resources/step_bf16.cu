#include "step_of.hpp"

void sdepth::resources::step_bf16(std::span<const std::uint8_t> gates) {
  step<Cuda<Precision::tf32, bfloat16>>(gates);
}
void sdepth::resources::step_bf16_stochastic(std::span<const std::uint8_t> gates) {
  step<Cuda<Precision::tf32, bfloat16>, Rounding::stochastic>(gates);
}
