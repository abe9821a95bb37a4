// How much memory this process may still take, as Linux tells it: of the machine, and of the container it may run in.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The number behind `name` and blanks in a text of lines such as "MemAvailable:   24245232 kB"; nothing where there is none.
[[nodiscard]] inline std::optional<std::uint64_t> number_of_line(std::string_view text, std::string_view name) {
  for (std::size_t at = 0; at < text.size(); at = std::min(text.size(), text.find('\n', at)) + 1) {
    std::string_view line = text.substr(at, text.find('\n', at) - at);
    if (!line.starts_with(name)) continue;
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(" \t", name.size())));
    std::uint64_t value = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), value).ec == std::errc()) return value;
  }
  return std::nullopt;
}

/// Bytes of memory that are free, or can be made free without swapping; nothing where the system does not say.
///
/// The least of the machine's MemAvailable and, for the process's control group (version 2) and those around it, the limit less what is used and not
/// a cache of files.
/// @param root  where proc and sys lie: for tests
[[nodiscard]] inline std::optional<std::uint64_t> available_memory(const std::filesystem::path& root = "/") {
  const auto text_of = [&](const std::filesystem::path& path) {  // these files have no size, so they are read to their end
    std::ifstream file(root / path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  std::optional<std::uint64_t> least;
  const auto include = [&](std::uint64_t bytes) { least = std::min(least.value_or(bytes), bytes); };
  if (const auto kilobytes = number_of_line(text_of("proc/meminfo"), "MemAvailable:")) include(*kilobytes * 1024);

  const std::string groups = text_of("proc/self/cgroup");
  constexpr std::string_view unified = "0::/";  // the line of version 2
  const std::size_t at = groups.find(unified);
  std::filesystem::path group =
      at == std::string::npos ? "" : groups.substr(at + unified.size(), groups.find('\n', at) - at - unified.size());
  while (true) {
    const std::filesystem::path folder = std::filesystem::path("sys/fs/cgroup") / group;
    const auto limit = number_of_line(text_of(folder / "memory.max"), "");  // "max": no number
    const auto used = number_of_line(text_of(folder / "memory.current"), "");
    if (limit && used) {
      const std::uint64_t cache = number_of_line(text_of(folder / "memory.stat"), "inactive_file").value_or(0);
      include(*limit - std::min(*limit, *used - std::min(*used, cache)));
    }
    if (group.empty()) return least;
    group = group.parent_path();
  }
}

}  // namespace sdepth::inline SDEPTH_ISA
