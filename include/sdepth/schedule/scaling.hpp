// Where a branch is scaled to make up for the steps it missed: at test (the paper), or in training.
#pragma once

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

enum class Scaling {
  test,   // as the paper: training adds the branch as it is, test multiplies it by its survival probability
  train,  // as torchvision and timm: training multiplies a surviving branch by 1/survival, test adds it as it is
};

/// The factor of a residual branch that runs.
[[nodiscard]] constexpr double branch_scale(Scaling scaling, bool training, double survival) noexcept {
  if (scaling == Scaling::test) return training ? 1.0 : survival;
  return training && survival > 0 ? 1.0 / survival : 1.0;
}

}  // namespace sdepth::inline SDEPTH_ISA
