// How a Loader makes batches: what decides them, and what does not.
#pragma once

#include <cstdint>

#include <sdepth/core/batch_share.hpp>
#include <sdepth/core/communicator.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// How an epoch is made into batches.
struct LoaderOptions {
  int batch = 128;
  bool shuffle = true;  ///< else the records come in the set's order
  /// of an ImageSet: shift and flip as in the paper. Other sources say it by their transforms
  bool augment = true;
  std::uint64_t seed = 0;
  /// batches made ahead, never more than an epoch has; each takes batch · H · W · C · 4 bytes (1.6 MB for
  /// 128 of CIFAR's)
  int prefetch = 3;
  int threads = 1;        ///< that read and augment; batches do not depend on how many
  BatchShare share = {};  ///< of each batch, where several processes train together
  /// records that cannot be read are left out of their batch, and counted; else they are errors
  bool skip_broken = false;
  /// where processes share batches and skip_broken is on: they tell each other what they leave out, in
  /// next()
  Communicator* others = nullptr;
};

}  // namespace sdepth::inline SDEPTH_ISA
