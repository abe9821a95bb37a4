// A batch that several processes share, of which each has a device: its way between device and host, where
// the processes meet.
//
// The fixed parts of a batch are separate launches here, so that the sums of each have the same bits
// whichever device it is on. What is merged, and in which order, is as on the processor: moments and sums of
// norms by the host in the order of parts, weight gradients along the chain of processes.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <new>
#include <vector>

#include <sdepth/kernels/batch_sharing.hpp>
#include <sdepth/kernels/cuda/check.hpp>
#include <sdepth/kernels/cuda/memory.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Memory of the host that the device copies from and to by itself, in pieces that stay where they are until
/// all are taken back.
class PinnedPieces {
 public:
  PinnedPieces() = default;
  PinnedPieces(const PinnedPieces&) = delete;
  PinnedPieces& operator=(const PinnedPieces&) = delete;
  ~PinnedPieces() {
    for (const Block& block : blocks_) cudaFreeHost(block.memory);
  }
  [[nodiscard]] float* take(std::size_t numbers) {
    constexpr std::size_t line = 64 / sizeof(float), least = 1 << 18;
    const std::size_t size = (numbers + line - 1) / line * line;
    for (; block_ < blocks_.size() && used_ + size > blocks_[block_].size; ++block_) used_ = 0;
    if (block_ == blocks_.size()) {
      blocks_.reserve(blocks_.size() + 1);
      Block block{nullptr, std::max(size, least)};
      check(cudaMallocHost(reinterpret_cast<void**>(&block.memory), block.size * sizeof(float)),
            "cudaMallocHost of a shared batch");
      blocks_.push_back(block);
      used_ = 0;
    }
    used_ += size;
    return blocks_[block_].memory + used_ - size;
  }
  void take_all_back() noexcept { block_ = used_ = 0; }

 private:
  struct Block {
    float* memory;
    std::size_t size;
  };
  std::vector<Block> blocks_;
  std::size_t block_ = 0, used_ = 0;  // where the next piece is looked for
};

/// What a Context is besides its stream, the device's default one, where others have shares in its batches.
/// Without others() nothing of it is called.
class SharedBatch : public BatchSharing {
 public:
  explicit SharedBatch(int device) : device_(device) {}
  SharedBatch(const SharedBatch&) = delete;
  SharedBatch& operator=(const SharedBatch&) = delete;
  ~SharedBatch() {
    const OnDevice here(device_, std::nothrow);
    cudaStreamSynchronize(cudaStreamLegacy);
    for (cudaEvent_t event : {rows_arrived_, sums_arrived_})
      if (event) cudaEventDestroy(event);
  }

  /// @see BatchSharing. Sums that a step which failed has begun are forgotten.
  void share_batch(Communicator* others, const BatchShare& share = {}, int images = 0,
                   bool local_norms = false) noexcept {
    BatchSharing::share_batch(others, share, images, local_norms);
    forget_sums();
  }
  [[nodiscard]] BatchParts shared_parts() const noexcept { return parts(0, 0); }
  /// Calls body(images, index) for each of this process's parts: which of the images here, and its number
  /// among the parts here.
  template <class Body>
  void for_each_part(const Body& body) {
    const BatchParts all = shared_parts();
    for (int i = 0; i < all.mine.size(); ++i) {
      const Range images = all.of(all.mine.first + i);
      first_image_ = all.first + images.first;
      body(images, i);
    }
    first_image_ = 0;
  }
  /// Which image of the whole batch the first one of a launch is.
  [[nodiscard]] int first_image() const noexcept { return first_image_; }
  /// Whether this process's norms go by one launch, which can then prepare them.
  [[nodiscard]] bool one_part_alone() const noexcept {
    return local_norms() && shared_parts().mine.size() == 1;
  }

  /// Rows on the device of so many numbers, one of each part here, for the next send_rows.
  [[nodiscard]] float* rows(std::size_t size) { return room(rows_, size * parts_here()); }
  /// Rows of weight gradients, until the next stage's.
  [[nodiscard]] float* gradient_rows(std::size_t size) { return room(gradient_rows_, size * parts_here()); }
  /// Begins to copy the rows to the host.
  void send_rows(std::size_t size) {
    const BatchParts all = shared_parts();
    row_size_ = size;
    to_host_
        // nobody reads what was there: the host has waited for all copies from it, but for those to the
        // device, which come first
        .take_all_back();
    host_rows_ = to_host_.take(static_cast<std::size_t>(all.count) * size);
    copy(host_rows_ + static_cast<std::size_t>(all.mine.first) * size, rows_.data(), size * parts_here(),
         cudaMemcpyDeviceToHost);
    record(rows_arrived_);
  }
  /// Waits for them, and for those of the other processes. [parts][size]
  [[nodiscard]] const float* fetched_rows() {
    wait_for(rows_arrived_);
    fetch_statistics(host_rows_, row_size_);
    return host_rows_;
  }
  /// `count` numbers that go to the device once they have been written: to(number i).
  template <class Number>
  void send(std::size_t count, float* device, const Number& number) {
    float* const from = to_host_.take(count);
    for (std::size_t i = 0; i < count; ++i) from[i] = number(i);
    copy(device, from, count, cudaMemcpyHostToDevice);
  }

