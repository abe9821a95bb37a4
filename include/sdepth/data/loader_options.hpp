// How a Loader makes batches: what decides them, and what does not.
#pragma once

#include <cstdint>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/batch_share.hpp>
#include <sdepth/core/communicator.hpp>
#include <sdepth/core/error.hpp>

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

/// Throws Error naming the options that no batches can be made with.
inline void check_loader_options(const LoaderOptions& options) {
  if (options.batch < 1 || options.prefetch < 1)
    fail("loader: batch ", options.batch, " and prefetch ", options.prefetch,
         " were given, expected 1 or more of each");
  check_threads("loader", options.threads);
  if (options.skip_broken && options.share.ranks > 1 && !options.others)
    fail(
        "loader: skip_broken was given with a share of each batch, for which `others` is needed, too; give the processes that share it");
}

}  // namespace sdepth::inline SDEPTH_ISA
