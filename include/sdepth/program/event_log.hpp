// Numbers of a run as TensorBoard reads them: a file of records, each an Event with a scalar, which grows
// while the run goes on.
#pragma once

#include <fcntl.h>

#include <array>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <sdepth/core/error.hpp>
#include <sdepth/io/file.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// CRC-32C. Source: RFC 3720, section 12.1 and appendix B.4; the polynomial 0x1EDC6F41, reflected.
[[nodiscard]] inline std::uint32_t crc32c(std::string_view bytes) noexcept {
  static constexpr std::array<std::uint32_t, 256> table = [] {
    std::array<std::uint32_t, 256> all{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      all[i] = i;
      for (int bit = 0; bit < 8; ++bit) all[i] = all[i] >> 1 ^ ((all[i] & 1) != 0 ? 0x82F63B78U : 0U);
    }
    return all;
  }();
  std::uint32_t crc = ~0U;
  for (const char c : bytes) crc = table[(crc ^ static_cast<std::uint8_t>(c)) & 255] ^ crc >> 8;
  return ~crc;
}

/// A number's bytes, the least significant first.
template <class Unsigned>
[[nodiscard]] std::string little_endian(Unsigned value) {
  std::string bytes;
  for (std::size_t i = 0; i < sizeof value; ++i) bytes += static_cast<char>(value >> 8 * i & 255);
  return bytes;
}
template <class Unsigned>
[[nodiscard]] Unsigned from_little_endian(std::string_view bytes) noexcept {
  Unsigned value = 0;
  for (std::size_t i = 0; i < sizeof value; ++i)
    value |= Unsigned{static_cast<std::uint8_t>(bytes[i])} << 8 * i;
  return value;
}

/// A record of a TFRecord file: length, its checksum, content, its checksum. Checksums are rotated and moved
/// by a constant. Source: TensorFlow, tensorflow/core/lib/io/record_writer.h.
[[nodiscard]] inline std::string record_of(std::string_view content) {
  const auto checksum = [](std::string_view bytes) {
    return little_endian(std::rotr(crc32c(bytes), 15) + 0xA282EAD8U);
  };
  const std::string length = little_endian(std::uint64_t{content.size()});
  return length + checksum(length) + std::string(content) + checksum(content);
}

/// Splits off the content of the first record; nothing where there is no whole one, as at the end of a file
/// whose writer was killed.
[[nodiscard]] inline std::optional<std::string_view> take_record(std::string_view& bytes) {
  constexpr std::size_t head = 12, tail = 4;
  if (bytes.size() < head) return std::nullopt;
  const auto length = from_little_endian<std::uint64_t>(bytes);
  if (length > bytes.size() - head || bytes.size() - head - length < tail) return std::nullopt;
  const std::string_view content = bytes.substr(head, length);
  if (bytes.substr(0, head + length + tail) != record_of(content)) return std::nullopt;
  bytes.remove_prefix(head + length + tail);
  return content;
}

/// Messages of Protocol Buffers: a field is its number with its wire type, and its value.
/// Source: protobuf.dev, "Encoding"; TensorFlow's event.proto and summary.proto.
struct Protobuf {
  enum Wire : std::uint64_t { varint = 0, eight_bytes = 1, text = 2, four_bytes = 5 };

  [[nodiscard]] static std::string number(std::uint64_t value) {
    std::string bytes;
    for (; value > 127; value >>= 7) bytes += static_cast<char>((value & 127) | 128);
    return bytes + static_cast<char>(value);
  }
  [[nodiscard]] static std::string key(std::uint64_t field, Wire wire) { return number(field << 3 | wire); }
  [[nodiscard]] static std::string message(std::uint64_t field, std::string_view content) {
    return key(field, text) + number(content.size()) + std::string(content);
  }
  /// Splits off a number; 0 at the end.
  [[nodiscard]] static std::uint64_t take_number(std::string_view& bytes) noexcept {
    std::uint64_t value = 0;
    for (int shift = 0; !bytes.empty() && shift < 64; shift += 7) {
      const auto byte = static_cast<std::uint8_t>(bytes.front());
      bytes.remove_prefix(1);
      value |= std::uint64_t{byte & 127U} << shift;
      if (byte < 128) break;
    }
    return value;
  }
};

