// How much memory this process may still take, as Linux tells it: of the machine, and of the container it may run in.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// A control group of this process, and in which version's files it says how much memory it may take.
struct MemoryGroup {
  std::filesystem::path mount;  // where the groups lie, below the root of the file system
  std::filesystem::path group;  // below the mount; empty for the topmost
  bool version_1 = false;
};

/// The control groups of /proc/self/cgroup that may limit memory, each in every place where its hierarchy may be mounted.
///
///     0::/user.slice                    version 2, mounted at /sys/fs/cgroup, or beside version 1 at /sys/fs/cgroup/unified
///     4:memory:/box                     version 1, at /sys/fs/cgroup/memory
///     4:cpu,memory:/box                 the same with several controllers in one hierarchy
[[nodiscard]] inline std::vector<MemoryGroup> memory_groups(std::string_view cgroup) {
  std::vector<MemoryGroup> groups;
  while (!cgroup.empty()) {
    const std::string_view line = cgroup.substr(0, cgroup.find('\n'));
    cgroup.remove_prefix(std::min(cgroup.size(), line.size() + 1));
    const std::size_t controllers_at = line.find(':') + 1, path_at = line.find(':', controllers_at) + 1;
    if (controllers_at == 0 || path_at == 0 || !line.substr(path_at).starts_with('/')) continue;
    const std::string_view controllers = line.substr(controllers_at, path_at - 1 - controllers_at), path = line.substr(path_at);
    const std::filesystem::path folder = "sys/fs/cgroup", group = std::filesystem::path(path).relative_path();
    if (controllers.empty()) {
      for (const auto& mount : {folder, folder / "unified"}) groups.push_back({mount, group, false});
    } else if (("," + std::string(controllers) + ",").find(",memory,") != std::string::npos) {
      for (const auto& mount : {folder / "memory", folder / controllers}) groups.push_back({mount, group, true});
    }
  }
  return groups;
}

/// Bytes of memory that are free, or can be made free without swapping; nothing where the system does not say.
///
/// The least of the machine's MemAvailable and, for the process's control groups (of either version) and those around them, the limit less what is used
/// and not a cache of files. In a container whose own group is the mount's topmost one, its path is one that only the host knows: then nothing is found on
/// the way up but the topmost group, which is the right one.
/// @param root  where proc and sys lie: for tests
[[nodiscard]] inline std::optional<std::uint64_t> available_memory(const std::filesystem::path& root = "/") {
  const auto text_of = [&](const std::filesystem::path& path) {  // these files have no size, so they are read to their end
    std::ifstream file(root / path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  std::optional<std::uint64_t> least;
  const auto include = [&](std::uint64_t bytes) { least = std::min(least.value_or(bytes), bytes); };
  if (const auto kilobytes = number_of_line(text_of("proc/meminfo"), "MemAvailable:")) include(*kilobytes * 1024);

  constexpr std::uint64_t no_limit = std::uint64_t{1}
                                     << 60;  // version 1 says so by numbers near 2^63, version 2 by "max", which is no number
  for (auto [mount, group, version_1] : memory_groups(text_of("proc/self/cgroup"))) {
    while (true) {
      const std::filesystem::path folder = mount / group;
      const auto limit = number_of_line(text_of(folder / (version_1 ? "memory.limit_in_bytes" : "memory.max")), "");
      const auto used = number_of_line(text_of(folder / (version_1 ? "memory.usage_in_bytes" : "memory.current")), "");
      if (limit && used && *limit < no_limit) {
        const auto cache = number_of_line(text_of(folder / "memory.stat"), version_1 ? "total_inactive_file" : "inactive_file").value_or(0);
        include(*limit - std::min(*limit, *used - std::min(*used, cache)));
      }
      if (group.empty()) break;
      group = group.parent_path();
    }
  }
  return least;
}

}  // namespace sdepth::inline SDEPTH_ISA
