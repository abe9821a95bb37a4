// Where a branch is scaled to make up for the steps it missed: at test (the paper), or in training.
#pragma once

#include <cstddef>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

enum class Scaling {
  test,  // as the paper: training adds the branch as it is, test multiplies it by its survival probability
  // as torchvision and timm: training multiplies a surviving branch by 1/survival, test adds it as it is
  train,
};

/// The factor of a residual branch that runs.
[[nodiscard]] constexpr double branch_scale(Scaling scaling, bool training, double survival) noexcept {
  if (scaling == Scaling::test) return training ? 1.0 : survival;
  return training && survival > 0 ? 1.0 / survival : 1.0;
}

/// The same in a training step in which `survivors` of the batch's N images survive and that number is not
/// random (Gating::per_sample_exact):
///
///     factor at test · N / survivors
///
/// which is N / survivors with Scaling::train, and survival · N / survivors with Scaling::test. The mean
/// factor over the images of any batch is then the one at test. Where survival · N is not whole, branch_scale
/// misses it by the rounding: by 20 % where 3 of 5 images survive at 0.5. Source: DINOv2's
/// drop_add_residual_stochastic_depth.
[[nodiscard]] constexpr double exact_branch_scale(Scaling scaling, double survival, std::size_t images,
                                                  std::size_t survivors) noexcept {
  if (survivors == 0 || survival <= 0) return branch_scale(scaling, true, survival);
  return branch_scale(scaling, false, survival) * static_cast<double>(images) /
         static_cast<double>(survivors);
}

}  // namespace sdepth::inline SDEPTH_ISA
