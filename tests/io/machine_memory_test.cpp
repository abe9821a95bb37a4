#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/io/machine_memory.hpp>

#include "scratch_folder.hpp"

namespace sdepth::test::machine_memory_test {

TEST_CASE("a number is found by the beginning of its line") {
  CHECK(number_of_line("MemTotal:  5 kB\nMemAvailable:   24245232 kB\n", "MemAvailable:") == 24245232u);
  CHECK(number_of_line("a 1\ninactive_file 77", "inactive_file") == 77u);
  CHECK_FALSE(number_of_line("a 1\n", "b"));
  CHECK_FALSE(number_of_line("max\n", ""));
  CHECK_FALSE(number_of_line("b\n", "b"));
  CHECK_FALSE(number_of_line("", ""));
}

TEST_CASE("what is available is the least of the machine's and of what the control groups leave") {
  const ScratchFolder folder;
  const std::filesystem::path root = folder / "root";
  CHECK_FALSE(available_memory(root));
  const auto write = [&](const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root / file).parent_path());
    put(root / file, text);
  };
  write("proc/meminfo", "MemTotal: 9000 kB\nMemAvailable: 8000 kB\n");
  CHECK(available_memory(root) == 8000u * 1024);
  write("proc/self/cgroup", "0::/box/inner\n");
  write("sys/fs/cgroup/box/inner/memory.max", "max\n");
  write("sys/fs/cgroup/box/inner/memory.current", "100\n");
  CHECK(available_memory(root) == 8000u * 1024);
  write("sys/fs/cgroup/box/memory.max", "5000000\n");  // the group around it has a limit
  write("sys/fs/cgroup/box/memory.current", "3000000\n");
  CHECK(available_memory(root) == 2000000u);
  // a cache of files makes room when it must
  write("sys/fs/cgroup/box/memory.stat", "anon 5\ninactive_file 1000000\n");
  CHECK(available_memory(root) == 3000000u);
  write("sys/fs/cgroup/box/memory.current", "9000000\n");
  CHECK(available_memory(root) == 0u);
  write("proc/self/cgroup", "0::/\n");  // in a container its own group is the root
  write("sys/fs/cgroup/memory.max", "70\n");
  write("sys/fs/cgroup/memory.current", "20\n");
  CHECK(available_memory(root) == 50u);
}

namespace {

/// What is available on a machine of these files, besides the 8,000 kB that are free.
std::optional<std::uint64_t> available(const std::vector<std::pair<std::string, std::string>>& files) {
  const ScratchFolder folder;
  const auto write = [&](const std::string& file, const std::string& text) {
    std::filesystem::create_directories((folder / file).parent_path());
    put(folder / file, text);
  };
  write("proc/meminfo", "MemAvailable: 8000 kB\n");
  for (const auto& [file, text] : files) write(file, text);
  return available_memory(folder.path());
}

constexpr std::uint64_t free_bytes = 8000 * 1024;

}  // namespace

TEST_CASE("control groups of version 1 are read, each up to the topmost") {
  const std::string box = "sys/fs/cgroup/memory/box/";
  std::vector<std::pair<std::string, std::string>> files = {
      {"proc/self/cgroup", "9:name=systemd:/\n4:memory:/box/inner\n1:cpu:/\n0::/\n"},
      {box + "inner/memory.limit_in_bytes", "9223372036854771712\n"},
      {box + "inner/memory.usage_in_bytes", "100\n"},
      {"sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
      {"sys/fs/cgroup/memory/memory.usage_in_bytes", "9223372036854771700\n"}};
  CHECK(available(files) == free_bytes);  // no limit anywhere
  files.push_back({box + "memory.limit_in_bytes", "5000000\n"});
  files.push_back({box + "memory.usage_in_bytes", "3000000\n"});
  CHECK(available(files) == 2000000u);
  files.push_back(
      {box + "memory.stat",
       "cache 2\ninactive_file 7\nhierarchical_memory_limit 5000000\ntotal_inactive_file 500000\n"});
  CHECK(available(files) == 2500000u);  // those of the groups within it are counted
  files.push_back({box + "inner/memory.limit_in_bytes", "1000\n"});
  CHECK(available(files) == 900u);
}

TEST_CASE("a container that sees its own group as the topmost finds its limit there") {
  CHECK(available({{"proc/self/cgroup", "4:memory:/docker/0123456789abcdef\n"},  // as the host calls it
                   {"sys/fs/cgroup/memory/memory.limit_in_bytes", "4000000\n"},
                   {"sys/fs/cgroup/memory/memory.usage_in_bytes", "1000000\n"}}) == 3000000u);
  CHECK(available({{"proc/self/cgroup", "0::/docker/0123456789abcdef\n"},
                   {"sys/fs/cgroup/memory.max", "4000000\n"},
                   {"sys/fs/cgroup/memory.current", "1000000\n"}}) == 3000000u);
}

TEST_CASE("controllers may share a hierarchy, and both versions may be mounted") {
  CHECK(available({{"proc/self/cgroup", "3:cpu,memory:/box\n"},
                   {"sys/fs/cgroup/cpu,memory/box/memory.limit_in_bytes", "4000000\n"},
                   {"sys/fs/cgroup/cpu,memory/box/memory.usage_in_bytes", "0\n"}}) == 4000000u);
  CHECK(available({{"proc/self/cgroup", "3:memory,cpu:/box\n"},
                   {"sys/fs/cgroup/memory/box/memory.limit_in_bytes", "4000000\n"},
                   {"sys/fs/cgroup/memory/box/memory.usage_in_bytes", "0\n"}}) == 4000000u);
  const std::vector<std::pair<std::string, std::string>> hybrid = {
      {"proc/self/cgroup", "4:memory:/a\n0::/b\n"},
      {"sys/fs/cgroup/memory/a/memory.limit_in_bytes", "4000000\n"},
      {"sys/fs/cgroup/memory/a/memory.usage_in_bytes", "0\n"},
      {"sys/fs/cgroup/unified/b/memory.max", "3000000\n"},
      {"sys/fs/cgroup/unified/b/memory.current", "0\n"}};
  CHECK(available(hybrid) == 3000000u);
  // A group that only looks like one of memory, and lines that are none.
  for (const char* lines : {"4:memory_two:/box\n", "4:cpu:/memory\n", "4:memory\n", "memory\n", ":\n", "::\n",
                            "4:memory:box\n", "4:memory://\n", "0::/../..\n", ""})
    CHECK(available({{"proc/self/cgroup", lines},
                     {"sys/fs/cgroup/memory/box/memory.limit_in_bytes", "4000000\n"},
                     {"sys/fs/cgroup/memory/box/memory.usage_in_bytes", "0\n"}}) == free_bytes);
}

TEST_CASE("this machine says something") { CHECK(available_memory().value_or(0) > 1000000); }

}  // namespace sdepth::test::machine_memory_test
