// How many threads a program uses by default: processors, affinity, control groups, and OpenMP's variables.
#include <doctest/doctest.h>

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include <sdepth/core/available_threads.hpp>

namespace sdepth::test::available_threads_test {

namespace {

/// A variable of the environment, set or taken out for a moment.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) {
    if (const char* const old = std::getenv(name)) old_ = old;
    if (value)
      setenv(name, value, 1);
    else
      unsetenv(name);
  }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;
  ~Variable() {
    if (old_)
      setenv(name_, old_->c_str(), 1);
    else
      unsetenv(name_);
  }

 private:
  const char* name_;
  std::optional<std::string> old_;
};

/// A made-up / with the files of proc and sys that are asked for.
class SystemFiles {
 public:
  explicit SystemFiles(const std::string& groups) {
    std::filesystem::remove_all(root_);
    write("proc/self/cgroup", groups);
  }
  ~SystemFiles() { std::filesystem::remove_all(root_); }
  SystemFiles(const SystemFiles&) = delete;
  SystemFiles& operator=(const SystemFiles&) = delete;
  SystemFiles& write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
    return *this;
  }
  [[nodiscard]] std::string root() const { return root_.string(); }

 private:
  std::filesystem::path root_ =
      std::filesystem::temp_directory_path() / ("sdepth-threads-" + std::to_string(getpid()));
};

TEST_CASE("affinity: a process that may run on one processor has one") {
  cpu_set_t before, one;
  REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
  CHECK(processors_by_affinity() == CPU_COUNT(&before));
  std::size_t first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  CPU_ZERO(&one);
  CPU_SET(first, &one);
  REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
  CHECK(processors_by_affinity() == 1);
  {
    const Variable number("OMP_NUM_THREADS", nullptr), limit("OMP_THREAD_LIMIT", nullptr);
    CHECK(available_threads() == 1);
  }
  sched_setaffinity(0, sizeof(before), &before);
}

TEST_CASE("OMP_NUM_THREADS and OMP_THREAD_LIMIT are heeded, and ignored where they are no numbers above 0") {
  const Variable no_number("OMP_NUM_THREADS", nullptr), no_limit("OMP_THREAD_LIMIT", nullptr);
  const int free = available_threads();
  CHECK(free >= 1);
  for (const char* text : {"1", " 1", "1,4", "1 "}) {
    const Variable number("OMP_NUM_THREADS", text);
    CHECK(available_threads() == 1);
  }
  for (const char* text : {"", "0", "-1", "many", "1.5", "2x", "99999999999999999999"}) {
    const Variable number("OMP_NUM_THREADS", text);
    CHECK(available_threads() == free);
    const Variable limit("OMP_THREAD_LIMIT", text);
    CHECK(available_threads() == free);
  }
  {
    const Variable number("OMP_NUM_THREADS", "2147483647");
    CHECK(available_threads() == most_threads);
  }
  const Variable number("OMP_NUM_THREADS", "7");
  CHECK(available_threads() == 7);
  const Variable limit("OMP_THREAD_LIMIT", "3");
  CHECK(available_threads() == 3);
}

TEST_CASE("control groups of version 2 limit processors, those around the process's own as well") {
  SystemFiles system("0::/outer/inner\n");
  CHECK(!processors_by_quota(system.root()));
  system.write("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  CHECK(!processors_by_quota(system.root()));
  system.write("sys/fs/cgroup/outer/cpu.max", "250000 100000\n");
  CHECK(processors_by_quota(system.root()) == 3);  // two and a half: the third computes half of the time
  system.write("sys/fs/cgroup/outer/inner/cpu.max", "100000 100000\n");
  CHECK(processors_by_quota(system.root()) == 1);
  system.write("sys/fs/cgroup/outer/inner/cpu.max", "1000 100000\n");
  CHECK(processors_by_quota(system.root()) == 1);
}

TEST_CASE("control groups of version 1, where a container sees its own at the mount's top") {
  SystemFiles system("11:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n");
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n")
      .write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  CHECK(!processors_by_quota(system.root()));
  system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n");
  CHECK(processors_by_quota(system.root()) == 4);
  system.write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us", "200000\n")
      .write("sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us", "100000\n");
  CHECK(processors_by_quota(system.root()) == 2);
}

TEST_CASE("a system without these files has no limits") {
  CHECK(!processors_by_quota("/nowhere"));
  CHECK(control_group_folders("cpu", "/nowhere").empty());
}

}  // namespace

}  // namespace sdepth::test::available_threads_test
