#include "step_of.hpp"

void sdepth::resources::step_tf32(std::span<const std::uint8_t> gates) { step<Cuda<Precision::tf32>>(gates); }
