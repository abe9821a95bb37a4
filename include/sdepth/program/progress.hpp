// What a person sees while it trains: one line that is written over and over on a terminal; nothing where the
// output goes elsewhere.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include <sdepth/program/report.hpp>
#include <sdepth/io/text.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  /// @param length  "epoch 3 of 20", or what else says where it is
  void show(const std::string& place, double loss, double images_per_second, double seconds_left) {
    const auto now = Clock::now();
    if (!terminal_ || now - shown_ < std::chrono::milliseconds(100)) return;
    shown_ = now;
    const std::string line = place + "   " + with_commas(static_cast<std::uint64_t>(images_per_second)) +
                             " images/s   loss " + fixed_point(loss, 4) + "   " +
                             duration_text(seconds_left) + " left";
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
  }
  /// Makes room for a line of text.
  void clear() {
    if (terminal_) std::fputs("\r\033[K", stderr);
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO) != 0;
  Clock::time_point shown_{};
};

}  // namespace sdepth::inline SDEPTH_ISA::program
