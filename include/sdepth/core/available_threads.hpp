// How many threads a program should use where nobody says: as many as this process may run at the same time.
#pragma once

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <sdepth/core/config.hpp>
#include <sdepth/core/control_group.hpp>
#include <sdepth/core/error.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The most threads that anything here takes: more than machines have processors, and few enough that what is
/// kept for each thread has room.
inline constexpr int most_threads = 4096;

/// Throws Error unless a number of threads is 1 to most_threads. @return  the number, so that a member can be
/// made of it
inline int check_threads(const char* where, int threads) {
  check_at_least_one(where, "threads", threads);
  if (threads > most_threads)
    fail(where, ": threads is ", threads, ", expected at most ", most_threads,
         "; results do not depend on it, so give as many as there are processors");
  return threads;
}

/// The whole number > 0 that a text begins with, as OpenMP reads its variables ("4", " 4,2"); nothing where
/// there is none.
[[nodiscard]] inline std::optional<int> positive_number(std::string_view text) {
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \t")));
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole =
      end == text.data() + text.size() || std::string_view(", \t\n").find(*end) != std::string_view::npos;
  return error == std::errc() && value > 0 && whole ? std::optional(value) : std::nullopt;
}

/// Processors that this process may run on: those of the machine, less those that its affinity (taskset, a
/// batch system) leaves out.
[[nodiscard]] inline int processors_by_affinity() {
#if defined(__linux__)
  // The system refuses a set smaller than its own: 1024 processors are enough for most machines, and are
  // doubled for the others.
  for (int most = 1024; most <= 1 << 20; most *= 2) {
    cpu_set_t* const set = CPU_ALLOC(static_cast<std::size_t>(most));
    if (!set) break;
    const std::size_t bytes = CPU_ALLOC_SIZE(static_cast<std::size_t>(most));
    const bool known = sched_getaffinity(0, bytes, set) == 0;
    const int count = known ? CPU_COUNT_S(bytes, set) : 0;
    CPU_FREE(set);
    if (known) return std::max(count, 1);
  }
#endif
  return std::max(static_cast<int>(std::thread::hardware_concurrency()), 1);
}

/// How many processors' time the control groups allow (containers: --cpus), a part of one counting as one;
/// nothing where there is no limit.
/// @param root  where proc and sys lie: for tests
[[nodiscard]] inline std::optional<int> processors_by_quota(const std::string& root = "") {
  std::optional<int> least;
  const auto include = [&](std::optional<int> quota, std::optional<int> period) {
    if (!quota || !period) return;  // "max", and −1, are no limit
    const int processors = static_cast<int>(std::ceil(static_cast<double>(*quota) / *period));
    least = std::min(least.value_or(processors), processors);
  };
  for (const std::string& folder : control_group_folders("cpu", root)) {
    const std::string both = text_of_system_file(folder + "/cpu.max");  // version 2: "quota period"
    include(positive_number(both),
            positive_number(std::string_view(both).substr(std::min(both.size(), both.find(' ')))));
    include(positive_number(text_of_system_file(folder + "/cpu.cfs_quota_us")),
            positive_number(text_of_system_file(folder + "/cpu.cfs_period_us")));
  }
  return least;
}

/// Threads to use by default: OMP_NUM_THREADS where that is set, since it is how people share machines; else
/// as many as affinity and control groups allow; at most OMP_THREAD_LIMIT, and most_threads. Variables that
/// are no whole numbers above 0 count as not set.
[[nodiscard]] inline int available_threads() {
  const auto variable = [](const char* name) {
    const char* const text = std::getenv(name);
    return text ? positive_number(text) : std::nullopt;
  };
  const int allowed = std::min(processors_by_affinity(), processors_by_quota().value_or(1 << 20));
  return std::min({variable("OMP_NUM_THREADS").value_or(allowed),
                   variable("OMP_THREAD_LIMIT").value_or(most_threads), most_threads});
}

}  // namespace sdepth::inline SDEPTH_ISA