/// An Event of event.proto: wall_time = 1, step = 2, and file_version = 3 or summary = 5.
[[nodiscard]] inline std::string event_of(double seconds_since_1970, std::uint64_t step,
                                          const std::string& content) {
  return Protobuf::key(1, Protobuf::eight_bytes) +
         little_endian(std::bit_cast<std::uint64_t>(seconds_since_1970)) +
         (step > 0 ? Protobuf::key(2, Protobuf::varint) + Protobuf::number(step) : "") + content;
}
/// A Summary of one value, tag = 1 and simple_value = 2, as an Event's content.
[[nodiscard]] inline std::string scalar_of(std::string_view tag, float value) {
  const std::string of_value = Protobuf::message(1, tag) + Protobuf::key(2, Protobuf::four_bytes) +
                               little_endian(std::bit_cast<std::uint32_t>(value));
  return Protobuf::message(5, Protobuf::message(1, of_value));
}
/// The step of an Event.
[[nodiscard]] inline std::uint64_t step_of_event(std::string_view event) {
  std::uint64_t step = 0;
  const auto skip = [&](std::uint64_t count) {
    event.remove_prefix(count < event.size() ? count : event.size());
  };
  while (!event.empty()) {
    const std::uint64_t key = Protobuf::take_number(event), wire = key & 7;
    if (wire == Protobuf::varint) {
      const std::uint64_t value = Protobuf::take_number(event);
      if (key >> 3 == 2) step = value;
    } else {
      skip(wire == Protobuf::eight_bytes  ? 8
           : wire == Protobuf::four_bytes ? 4
                                          : Protobuf::take_number(event));
    }
  }
  return step;
}

/// A file of events under construction. They gather in memory and reach the file at flush(), or by 64 KiB, as
/// rows of a CsvLog do.
class EventLog {
 public:
  /// TensorBoard reads every file below its --logdir that has tfevents in its name.
  static constexpr const char* file_name = "events.out.tfevents.0.sdepth";

  /// A new file; an older one of that name is replaced.
  [[nodiscard]] static EventLog create(const std::filesystem::path& path) {
    write_file_atomically(path, record_of(event_of(now(), 0, Protobuf::message(3, "brain.Event:2"))));
    return EventLog(path);
  }
  /// Goes on with a file, of which only the events up to a step are kept; without one, begins it.
  [[nodiscard]] static EventLog resume(const std::filesystem::path& path, std::uint64_t last_step) {
    if (std::error_code none; !std::filesystem::exists(path, none)) return create(path);
    const std::string bytes = read_whole_file(path);
    std::string kept;
    std::string_view rest = bytes;
    while (const auto event = take_record(rest))
      if (step_of_event(*event) <= last_step) kept += record_of(*event);
    if (kept.empty()) return create(path);
    if (kept != bytes) write_file_atomically(path, kept);
    return EventLog(path);
  }

  EventLog(EventLog&&) = default;
  EventLog& operator=(EventLog&&) = default;
  ~EventLog() {
    try {
      flush();
    } catch (const Error&) {
      // the file keeps what it had; a destructor has nobody to tell
    }
  }

  /// Adds a number, unless it is none. @param step  made when it was so
  void scalar(std::uint64_t step, std::string_view tag, double value) {
    if (!std::isfinite(value)) return;
    pending_ += record_of(event_of(now(), step, scalar_of(tag, static_cast<float>(value))));
    constexpr std::size_t enough = 64 * 1024;
    if (pending_.size() >= enough) flush();
  }
  /// Returns once all events are on the disk. Throws Error where they cannot be.
  void flush() {
    if (!file_.is_open() || pending_.empty()) return;
    const std::string events = std::exchange(pending_, {});
    file_.write(events);
    file_.sync();
  }

 private:
  explicit EventLog(const std::filesystem::path& path)
      : file_(path, O_WRONLY | O_APPEND, path.string(), "written") {}

  [[nodiscard]] static double now() {
    return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  OpenFile file_;
  std::string pending_;
};

}  // namespace sdepth::inline SDEPTH_ISA::program
