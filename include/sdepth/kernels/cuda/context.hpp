// The device side of a walk: its stream, scratch memory for kernels, the way of batches in and of losses out,
// and how kernels are launched.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/kernels/cuda/check.hpp>
#include <sdepth/kernels/cuda/memory.hpp>
#include <sdepth/kernels/cuda/replay.hpp>
#include <sdepth/kernels/cuda/rounding.hpp>
#include <sdepth/kernels/cuda/runs.hpp>
#include <sdepth/kernels/cuda/shared_batch.hpp>
#include <sdepth/kernels/cuda/shared_memory.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/kernels/rounding.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// What the loss kernel finds out.
struct DeviceLoss {
  double loss = 0;  // mean over the batch
  int errors = 0;
};

/// Memory on the device for what one kernel at a time needs beside its operands.
class Workspace {
 public:
  explicit Workspace(int device) : device_(device) {}

  /// At least so many numbers, which the next kernel gets as well.
  [[nodiscard]] float* scratch(std::size_t numbers) {
    if (numbers > scratch_.size()) {
      const OnDevice on(device_);
      // launches that are recorded but not launched may still use it
      outgrown_.push_back(std::move(scratch_));
      scratch_ = DeviceBuffer<float>(numbers, "scratch memory");
    }
    return scratch_.data();
  }
  /// So many zeros, by which the blocks of a kernel find out which of them is the last; that one sets its
  /// counter to zero again.
  [[nodiscard]] unsigned* counter(std::size_t count = 1) {
    constexpr std::size_t enough_for_most = 4096;
    if (count > counters_.size()) {
      const OnDevice on(device_);
      outgrown_counters_.push_back(std::move(counters_));
      counters_ = DeviceBuffer<unsigned>(std::max(count, enough_for_most), "counters");
    }
    return counters_.data();
  }
  /// Once nothing is recorded any more that has not been launched.
  void forget_outgrown() {
    outgrown_.clear();
    outgrown_counters_.clear();
  }

 private:
  int device_;
  DeviceBuffer<unsigned> counters_;
  std::vector<DeviceBuffer<unsigned>> outgrown_counters_;
  DeviceBuffer<float> scratch_;
  std::vector<DeviceBuffer<float>> outgrown_;
};

/// One stream of kernels and the memory they share. Not for use from several threads at once, but from any:
/// it stays on the device where it was made.
///
/// The stream is the default one that all threads of the device share, whatever a user's compiler makes of a
/// stream that is null: whatever copies by itself (Mirror) then waits for kernels, and kernels for it,
/// without another word.
class Context : public SharedBatch {
 public:
  /// @param threads  of the host backends; a device decides for itself
  explicit Context(int threads = 1) : Context(threads, current_device()) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() {
    const OnDevice here(device_, std::nothrow);
    cudaStreamSynchronize(stream());
    for (cudaEvent_t event : arrived_)
      if (event) cudaEventDestroy(event);
    cudaFreeHost(losses_);
  }

  [[nodiscard]] int threads() const noexcept { return threads_; }
  /// On the current device, so for use under here().
  [[nodiscard]] cudaStream_t stream() const noexcept { return cudaStreamLegacy; }
  /// Makes its device the calling thread's while the result lives.
  [[nodiscard]] OnDevice here() const { return OnDevice(device_); }
  [[nodiscard]] int device() const noexcept { return device_; }

  /// For the kernels of Lane::main and Lane::beside.
  [[nodiscard]] float* scratch(std::size_t numbers) { return main_.scratch(numbers); }
  [[nodiscard]] unsigned* counter(std::size_t count = 1) { return main_.counter(count); }
  /// For those of Lane::aside, which run at the same time as others.
  [[nodiscard]] Workspace& aside() noexcept { return aside_; }
  /// Not zero on the device once a loss was not finite: kernels that change parameters then leave them alone,
  /// until reset_failed().
  [[nodiscard]] unsigned* failed() noexcept { return failed_.data(); }
  void reset_failed() {
    const OnDevice on = here();
    check(cudaMemsetAsync(failed(), 0, sizeof(unsigned), stream()), "cudaMemsetAsync");
  }

