// A training step of ResNet-110 with a batch of 128 and every block open, by the CUDA backend; what it launches is recorded, not run.
#pragma once

namespace sdepth::resources {

/// In files of their own, which nvcc compiles one beside the other. @param steps  how many, the same each time
void step_float32(int steps);
void step_tf32(int steps);

}  // namespace sdepth::resources
