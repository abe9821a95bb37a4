#include "step.hpp"
namespace sdepth::resources {
void step_float32(int) {}
}  // namespace sdepth::resources