  /// Launches kernel(operands) behind what the stream does already; within as_graph, with the others there.
  /// @param run  how it becomes one with launches of its kind; null: not
  template <class Operands>
  void launch(const StageName& stage, void (*kernel)(Operands), const Grid& grid, const Operands& operands,
              Lane lane = Lane::main, const Run* run = nullptr) {
    if (grid.x == 0 && others()) return;  // a process may have no image of a small batch
    const OnDevice on = here();
    allow_shared_memory(device_, kernel, grid.shared_bytes, stage);
    Launch one(stage, kernel, grid, operands, lane, run);
    if (recording_) {
      row_.push_back(std::move(one));
    } else {
      waiting_.run(stream());
      one.run(stream());
    }
  }

  /// Runs body and launches what it launches as one graph, which is made once for each key. The body may not
  /// wait for the device; of a shared batch it does, and its launches are single ones.
  template <class Body>
  void as_graph(std::size_t key, const Body& body) {
    if (!replays_on_ || others()) {
      body();
      return;
    }
    if (key >= replays_.size()) replays_.resize(key + 1);
    row_.clear();
    recording_ = true;
    try {
      body();
    } catch (...) {
      recording_ = false;
      throw;
    }
    recording_ = false;
    const OnDevice on = here();
    if (persistent_blocks_ && waiting_.take(row_, device_)) return;
    waiting_.run(stream());
    if (persistent_blocks_ && waiting_.take(row_, device_)) return;  // the first of another run
    replays_[key].run(std::move(row_), stream(), dependent_launches_);
    main_.forget_outgrown();
    aside_.forget_outgrown();
  }
  /// Off: every kernel is launched by itself, as kernels outside of blocks are.
  void use_graphs(bool on) noexcept { replays_on_ = on; }
  /// On: within a graph a kernel begins while the one before it still runs, and waits for it itself; from
  /// compute capability 9.0 on. Off until a device has shown what it is good for.
  void use_dependent_launches(bool on) noexcept { dependent_launches_ = on; }
  /// On: consecutive blocks of one shape with small pictures are one launch forward, of a kernel that stays
  /// on the device, where all its blocks fit there at the same time; the same bits. They are launched when
  /// another stage is, or by synchronize(). Off until a device has shown what it is good for.
  void use_persistent_blocks(bool on) noexcept { persistent_blocks_ = on; }
  [[nodiscard]] const std::vector<Replay>& replays() const noexcept { return replays_; }

  [[nodiscard]] Upload& images() noexcept { return images_; }
  [[nodiscard]] Upload& labels() noexcept { return labels_; }
  [[nodiscard]] Upload& gates() noexcept { return gates_; }
  [[nodiscard]] Download& outputs() noexcept { return outputs_; }

  /// How kernels round what they store in bfloat16.
  [[nodiscard]] RoundingOfStep& rounding() noexcept { return rounding_; }
  /// The same for a kernel that is launched next, which asks once.
  template <class Stored>
  [[nodiscard]] TensorRounding<Stored> next_rounding() {
    const RoundingNoise noise = rounding_.next();
    if constexpr (std::is_same_v<Stored, bfloat16>)
      if (noise) return {step_on_device(noise.step), noise.seed, noise.tensor};
    return {};
  }

