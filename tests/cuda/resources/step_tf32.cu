#include "step_of.hpp"

namespace sdepth::resources {

void step_tf32(std::span<const std::uint8_t> gates) { step<Cuda<Precision::tf32>>(gates); }
void step_tf32_persistent(std::span<const std::uint8_t> gates) {
  step<Cuda<Precision::tf32>>(gates, false, true);
}

}  // namespace sdepth::resources
