// Batches for training and evaluation: read, augmented and normalised by threads of its own while the network
// computes.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <span>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sdepth/core/batch_share.hpp>
#include <sdepth/core/clock.hpp>
#include <sdepth/core/communicator.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/core/signal_mask.hpp>
#include <sdepth/data/augmentations.hpp>
#include <sdepth/data/batch.hpp>
#include <sdepth/data/batch_rows.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/loader_options.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/data/order.hpp>
#include <sdepth/data/picture.hpp>
#include <sdepth/data/transforms.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Makes batches ahead of their use. A batch is a pure function of (source, transforms, options, epoch,
/// step), not of threads, so an epoch can be entered at any step and resumes with what it would have had.
///
///     for (loader.start(epoch, step); const Batch* batch = loader.next();) …
///
/// One thread calls start() and next(). The set or source must outlive the loader, unchanged.
class Loader {
 public:
  /// Batches of pictures in memory, as the paper has them. Throws Error where set, normalization and options
  /// do not fit together.
  Loader(const ImageSet& set, const Normalization& normalization, const LoaderOptions& options)
      : Loader(checked(set, normalization, options), paper(normalization, options.augment), set.shape,
               options) {}

  /// Batches of any source. Throws Error where options make no sense.
  /// @param shape  of the network's input, which pictures must have behind the transforms
  Loader(AnySource source, Transforms transforms, Shape shape, const LoaderOptions& options)
      : source_(std::move(source)), transforms_(std::move(transforms)), shape_(shape), options_(options) {
    check_loader_options(options_);
    if (source_.size() < 0) fail(source_.name(), " has ", source_.size(), " records, expected 0 or more");
    if (shape_.channels < 1 || shape_.height < 1 || shape_.width < 1)
      fail(source_.name(), ": pictures are to become ", extents_text(shape_), ", expected 1 or more of each");
    make_slots();
  }
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader() { stop(); }

  /// Batches of an epoch, the smaller last one counted.
  [[nodiscard]] int steps() const noexcept {
    return source_.size() / options_.batch + (source_.size() % options_.batch != 0);
  }

