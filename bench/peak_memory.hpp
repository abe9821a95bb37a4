// The most memory a benchmark has had resident, counted from a reset.
#pragma once

#include <fstream>
#include <string>

namespace sdepth::bench {

/// Sets the process's high-water mark back to what is resident now (Linux; elsewhere nothing happens).
inline void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << 5; }

/// The high-water mark in MiB; 0 where the system does not tell.
[[nodiscard]] inline double peak_memory_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stod(line.substr(6)) / 1024;
  return 0;
}

}  // namespace sdepth::bench
