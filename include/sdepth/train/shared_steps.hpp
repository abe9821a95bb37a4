// Training steps that several processes make together: who has which images of a batch, and when kernels are
// told so.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include <sdepth/core/batch_share.hpp>
#include <sdepth/core/communicator.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/kernels/batch_sharing.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// Into how many parts a backend cuts a batch, so that processes can share it; 1 where its kernels take whole
/// batches.
template <class Backend>
inline constexpr int batch_parts = 1;
template <SharesBatches Backend>
inline constexpr int batch_parts<Backend> = Backend::parts;

/// The share of this process in the batches of a backend. Throws Error where there are processes without a
/// part.
template <class Backend>
[[nodiscard]] BatchShare batch_share(const Communicator& others) {
  if constexpr (SharesBatches<Backend>) {
    const int ranks = others.ranks();
    if (Backend::parts % ranks != 0)
      fail("a batch is cut into ", Backend::parts, " parts, which ", ranks,
           " processes cannot share evenly; start a number of them that divides it, such as ",
           Backend::parts);
    return {others.rank(), ranks, Backend::parts};
  } else {
    fail(
        "several processes cannot train a network together on this backend, whose kernels take whole batches; start one process");
  }
}

/// A trainer's steps, where others may have shares in them.
template <class Net, class Backend>
class SharedSteps {
 public:
  using Context = typename Backend::Context;

  /// One process has all.
  SharedSteps() = default;
  /// @param local_norms  each process normalises by the statistics of its own share, without asking the
  ///                     others
  SharedSteps(Communicator& others, bool local_norms)
      : others_(&others), share_(batch_share<Backend>(others)), local_norms_(local_norms) {}

  [[nodiscard]] static SharedSteps with(Communicator* others, bool local_norms) {
    return others ? SharedSteps(*others, local_norms) : SharedSteps();
  }

  [[nodiscard]] Communicator* others() const noexcept { return others_; }
  [[nodiscard]] bool local_norms() const noexcept { return local_norms_; }
  [[nodiscard]] const BatchShare& share() const noexcept { return share_; }
  /// The most images that are here of a batch of so many.
  [[nodiscard]] int most_here(int batch) const noexcept {
    return others_ ? std::max(1, share_.most_images(batch)) : batch;
  }

  /// How many images the whole batch has of which `count_here` says how many are here. Throws Error, on every
  /// process and with the same sentence, where it does on one, or where one has more or fewer images than its
  /// share: none waits for one that has failed.
  template <class Count>
  [[nodiscard]] int whole_batch(const char* where, const Count& count_here) const {
    if (!others_) return count_here();
    // of what is refused the length of the sentence, below zero
    std::vector<int> counts(static_cast<std::size_t>(share_.ranks));
    int& here = counts[static_cast<std::size_t>(share_.rank)];
    std::string refused;
    try {
      here = count_here();
    } catch (const Error& error) {
      refused = error.std::runtime_error::what();  // no call through a table in a step
      here = -static_cast<int>(refused.size());
    }
    others_->gather(counts.data(), std::vector<std::size_t>(counts.size(), sizeof(int)));
    int whole = 0;
    for (int rank = 0; rank < share_.ranks; ++rank) {
      const int count = counts[static_cast<std::size_t>(rank)];
      if (count < 0) fail_as(rank, -count, refused);
      whole += count;
    }
    for (int rank = 0; rank < share_.ranks; ++rank)
      if (const int expected = share_.images_of_rank(whole, rank).size();
          counts[static_cast<std::size_t>(rank)] != expected)
        fail(where, ": rank ", rank, " has ", counts[static_cast<std::size_t>(rank)], " of the ", whole,
             " images of this batch, expected ", expected,
             "; give each process its share(), and all the same data");
    return whole;
  }

  /// While it lives, kernels take batches for this process's share of one of so many images.
  class Sharing {
   public:
    Sharing(const Sharing&) = delete;
    Sharing& operator=(const Sharing&) = delete;
    Sharing(Context& context, const SharedSteps& steps, int whole) : context_(context) {
      if constexpr (SharesBatches<Backend>)
        if (steps.others_) context_.share_batch(steps.others_, steps.share_, whole, steps.local_norms_);
    }
    ~Sharing() {
      if constexpr (SharesBatches<Backend>) context_.share_batch(nullptr);
    }

   private:
    Context& context_;
  };
  [[nodiscard]] Sharing sharing(Context& context, int whole) const { return Sharing(context, *this, whole); }

  /// Running statistics become those of rank 0, where each process has its own.
  template <class Storage>
  void agree_on_statistics(Storage& running) const {
    if constexpr (SharesBatches<Backend>) {
      if (!others_ || !local_norms_) return;
      std::vector<std::size_t> sizes(static_cast<std::size_t>(share_.ranks), 0);
      sizes[0] = running.size() * sizeof(*running.data());
      others_->gather(running.data(), sizes);
    }
  }

 private:
  /// Throws, on every process, what this rank says. @param text  its sentence there, of so many bytes
  [[noreturn]] void fail_as(int rank, int length, std::string text) const {
    std::vector<std::size_t> sizes(static_cast<std::size_t>(share_.ranks), 0);
    sizes[static_cast<std::size_t>(rank)] = static_cast<std::size_t>(length);
    if (rank != share_.rank) text.assign(sizes[static_cast<std::size_t>(rank)], ' ');
    others_->gather(text.data(), sizes);
    fail("rank ", rank, ": ", text);
  }

  Communicator* others_ = nullptr;
  BatchShare share_;
  bool local_norms_ = false;
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