  /// Begins epoch `epoch` at batch `first_step`; an epoch in progress is given up, and its batches become
  /// invalid. Throws Error for a step that is not in the epoch, or a negative epoch; the epoch in progress
  /// then goes on.
  void start(int epoch, int first_step = 0) {
    if (epoch < 0) fail(source_.name(), ": cannot begin epoch ", epoch, ", epochs are counted from 0");
    if (first_step < 0 || first_step > steps())
      fail(source_.name(), ": cannot begin at step ", first_step, " of an epoch of ", steps(), " steps");
    stop();
    stopping_ = false;
    for (Slot& slot : slots_) slot.error = nullptr;
    epoch_ = epoch;
    made_ = taken_ = next_ = end_ = prepared_ = job_step_ = first_step;
    job_first_ = 0;
    if (options_.shuffle) shuffled_order(order_, source_.size(), options_.seed, epoch);
    try {
      const WithoutSignals none;
      for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { make_batches(); });
    } catch (const std::system_error& error) {
      stop();
      fail(source_.name(), ": the thread that makes batches cannot be started (", error.code().message(),
           "); end other programs or raise the limit of threads");
    }
    end_ = steps();
  }

  /// The next batch, or nullptr after the last; valid until the next call of next() or start(). Rethrows what
  /// went wrong in a thread.
  [[nodiscard]] const Batch* next() {
    std::unique_lock lock(mutex_);
    taken_ = next_;  // the caller is done with the batch before
    room_.notify_all();
    if (next_ == end_) return nullptr;
    if (made_ == next_) {
      const std::int64_t begin = nanoseconds();
      ready_.wait(lock, [this] { return made_ > next_; });
      waited_ += 1e-9 * static_cast<double>(nanoseconds() - begin);
    }
    Slot& slot = slot_of(next_);
    if (slot.error) {
      end_ = next_;
      lock.unlock();
      stop();  // so that the exception is the caller's alone
      std::rethrow_exception(std::exchange(slot.error, nullptr));
    }
    const int step = next_++;
    if (options_.skip_broken && options_.share.ranks > 1) {
      lock.unlock();
      agree_on_broken(slot, step);
    }
    return &slot.batch;
  }

  /// Seconds that next() has waited for batches since this loader was made: what faster reading could save.
  [[nodiscard]] double waited() const noexcept { return waited_; }

  /// The records that could not be read so far, with what was wrong with each. Records are counted once,
  /// however many epochs have passed.
  [[nodiscard]] std::map<int, std::string> broken() const {
    const std::lock_guard lock(mutex_);
    return broken_;
  }

 private:
  /// A batch in the making. Records of one are read by several threads.
  struct Slot {
    Batch batch;
    std::vector<std::uint8_t> broken;  // [size]
    int left = 0;                      // records that are not finished
    bool done = false;
    std::exception_ptr error;
    // the first record of the batch that has one: which error is seen does not depend on threads
    int error_at = 0;
  };
  /// Records that a thread takes at once: enough that the lock is rarely held, few enough that threads share
  /// a batch.
  static constexpr int chunk = 8;

  /// Room for the batches that are made ahead, and for the one in the caller's hands.
  void make_slots() {
    const auto largest = static_cast<std::size_t>(std::min(options_.batch, source_.size())),
               count = static_cast<std::size_t>(std::min(options_.prefetch, steps())) + 1;
    const double bytes = static_cast<double>(count) * static_cast<double>(largest) * sizeof(float) *
                         shape_.channels * shape_.height * shape_.width;
    constexpr double most = 0x1p46;  // more than machines have, and few enough that sizes do not overflow
    try {
      if (bytes > most) throw std::bad_alloc();
      slots_ = std::vector<Slot>(count);
      for (Slot& slot : slots_) {
        slot.batch.images.reserve(largest * shape_.size());
        slot.batch.labels.reserve(largest);
      }
    } catch (const std::bad_alloc&) {
      fail(source_.name(), ": out of memory for ", count, " batches of ", largest, " pictures of ",
           extents_text(shape_), ", ", bytes / 1e9, " GB; choose a smaller batch or prefetch");
    }
  }
  static AnySource checked(const ImageSet& set, const Normalization& normalization,
                           const LoaderOptions& options) {
    check_loader_options(options);
    set.check();
    if (!normalization.fits(set.shape))
      fail(set.name, ": the mean picture has ", normalization.mean().size(), " values, the pictures ",
           set.shape.size());
    return AnySource(ImageRecords{set});
  }
  static Transforms paper(const Normalization& normalization, bool augment) {
    if (augment) return Compose{Normalize{normalization}, PaperAugmentation{}};
    return Compose{Normalize{normalization}};
  }

  [[nodiscard]] Slot& slot_of(int step) noexcept {
    return slots_[static_cast<std::size_t>(step) % slots_.size()];
  }
  [[nodiscard]] detail::BatchRows rows_of(int whole) const noexcept {
    return detail::BatchRows::of(whole, options_.share, transforms_.reach());
  }
  [[nodiscard]] int records_of(int step) const noexcept {
    return std::min(options_.batch, source_.size() - step * options_.batch);
  }
  [[nodiscard]] int size_of(int step) const noexcept { return rows_of(records_of(step)).count; }

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    room_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  /// A thread: takes records in the order of the epoch, waiting while all buffers are full.
  void make_batches() {
    RecordContext context{.seed = options_.seed, .epoch = epoch_, .record = 0, .scratch = {}};
    Picture picture;
    std::unique_lock lock(mutex_);
    for (;;) {
      const auto room = [&] { return job_step_ - taken_ < static_cast<int>(slots_.size()); };
      room_.wait(lock, [&] { return stopping_ || job_step_ == steps() || room(); });
      if (stopping_ || job_step_ == steps()) return;
      const int step = job_step_, first = job_first_, count = std::min(chunk, size_of(step) - first);
      Slot& slot = slot_of(step);
      if (first == 0) prepare(slot, step);
      job_first_ += count;
      if (job_first_ == size_of(step)) job_first_ = 0, ++job_step_;
      const bool good = !slot.error;
      lock.unlock();
      const detail::BatchRows rows = rows_of(records_of(step));
      for (int i = first; good && i < first + count; ++i)
        attempt(slot, i, [&] { read(slot, step, rows.at(i), i, picture, context); });
      lock.lock();
      slot.left -= count;
      if (slot.left > 0) continue;
      lock.unlock();
      if (!slot.error) attempt(slot, 0, [&] { finish(slot, step); });
      lock.lock();
      slot.done = true;
      while (made_ < prepared_ && slot_of(made_).done) ++made_;
      ready_.notify_one();
    }
  }

  /// Does something for record i of a batch, and keeps what it throws.
  template <class Action>
  void attempt(Slot& slot, int i, const Action& action) noexcept {
    try {
      action();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (slot.error && slot.error_at < i) return;
      slot.error = std::current_exception();
      slot.error_at = i;
    }
  }

  void prepare(Slot& slot, int step) noexcept {
    slot.left = size_of(step);
    slot.done = false;
    prepared_ = step + 1;
    try {
      make_room(slot, size_of(step));
    } catch (...) {
      slot.error = std::current_exception();
    }
  }

  void make_room(Slot& slot, int records) {
    const auto size = static_cast<std::size_t>(records);
    slot.batch.size = records;
    slot.batch.images.resize(size * shape_.size());
    slot.batch.labels.resize(size);
    slot.batch.targets.resize(size * static_cast<std::size_t>(source_.targets()));
    slot.broken.assign(size, 0);
  }

  /// Record `from` of a batch becomes picture i of what is read of it.
  void read(Slot& slot, int step, int from, int i, Picture& picture, RecordContext& context) {
    const auto at = static_cast<std::size_t>(i);
    const int place = step * options_.batch + from,
              record = options_.shuffle ? order_[static_cast<std::size_t>(place)] : place;
    context.record = record;
    try {
      source_.read(record, picture);
    } catch (const Error& error) {
      if (!options_.skip_broken) throw;
      slot.broken[at] = 1;
      const std::lock_guard lock(mutex_);
      broken_.emplace(record, error.what());
      return;
    }
    if (picture.targets.size() != static_cast<std::size_t>(source_.targets()))
      fail(source_.name(), ": record ", record, " has ", picture.targets.size(), " targets, expected ",
           source_.targets());
    if (source_.classes() > 0 && source_.targets() == 0 &&
        (picture.label < 0 || picture.label >= source_.classes()))
      fail(source_.name(), ": record ", record, " has the label ", picture.label, ", expected 0 to ",
           source_.classes() - 1);
    transforms_.apply(picture, context);
    const std::vector<float>& numbers = picture.as_numbers();
    if (picture.shape != shape_ || numbers.size() != shape_.size())
      fail(source_.name(), ": record ", record, " becomes a picture of ", extents_text(picture.shape),
           " with ", numbers.size(), " numbers, the network reads ", extents_text(shape_),
           "; begin the transforms with FitInput or RandomResizedCrop");
    slot.batch.labels[at] = picture.label;
    std::copy(numbers.begin(), numbers.end(),
              slot.batch.images.begin() + static_cast<std::ptrdiff_t>(at * shape_.size()));
    std::copy(picture.targets.begin(), picture.targets.end(),
              slot.batch.targets.begin() + i * source_.targets());
  }

  /// Leaves out what is broken, and mixes. Where processes share the batch, they have to agree on what is
  /// left out first.
  void finish(Slot& slot, int step) {
    Batch& batch = slot.batch;
    const auto good = static_cast<int>(std::count(slot.broken.begin(), slot.broken.end(), 0));
    if (good < batch.size) {
      if (options_.share.ranks > 1) return;
      if (good == 0) fail_for_all_broken(batch.size, step);
      batch.leave_out(slot.broken);
    }
    mix(batch, step, options_.share.ranks > 1 ? rows_of(records_of(step)).own : Range{0, batch.size});
  }
  [[noreturn]] void fail_for_all_broken(int records, int step) const {
    fail(source_.name(), ": all ", records, " records of batch ", step,
         " are broken; look at the first few by hand");
  }
  /// Mixes, and keeps the share.
  void mix(Batch& batch, int step, const Range& own) {
    transforms_.mix(batch, shape_, source_.classes(), options_.seed, epoch_, step);
    batch.keep(own);
  }

  /// Where any process has found a record of this batch broken, all make it anew of what is left, so that
  /// each has its share of that.
  void agree_on_broken(Slot& slot, int step) {
    const int whole = records_of(step);
    const detail::BatchRows rows = rows_of(whole);
    const std::vector<std::uint8_t> broken =
        detail::told_to_all(std::span(slot.broken).subspan(static_cast<std::size_t>(rows.own.first)), whole,
                            options_.share, *options_.others);
    std::vector<int> good;
    for (int i = 0; i < whole; ++i)
      if (!broken[static_cast<std::size_t>(i)]) good.push_back(i);
    if (good.size() == broken.size()) return;
    if (good.empty()) fail_for_all_broken(whole, step);

    RecordContext context{.seed = options_.seed, .epoch = epoch_, .record = 0, .scratch = {}};
    Picture picture;
    make_room(slot, 1);
    for (int i = 0; i < whole; ++i)
      // to be counted here, too
      if (broken[static_cast<std::size_t>(i)]) read(slot, step, i, 0, picture, context);
    const detail::BatchRows left = rows_of(static_cast<int>(good.size()));
    make_room(slot, left.count);
    for (int i = 0; i < left.count; ++i)
      read(slot, step, good[static_cast<std::size_t>(left.at(i))], i, picture, context);
    if (std::count(slot.broken.begin(), slot.broken.end(), 1) > 0)
      fail(source_.name(), ": a record of batch ", step,
           " can be read by another process and not by this one; put the same files on all machines");
    mix(slot.batch, step, left.own);
  }

  AnySource source_;
  Transforms transforms_;
  Shape shape_;
  LoaderOptions options_;
  // batch of step s in slot s mod size: made_ of them are ready, those before taken_ may be overwritten
  std::vector<Slot> slots_;
  std::vector<int> order_;  // of the epoch
  std::vector<std::thread> threads_;
  double waited_ = 0;
  int epoch_ = 0;
  mutable std::mutex mutex_;  // guards what follows, and of the slots what says how far they are
  std::condition_variable ready_;
  std::condition_variable room_;
  std::map<int, std::string> broken_;
  bool stopping_ = false;
  int job_step_ = 0;   // where the next records are taken from: a batch,
  int job_first_ = 0;  // and a record of it
  int prepared_ = 0;   // batches that have been begun
  int made_ = 0;
  int taken_ = 0;
  int next_ = 0;
  int end_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA
