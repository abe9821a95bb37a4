// Files for TensorBoard: checksums of RFC 3720, the bytes that TensorFlow's writer makes, and what a kill
// leaves of them.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/program/event_log.hpp>

#include "../io/scratch_folder.hpp"

namespace sdepth::test::event_log_test {

using namespace sdepth::program;

namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes)
    for (const int shift : {4, 0}) text += "0123456789abcdef"[static_cast<std::uint8_t>(c) >> shift & 15];
  return text;
}

/// The steps of a file's events.
std::vector<std::uint64_t> steps_in(const std::string& bytes) {
  std::vector<std::uint64_t> steps;
  std::string_view rest = bytes;
  while (const auto event = take_record(rest)) steps.push_back(step_of_event(*event));
  CHECK(rest.empty());
  return steps;
}

}  // namespace

TEST_CASE("CRC-32C has the values of RFC 3720, appendix B.4") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xE3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8A9136AA);
  CHECK(crc32c(std::string(32, '\xFF')) == 0x62A8AB43);
}

TEST_CASE("records and events are those of TensorBoard's own writer") {
  // tensorboard.summary.writer.record_writer.RecordWriter(file).write(b"sdepth")
  CHECK(hex(record_of("sdepth")) == "06000000000000007369d537736465707468d2cf31aa");
  // event_pb2.Event(wall_time=1.5, step=300, summary=Summary(value=[Summary.Value(tag="loss",
  // simple_value=0.25)])).SerializeToString()
  CHECK(hex(event_of(1.5, 300, scalar_of("loss", 0.25F))) ==
        "09000000000000f83f10ac022a0d0a0b0a046c6f7373150000803e");
  CHECK(step_of_event(event_of(1.5, 300, scalar_of("loss", 0.25F))) == 300);
  CHECK(step_of_event(event_of(1.5, 0, Protobuf::message(3, "brain.Event:2"))) == 0);
  CHECK(step_of_event(event_of(1.5, UINT64_MAX, "")) == UINT64_MAX);
}

TEST_CASE("events behind a checkpoint are dropped when a run goes on, and so is half an event") {
  ScratchFolder folder;
  const auto file = folder / EventLog::file_name;
  {
    EventLog log = EventLog::create(file);
    for (std::uint64_t step = 1; step <= 4; ++step) log.scalar(step, "loss", 1.0 / static_cast<double>(step));
    log.scalar(5, "loss", std::nan(""));  // is none
    log.flush();
    CHECK(steps_in(bytes_of(file)) == std::vector<std::uint64_t>{0, 1, 2, 3, 4});
    log.scalar(5, "loss", 0);
  }
  const std::string all = bytes_of(file);
  CHECK(steps_in(all).size() == 6);  // a log that ends is flushed
  for (const std::size_t lost : {1U, 5U, 20U}) {
    put(file, all.substr(0, all.size() - lost));
    EventLog log = EventLog::resume(file, 3);
    log.scalar(4, "loss", 2);
    log.flush();
    CHECK(steps_in(bytes_of(file)) == std::vector<std::uint64_t>{0, 1, 2, 3, 4});
    CHECK(bytes_of(file).substr(0, 150) == all.substr(0, 150));
  }
  std::string damaged = all;
  damaged[all.size() / 2] ^= 1;
  put(file, damaged);
  EventLog log = EventLog::resume(file, 5);
  CHECK(steps_in(bytes_of(file)).size() < 5);
  put(file, "");
  log = EventLog::resume(file, 5);
  CHECK(steps_in(bytes_of(file)).size() == 1);
  std::filesystem::remove(file);
  log = EventLog::resume(file, 5);
  CHECK(steps_in(bytes_of(file)).size() == 1);
}

}  // namespace sdepth::test::event_log_test