  /// Losses on their way to the host at the same time, at most.
  static constexpr std::size_t most_losses = 64;
  /// Where the next loss goes on the device.
  [[nodiscard]] DeviceLoss* next_loss() {
    if (!losses_) {
      const OnDevice on = here();
      check(cudaMallocHost(reinterpret_cast<void**>(&losses_), most_losses * sizeof(DeviceLoss)),
            "cudaMallocHost of losses");
      device_losses_ = DeviceBuffer<DeviceLoss>(most_losses, "losses");
    }
    return device_losses_.data() + losses_sent_ % most_losses;
  }
  /// Has it copied to the host. Returns its number.
  [[nodiscard]] std::size_t send_loss() {
    const OnDevice on = here();
    const std::size_t slot = losses_sent_ % most_losses;
    cudaEvent_t& arrived = arrived_[slot];
    if (!arrived)
      check(cudaEventCreateWithFlags(&arrived, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    check(cudaMemcpyAsync(losses_ + slot, device_losses_.data() + slot, sizeof(DeviceLoss),
                          cudaMemcpyDeviceToHost, stream()),
          "cudaMemcpyAsync of a loss");
    check(cudaEventRecord(arrived, stream()), "cudaEventRecord");
    return losses_sent_++;
  }
  /// Waits for the loss of that number. Throws Error where it was not asked for in time.
  [[nodiscard]] LossResult wait_for_loss(std::size_t number) {
    if (number + most_losses < losses_sent_)
      fail("step: the loss of an older step was asked for when ", losses_sent_ - number - 1,
           " more had been started; ask within ", most_losses);
    const OnDevice on = here();
    const std::size_t slot = number % most_losses;
    check(cudaEventSynchronize(arrived_[slot]), "cudaEventSynchronize of a loss");
    return {losses_[slot].loss, losses_[slot].errors};
  }

  /// Waits for all that was launched.
  void synchronize() {
    const OnDevice on = here();
    waiting_.run(stream());
    check(cudaStreamSynchronize(stream()), "cudaStreamSynchronize");
  }

 private:
  Context(int threads, int device)
      : SharedBatch(device), threads_(threads), device_(device), failed_(1, "a flag") {}

  /// Where what is launched from now on finds the number of the step. It is written once in each, behind all
  /// launches of the step before and before any of this one, those that are being recorded, too.
  [[nodiscard]] const std::uint32_t* step_on_device(std::uint32_t step) {
    if (step_.size() == 0 || step_there_ != step) {
      const OnDevice on = here();
      if (step_.size() == 0) step_ = DeviceBuffer<std::uint32_t>(1, "the number of a step");
      waiting_.run(stream());
      Launch(StageName{"step_number"}, step_number_kernel<warp_size>, Grid{.threads = warp_size},
             StepNumberOperands{step, step_.data()})
          .run(stream());
      step_there_ = step;
    }
    return step_.data();
  }

  int threads_;
  int device_;
  DeviceBuffer<unsigned> failed_;
  Workspace main_{device_}, aside_{device_};
  bool recording_ = false;
  bool replays_on_ = true;
  bool dependent_launches_ = false;
  bool persistent_blocks_ = false;
  Waiting waiting_;
  std::vector<Launch> row_;
  std::vector<Replay> replays_;
  RoundingOfStep rounding_;
  DeviceBuffer<std::uint32_t> step_;  // empty: none has been rounded stochastically
  std::uint32_t step_there_ = 0;      // what it is once all that was launched has ended
  Upload images_{device_}, labels_{device_}, gates_{device_};
  Download outputs_{device_};
  DeviceBuffer<DeviceLoss> device_losses_;
  DeviceLoss* losses_ = nullptr;  // pinned
  std::array<cudaEvent_t, most_losses> arrived_{};
  std::size_t losses_sent_ = 0;
};

/// A loss that the device still computes.
class PendingLoss {
 public:
  /// @param of_step  of training: where it is not finite, Context::failed() has been raised
  PendingLoss(Context& context, bool of_step)
      : context_(&context), number_(context.send_loss()), of_step_(of_step) {}
  /// Waits for it. Where a step's is not finite, parameters have not changed since, and may from now on.
  [[nodiscard]] LossResult get() const {
    const LossResult result = context_->wait_for_loss(number_);
    if (of_step_ && !(result.loss - result.loss == 0)) context_->reset_failed();
    return result;
  }

 private:
  Context* context_;
  std::size_t number_;
  bool of_step_;
};

/// Numbers that the device still computes.
class PendingNumbers {
 public:
  PendingNumbers(Context& context, const float* numbers, std::size_t count)
      : context_(&context), count_(count) {
    const OnDevice here = context.here();
    number_ = context.outputs().send(numbers, count, context.stream());
  }
  /// Waits for them; see Download for how long they are there.
  [[nodiscard]] std::span<const float> get() const { return {context_->outputs().wait_for(number_), count_}; }

 private:
  Context* context_;
  std::size_t count_;
  std::size_t number_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
