// Batches for training and evaluation: shuffled, normalised and augmented by a thread of its own while the network computes.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/augment.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/data/order.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Pictures ready for the network.
struct Batch {
  std::vector<float> images;  ///< [size, H, W, C]
  std::vector<int> labels;    ///< [size]
  int size = 0;               ///< the last batch of an epoch may be smaller than the others
};

/// How an epoch is made into batches.
struct LoaderOptions {
  int batch = 128;
  bool shuffle = true;  ///< else the records come in the set's order
  bool augment = true;  ///< shift and flip as in the paper
  std::uint64_t seed = 0;
  int prefetch =
      3;  ///< batches made ahead, never more than an epoch has; each takes batch · H · W · C · 4 bytes (1.6 MB for 128 of CIFAR's)
};

/// Makes batches ahead of their use. A batch is a pure function of (set, normalization, options, epoch, step), so an epoch can
/// be entered at any step and resumes with what it would have had.
///
///     for (loader.start(epoch, step); const Batch* batch = loader.next();) …
///
/// One thread calls start() and next(). The set must outlive the loader, unchanged.
class Loader {
 public:
  /// Throws Error where set, normalization and options do not fit together.
  Loader(const ImageSet& set, Normalization normalization, LoaderOptions options)
      : set_(set), normalization_(std::move(normalization)), options_(options) {
    if (options_.batch < 1 || options_.prefetch < 1)
      fail("loader: batch ", options_.batch, " and prefetch ", options_.prefetch, " were given, expected 1 or more of each");
    set_.check();
    if (!normalization_.mean().empty() && normalization_.mean().size() != set_.shape.size())
      fail(set_.name, ": the mean picture has ", normalization_.mean().size(), " values, the pictures ", set_.shape.size());
    const auto largest = static_cast<std::size_t>(std::min(options_.batch, set_.size()));
    batches_.resize(static_cast<std::size_t>(std::min(options_.prefetch, steps())) + 1);  // one is in the caller's hands
    for (Batch& batch : batches_) {
      batch.images.reserve(largest * set_.shape.size());
      batch.labels.reserve(largest);
    }
    picture_.resize(set_.shape.size());
  }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader() { stop(); }

  /// Batches of an epoch, the smaller last one counted.
  [[nodiscard]] int steps() const noexcept { return set_.size() / options_.batch + (set_.size() % options_.batch != 0); }

  /// Begins epoch `epoch` at batch `first_step`; an epoch in progress is given up, and its batches become invalid.
  /// Throws Error for a step that is not in the epoch, or a negative epoch; the epoch in progress then goes on.
  void start(int epoch, int first_step = 0) {
    if (epoch < 0) fail(set_.name, ": cannot begin epoch ", epoch, ", epochs are counted from 0");
    if (first_step < 0 || first_step > steps())
      fail(set_.name, ": cannot begin at step ", first_step, " of an epoch of ", steps(), " steps");
    stop();
    stopping_ = false;
    error_ = nullptr;
    made_ = taken_ = next_ = end_ = first_step;
    try {
      thread_ = std::thread([this, epoch, first_step] { make_batches(epoch, first_step); });
    } catch (const std::system_error& error) {
      fail(set_.name, ": the thread that makes batches cannot be started (", error.code().message(),
           "); end other programs or raise the limit of threads");
    }
    end_ = steps();
  }

  /// The next batch, or nullptr after the last; valid until the next call of next() or start(). Rethrows what went wrong in the thread.
  [[nodiscard]] const Batch* next() {
    std::unique_lock lock(mutex_);
    taken_ = next_;  // the caller is done with the batch before
    room_.notify_one();
    if (next_ == end_) return nullptr;
    ready_.wait(lock, [this] { return made_ > next_ || error_; });
    if (made_ == next_) {
      end_ = next_;
      lock.unlock();
      thread_.join();  // so that the exception is the caller's alone
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
    return &batches_[slot(next_++)];
  }

 private:
  [[nodiscard]] std::size_t slot(int step) const noexcept { return static_cast<std::size_t>(step) % batches_.size(); }

  void stop() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_one();
    thread_.join();
  }

  /// The thread: makes batches first_step … steps() − 1, waiting while all buffers are full.
  void make_batches(int epoch, int first_step) noexcept {
    try {
      if (options_.shuffle) shuffled_order(order_, set_.size(), options_.seed, epoch);
      for (int step = first_step; step < steps(); ++step) {
        {
          std::unique_lock lock(mutex_);
          room_.wait(lock, [&] { return stopping_ || step - taken_ < static_cast<int>(batches_.size()); });
          if (stopping_) return;
        }
        fill(batches_[slot(step)], epoch, step);
        {
          const std::lock_guard lock(mutex_);
          made_ = step + 1;
        }
        ready_.notify_one();
      }
    } catch (...) {
      {
        const std::lock_guard lock(mutex_);
        error_ = std::current_exception();
      }
      ready_.notify_one();
    }
  }

  void fill(Batch& batch, int epoch, int step) {
    const int first = step * options_.batch;
    batch.size = std::min(options_.batch, set_.size() - first);
    batch.images.resize(static_cast<std::size_t>(batch.size) * set_.shape.size());
    batch.labels.resize(static_cast<std::size_t>(batch.size));
    for (int i = 0; i < batch.size; ++i) {
      const int record = options_.shuffle ? order_[static_cast<std::size_t>(first + i)] : first + i;
      const int label = set_.labels[static_cast<std::size_t>(record)];
      if (label >= set_.classes) fail(set_.name, ": record ", record, " has the label ", label, ", expected 0 to ", set_.classes - 1);
      batch.labels[static_cast<std::size_t>(i)] = label;
      float* to = batch.images.data() + static_cast<std::size_t>(i) * set_.shape.size();
      normalization_.apply(set_.image(record), options_.augment ? picture_.data() : to);
      if (options_.augment) augment(picture_.data(), set_.shape, draw_augmentation(options_.seed, epoch, record), to);
    }
  }

  const ImageSet& set_;
  Normalization normalization_;
  LoaderOptions options_;
  std::vector<Batch> batches_;  // batch of step s in slot s mod size: made_ of them are ready, those before taken_ may be overwritten
  std::vector<int> order_;      // the thread's
  std::vector<float> picture_;  // the thread's: a normalised picture before it is shifted
  std::thread thread_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable ready_;
  std::condition_variable room_;
  std::exception_ptr error_;
  bool stopping_ = false;
  int made_ = 0;
  int taken_ = 0;
  int next_ = 0;
  int end_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA
