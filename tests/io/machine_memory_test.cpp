#include <doctest/doctest.h>

#include <filesystem>
#include <string>

#include <sdepth/io/machine_memory.hpp>

#include "scratch_folder.hpp"

using namespace sdepth;

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
  write("sys/fs/cgroup/box/memory.stat", "anon 5\ninactive_file 1000000\n");  // a cache of files makes room when it must
  CHECK(available_memory(root) == 3000000u);
  write("sys/fs/cgroup/box/memory.current", "9000000\n");
  CHECK(available_memory(root) == 0u);
  write("proc/self/cgroup", "0::/\n");  // in a container its own group is the root
  write("sys/fs/cgroup/memory.max", "70\n");
  write("sys/fs/cgroup/memory.current", "20\n");
  CHECK(available_memory(root) == 50u);
}

TEST_CASE("this machine says something") { CHECK(available_memory().value_or(0) > 1000000); }