  /// Rows of all images, [whole batch][size], on the device until the next call for the same place. @param
  /// rows  those of the images here
  /// @param place  0 or 1
  [[nodiscard]] float* images_of_all(const float* mine, std::size_t size, std::size_t place) {
    const BatchParts all = shared_parts();
    const auto whole = static_cast<std::size_t>(all.images), here = static_cast<std::size_t>(images_here());
    to_host_.take_all_back();
    float* const host = to_host_.take(whole * size);
    copy(host + static_cast<std::size_t>(all.first) * size, mine, here * size, cudaMemcpyDeviceToHost);
    record(rows_arrived_);
    wait_for(rows_arrived_);
    fetch_images(host, size);
    float* const device = room_for_all(size, place);
    copy(device, host, whole * size, cudaMemcpyHostToDevice);
    return device;
  }
  [[nodiscard]] float* room_for_all(std::size_t size, std::size_t place) {
    return room(of_all_[place], static_cast<std::size_t>(shared_parts().images) * size);
  }
  /// Of such rows those of the images here. @param to  on the device
  void copy_own(const float* of_all, std::size_t size, float* to) {
    copy(to, of_all + static_cast<std::size_t>(shared_parts().first) * size,
         static_cast<std::size_t>(images_here()) * size, cudaMemcpyDeviceToDevice);
  }

  /// Begins sum = all processes' rows added up, as Communicator::begin_sum; all pointers are the device's.
  /// What was begun before has arrived on the host by then, or is waited for, and is handed over: the device
  /// works on what has been launched since.
  void begin_sum(const float* rows, int count, std::size_t size, float* sum) {
    if (!sums_.empty()) wait_for(sums_arrived_);
    hand_over();
    const std::size_t numbers = static_cast<std::size_t>(count) * size;
    sums_.push_back({sums_memory_.take(numbers), count, size, sums_memory_.take(size), sum});
    copy(sums_.back().rows, rows, numbers, cudaMemcpyDeviceToHost);
    record(sums_arrived_);
  }
  /// Where each process has norms of its own: a norm's gradient becomes the sum over all of them.
  void add_up_norm_gradient(float* gradient, std::size_t size) {
    if (local_norms()) begin_sum(gradient, parts_here() > 0 ? 1 : 0, size, gradient);
  }
  /// Waits for all sums, and sends them to the device.
  void finish_sums() {
    if (!others()) return;
    if (!sums_.empty()) wait_for(sums_arrived_);
    hand_over();
    others()->finish_sums();
    for (const Sum& one : sums_) copy(one.sum, one.result, one.size, cudaMemcpyHostToDevice);
    forget_sums();
  }

 private:
  struct Sum {
    float* rows;  // on the host
    int count;
    std::size_t size;
    float* result;  // on the host
    float* sum;     // on the device
  };
  [[nodiscard]] std::size_t parts_here() const noexcept {
    return static_cast<std::size_t>(shared_parts().mine.size());
  }
  [[nodiscard]] int images_here() const noexcept {
    const BatchParts all = shared_parts();
    return all.mine.size() > 0 ? all.of(all.mine.last - 1).last : 0;
  }
  [[nodiscard]] float* room(DeviceBuffer<float>& buffer, std::size_t numbers) {
    const OnDevice on(device_);
    // freeing the older one waits for its readers
    if (buffer.size() < numbers) buffer = DeviceBuffer<float>(numbers, "a shared batch");
    return buffer.data();
  }
  void copy(float* to, const float* from, std::size_t numbers, cudaMemcpyKind kind) {
    if (numbers == 0) return;
    const OnDevice on(device_);
    check(cudaMemcpyAsync(to, from, numbers * sizeof(float), kind, cudaStreamLegacy),
          "cudaMemcpyAsync of a shared batch");
  }
  void record(cudaEvent_t& event) {
    const OnDevice on(device_);
    if (!event) check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    check(cudaEventRecord(event, cudaStreamLegacy), "cudaEventRecord");
  }
  void wait_for(cudaEvent_t event) {
    const OnDevice on(device_);
    check(cudaEventSynchronize(event), "cudaEventSynchronize of a shared batch");
  }
  void hand_over() {
    for (; handed_ < sums_.size(); ++handed_) {
      const Sum& one = sums_[handed_];
      others()->begin_sum(one.rows, one.count, one.size, one.result);
    }
  }
  void forget_sums() noexcept {
    sums_.clear();
    handed_ = 0;
    sums_memory_.take_all_back();
  }

  int device_;
  int first_image_ = 0;
  DeviceBuffer<float> rows_, gradient_rows_;
  std::array<DeviceBuffer<float>, 2> of_all_;
  PinnedPieces to_host_, sums_memory_;
  float* host_rows_ = nullptr;
  std::size_t row_size_ = 0;
  cudaEvent_t rows_arrived_ = nullptr, sums_arrived_ = nullptr;
  std::vector<Sum> sums_;  // of this step
  std::size_t handed_ = 0;
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
