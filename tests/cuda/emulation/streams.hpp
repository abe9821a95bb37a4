// Streams and events. A stream does everything at once, or, where settings().deferred is set, nothing until
// someone waits for it.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "settings.hpp"

inline constexpr unsigned cudaStreamDefault = 0;
inline constexpr unsigned cudaStreamNonBlocking = 1;
inline constexpr unsigned cudaEventDefault = 0;
inline constexpr unsigned cudaEventBlockingSync = 1;
inline constexpr unsigned cudaEventDisableTiming = 2;

namespace emulation {

/// What the device has done, in order, while settings().log is set: "kernel NAME", "copy of 16 bytes", "set
/// 16 bytes", "event".
inline std::vector<std::string>& log() {
  static std::vector<std::string> lines;
  return lines;
}
inline void note(std::string what) {
  if (settings().log) log().push_back(std::move(what));
}

/// How often something was asked for since the program began: a test takes the difference.
struct Counts {
  std::size_t launches = 0;     // of single kernels
  std::size_t graphs = 0;       // launched
  std::size_t copies = 0;       // and memory set
  std::size_t waits = 0;        // of the host for the device
  std::size_t allocations = 0;  // of memory of any kind, freed memory as well
  std::size_t cooperative_launches = 0;
  std::size_t dependent_launches = 0;  // edges of graphs over which a kernel may begin early
};
inline Counts& counts() {
  static Counts all;
  return all;
}

/// What is to be done one after the other.
class Line {
 public:
  explicit Line(bool with_default_stream, int device = current_device)
      : blocking_(with_default_stream), device_(device) {
    all().push_back(this);
  }
  ~Line() { std::erase(all(), this); }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  [[nodiscard]] static std::vector<Line*>& all() {
    static std::vector<Line*> lines;
    return lines;
  }

  cudaError_t add(std::function<cudaError_t()> work) {
    waiting_.push_back(std::move(work));
    ++added_;
    return settings().deferred ? cudaSuccess : finish();
  }
  [[nodiscard]] std::size_t added() const noexcept { return added_; }
  [[nodiscard]] bool done(std::size_t count) const noexcept { return added_ - waiting_.size() >= count; }
  void step() {
    if (waiting_.empty()) return;
    const auto work = std::move(waiting_.front());
    waiting_.pop_front();
    const cudaError_t error = work();
    if (error_ == cudaSuccess) error_ = error;
  }
  /// Does the first count of all that was ever added. The first error since the last call.
  cudaError_t finish(std::size_t count) {
    while (!done(count)) step();
    return std::exchange(error_, cudaSuccess);
  }
  cudaError_t finish() { return finish(added_); }
  [[nodiscard]] bool blocking() const noexcept { return blocking_; }
  [[nodiscard]] int device() const noexcept { return device_; }

 private:
  std::deque<std::function<cudaError_t()>> waiting_;
  std::size_t added_ = 0;
  cudaError_t error_ = cudaSuccess;
  bool blocking_;
  int device_;
};

/// Those of the current device.
inline cudaError_t finish_lines(bool only_blocking) {
  ++counts().waits;
  cudaError_t first = cudaSuccess;
  for (std::size_t i = 0; i < Line::all().size(); ++i)
    if (Line::all()[i]->device() == current_device && (!only_blocking || Line::all()[i]->blocking()))
      if (const cudaError_t error = Line::all()[i]->finish(); first == cudaSuccess) first = error;
  return returned(first);
}

}  // namespace emulation

struct CUstream_st {
  std::shared_ptr<emulation::Line> line;
};
using cudaStream_t = CUstream_st*;
/// The default stream that all threads share, whatever null means.
inline const cudaStream_t cudaStreamLegacy = reinterpret_cast<cudaStream_t>(1);

struct CUevent_st {
  std::shared_ptr<emulation::Line> line;  // null until recorded
  std::size_t number = 0;                 // of what was added to the line
  bool timed = true;
  int device = 0;
  std::chrono::steady_clock::time_point time;
};
using cudaEvent_t = CUevent_st*;

