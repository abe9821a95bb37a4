// The control groups (cgroups) that Linux has put this process into: containers limit memory and processors
// by them.
#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// All of a file of /proc or /sys, which has no size until it is read; empty where there is none.
[[nodiscard]] inline std::string text_of_system_file(const std::string& path) {
  const auto close = [](std::FILE* file) { std::fclose(file); };
  const std::unique_ptr<std::FILE, decltype(close)> file(std::fopen(path.c_str(), "re"), close);
  std::string text;
  char piece[1024];
  while (file)
    if (const std::size_t got = std::fread(piece, 1, sizeof(piece), file.get()); got > 0)
      text.append(piece, got);
    else
      break;
  return text;
}

/// The folders that describe the process's group and those around it, innermost first, for version 2 and for
/// `controller` ("cpu", "memory") of version 1.
///
/// Inside a container /proc/self/cgroup may name the group as the machine does, while its files lie at the
/// top of the mount: folders that do not exist have no files.
/// @param root  the folder in which proc and sys lie: for tests
[[nodiscard]] inline std::vector<std::string> control_group_folders(std::string_view controller,
                                                                    const std::string& root = "") {
  const std::string mounts = root + "/sys/fs/cgroup";
  std::vector<std::string> folders;
  const auto add_with_those_around = [&](const std::string& mount, std::string group) {
    for (; !group.empty(); group.resize(group.rfind('/')))
      if (group != "/") folders.push_back(mount + group);
    folders.push_back(mount);
  };
  const std::string text = text_of_system_file(root + "/proc/self/cgroup");
  // "4:cpu,cpuacct:/path" of version 1, "0::/path" of version 2
  for (std::string_view lines = text; !lines.empty();) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(line.size() == lines.size() ? line.size() : line.size() + 1);
    const std::size_t first = line.find(':'), second = line.find(":/", first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string controllers(line.substr(first + 1, second - first - 1)), group(line.substr(second + 1));
    if (controllers.empty()) {
      add_with_those_around(mounts, group);
      add_with_those_around(mounts + "/unified", group);  // where version 1 is there as well
    } else if ((',' + controllers + ',').find(',' + std::string(controller) + ',') != std::string::npos) {
      add_with_those_around(mounts + '/' + controllers, group);
      if (controllers != controller) add_with_those_around(mounts + '/' + std::string(controller), group);
    }
  }
  return folders;
}

}  // namespace sdepth::inline SDEPTH_ISA
