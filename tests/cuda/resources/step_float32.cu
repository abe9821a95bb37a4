#include "step_of.hpp"

namespace sdepth::resources {

void step_float32(std::span<const std::uint8_t> gates) { step<Cuda<>>(gates); }
void step_float32_dependent(std::span<const std::uint8_t> gates) { step<Cuda<>>(gates, true); }

}  // namespace sdepth::resources