namespace emulation {

/// Every device has a default stream of its own: that of the thread's device is meant. Null may also mean one
/// that every thread has for itself: see Settings.
[[nodiscard]] inline const std::shared_ptr<Line>& line_of(cudaStream_t stream) {
  static_cast<void>(Line::all());  // must outlive the default streams
  static std::map<std::pair<int, std::thread::id>, std::shared_ptr<Line>> default_streams;
  if (stream && stream != cudaStreamLegacy) return stream->line;
  const bool of_thread = !stream && settings().default_stream_of_thread;
  std::shared_ptr<Line>& own =
      default_streams[{current_device, of_thread ? std::this_thread::get_id() : std::thread::id()}];
  if (!own) own = std::make_shared<Line>(true);
  return own;
}
/// Whether the thread's device is the stream's: only then the runtime launches there.
[[nodiscard]] inline bool is_current(cudaStream_t stream) {
  return line_of(stream)->device() == current_device;
}

}  // namespace emulation

inline cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  if (!stream || flags > cudaStreamNonBlocking) return emulation::returned(cudaErrorInvalidValue);
  if (emulation::settings().devices == 0) return emulation::returned(cudaErrorNoDevice);
  *stream = new CUstream_st{std::make_shared<emulation::Line>(flags == cudaStreamDefault)};
  return cudaSuccess;
}
inline cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  ++emulation::counts().waits;
  return emulation::returned(emulation::line_of(stream)->finish());
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (!stream) return emulation::returned(cudaErrorInvalidResourceHandle);
  const cudaError_t error = stream->line->finish();
  delete stream;
  return emulation::returned(error);
}
/// Each question lets the stream do one thing more.
inline cudaError_t cudaStreamQuery(cudaStream_t stream) {
  emulation::Line& line = *emulation::line_of(stream);
  if (line.done(line.added())) return emulation::returned(line.finish());
  line.step();
  return cudaErrorNotReady;
}
inline cudaError_t cudaDeviceSynchronize() { return emulation::finish_lines(false); }

inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  if (!event || flags > (cudaEventBlockingSync | cudaEventDisableTiming))
    return emulation::returned(cudaErrorInvalidValue);
  if (emulation::settings().devices == 0) return emulation::returned(cudaErrorNoDevice);
  *event = new CUevent_st{nullptr, 0, (flags & cudaEventDisableTiming) == 0, emulation::current_device, {}};
  return cudaSuccess;
}
inline cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  if (!event) return emulation::returned(cudaErrorInvalidResourceHandle);
  if (event->line) event->line->finish(event->number);
  delete event;
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream = nullptr) {
  if (!event) return emulation::returned(cudaErrorInvalidResourceHandle);
  if (emulation::line_of(stream)->device() != event->device)
    return emulation::returned(cudaErrorInvalidResourceHandle);
  event->line = emulation::line_of(stream);
  event->number = event->line->added() + 1;
  return emulation::returned(event->line->add([event] {
    emulation::note("event");
    event->time = std::chrono::steady_clock::now();
    return cudaSuccess;
  }));
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (!event) return emulation::returned(cudaErrorInvalidResourceHandle);
  ++emulation::counts().waits;
  return event->line ? emulation::returned(event->line->finish(event->number)) : cudaSuccess;
}
/// Each question lets the event's stream do one thing more.
inline cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (!event) return emulation::returned(cudaErrorInvalidResourceHandle);
  if (!event->line || event->line->done(event->number)) return cudaSuccess;
  event->line->step();
  return cudaErrorNotReady;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned = 0) {
  if (!event) return emulation::returned(cudaErrorInvalidResourceHandle);
  if (!event->line) return cudaSuccess;
  return emulation::returned(emulation::line_of(stream)->add(
      [line = event->line, number = event->number] { return line->finish(number); }));
}
inline cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  if (!milliseconds || !from || !to || !from->line || !to->line || !from->timed || !to->timed)
    return emulation::returned(cudaErrorInvalidResourceHandle);
  if (!from->line->done(from->number) || !to->line->done(to->number)) return cudaErrorNotReady;
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return cudaSuccess;
}
