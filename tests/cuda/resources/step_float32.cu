#include "step_of.hpp"

void sdepth::resources::step_float32(std::span<const std::uint8_t> gates) { step<Precision::float32>(gates); }
