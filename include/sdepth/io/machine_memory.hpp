// How much memory this process may still take, as Linux tells it: of the machine, and of the container it may
// run in.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sdepth/core/control_group.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The number behind `name` and blanks in a text of lines such as "MemAvailable:   24245232 kB"; nothing
/// where there is none.
[[nodiscard]] inline std::optional<std::uint64_t> number_of_line(std::string_view text,
                                                                 std::string_view name) {
  for (std::size_t at = 0; at < text.size(); at = std::min(text.size(), text.find('\n', at)) + 1) {
    std::string_view line = text.substr(at, text.find('\n', at) - at);
    if (!line.starts_with(name)) continue;
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t", name.size())));
    std::uint64_t value = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), value).ec == std::errc()) return value;
  }
  return std::nullopt;
}

/// Bytes of memory that are free, or can be made free without swapping; nothing where the system does not
/// say.
///
/// The least of the machine's MemAvailable and, for the process's control groups (of either version) and
/// those around them, the limit less what is used and not a cache of files.
/// @param root  where proc and sys lie: for tests
[[nodiscard]] inline std::optional<std::uint64_t> available_memory(const std::string& root = "") {
  std::optional<std::uint64_t> least;
  const auto include = [&](std::uint64_t bytes) { least = std::min(least.value_or(bytes), bytes); };
  if (const auto kilobytes = number_of_line(text_of_system_file(root + "/proc/meminfo"), "MemAvailable:"))
    include(*kilobytes * 1024);

  // Version 1 says that there is no limit by numbers near 2^63, version 2 by "max", which is no number.
  constexpr std::uint64_t no_limit = std::uint64_t{1} << 60;
  const auto include_group = [&](const std::string& folder, const char* limit_file, const char* used_file,
                                 const char* cache_name) {
    const auto limit = number_of_line(text_of_system_file(folder + limit_file), "");
    const auto used = number_of_line(text_of_system_file(folder + used_file), "");
    if (!limit || !used || *limit >= no_limit) return;
    const std::uint64_t cache =
        number_of_line(text_of_system_file(folder + "/memory.stat"), cache_name).value_or(0);
    include(*limit - std::min(*limit, *used - std::min(*used, cache)));
  };
  for (const std::string& folder : control_group_folders("memory", root)) {
    include_group(folder, "/memory.max", "/memory.current", "inactive_file");
    include_group(folder, "/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file");
  }
  return least;
}

}  // namespace sdepth::inline SDEPTH_ISA
