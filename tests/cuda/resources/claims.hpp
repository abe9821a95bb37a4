// What the kernels claim of the device, in one place, and the sentences about those that do not keep it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "recording_runtime.hpp"
#include "report.hpp"

namespace sdepth::resources {

/// The kernels of one name.
struct Claim {
  std::string_view kernel;
  // a multiprocessor holds at least so many, of all its blocks: on 7.5, 8.0, 9.0, 10.0, 12.0
  std::array<int, 5> warps{};
  bool tensor_cores = false;       // multiplies TF32 numbers on them where the precision is TF32
  bool background_copies = false;  // fills shared memory by cp.async
};

/// Every kernel that a training step launches has its line here.
inline constexpr std::array claims = {
    Claim{"conv_forward_kernel", {4, 12, 16, 16, 8}, true, true},
    Claim{"conv_forward_run_kernel", {4, 12, 16, 16, 8}, true, true},
    Claim{"conv_input_gradient_kernel", {4, 12, 16, 16, 8}, true, true},
    Claim{"weight_gradient_kernel", {6, 12, 12, 12, 9}, true, true},
    Claim{"finish_kernel", {16, 16, 16, 16, 16}},
    Claim{"finish_backward_kernel", {16, 16, 16, 16, 16}},
    Claim{"pool_forward_kernel", {32, 48, 48, 48, 48}},
    Claim{"pool_backward_kernel", {32, 48, 48, 48, 48}},
    Claim{"linear_kernel", {16, 24, 24, 24, 24}, false, true},
    Claim{"loss_kernel", {32, 32, 32, 32, 32}},
    Claim{"image_kernel", {32, 48, 48, 48, 48}},
    Claim{"norm_forward_kernel", {32, 48, 48, 48, 48}},
    Claim{"norm_backward_kernel", {32, 48, 48, 48, 48}},
    Claim{"update_running_kernel", {32, 48, 48, 48, 48}},
    Claim{"draw_gates_kernel", {32, 48, 48, 48, 48}},
    Claim{"move_images_kernel", {32, 48, 48, 48, 48}},
    Claim{"convert_kernel", {32, 48, 48, 48, 48}},
    Claim{"step_number_kernel", {16, 32, 32, 32, 24}},
    Claim{"update_step", {32, 48, 48, 48, 48}},
    Claim{"good", {16, 16, 16, 16, 16}, true, true},  // of planted.cu
};

/// The name of a kernel without its namespace, template arguments and parameters.
[[nodiscard]] inline std::string plain_name(const std::string& mangled) {
  std::string name = readable(mangled);
  name = name.substr(0, name.find_first_of("<("));
  const auto from = name.find_last_of(": ");
  return from == std::string::npos ? name : name.substr(from + 1);
}

[[nodiscard]] inline const Claim* claim_of(const std::string& mangled) {
  const std::string name = plain_name(mangled);
  for (const Claim& claim : claims)
    if (claim.kernel == name) return &claim;
  return nullptr;
}

[[nodiscard]] inline std::size_t index_of(const Multiprocessor& m) {
  std::size_t i = 0;
  while (multiprocessors[i].architecture != m.architecture) ++i;
  return i;
}

/// One sentence for each rule that a kernel breaks on one architecture. @param tf32  launched where TF32 is
/// allowed
[[nodiscard]] inline std::vector<std::string> violations(const Multiprocessor& m,
                                                         const recording::Launch& launch,
                                                         const Kernel& kernel, bool tf32) {
  std::vector<std::string> found;
  const std::string where = readable(launch.kernel) + " on sm_" + std::to_string(m.architecture) + ": ";
  const auto say = [&](const auto&... parts) {
    std::ostringstream text;
    (text << where << ... << parts);
    found.push_back(text.str());
  };
  if (kernel.spilled_bytes > 0) say("it spills registers, ", kernel.spilled_bytes, " bytes.");
  if (kernel.stack_bytes > 0) say("it uses local memory, ", kernel.stack_bytes, " bytes of a thread.");
  if (kernel.shared_bytes > 0)
    say("it has ", kernel.shared_bytes,
        " bytes of static shared memory; kernels take theirs from shared_memory().");
  if (kernel.registers == 0) say("the compiler's report does not say how many registers it uses.");
  if (kernel.threads == 0) say("it does not state how many threads it is for; give it __launch_bounds__.");
  if (kernel.threads != 0 && static_cast<int>(launch.threads) > kernel.threads)
    say("it is launched with ", launch.threads, " threads, but states ", kernel.threads, ".");

  // __launch_bounds__ is about registers; what shared memory leaves of that is stated in the table, for each
  // architecture has another amount of it.
  const int by_registers = resident_blocks(m, kernel, kernel.threads, 0),
            wanted = std::min(kernel.blocks, m.threads / std::max(kernel.threads, 1));
  if (by_registers < wanted)
    say("its ", kernel.registers, " registers leave room for ", by_registers, " blocks of ", kernel.threads,
        " threads, but it states ", wanted, ".");
  const Claim* const claim = claim_of(launch.kernel);
  if (!claim) {
    say("it has no line in claims.hpp.");
    return found;
  }
  const int resident =
      resident_blocks(m, kernel, static_cast<int>(launch.threads), static_cast<int>(launch.shared_bytes));
  const int warps = resident * static_cast<int>((launch.threads + 31) / 32),
            least = claim->warps[index_of(m)];
  if (warps < std::max(1, least))
    say("a multiprocessor holds ", warps, " of its warps (", launch.threads, " threads of ", kernel.registers,
        " registers, ", launch.shared_bytes, " bytes of shared memory), but claims.hpp says ", least, ".");
  // Before 8.0 there is neither.
  const bool products = tf32 && claim->tensor_cores && m.architecture >= 80,
             copies = claim->background_copies && m.architecture >= 80;
  if (products != (kernel.tensor_products > 0))
    say("there are ", kernel.tensor_products, " products on tensor cores in its PTX, but ",
        products ? "some are claimed." : "none is claimed.");
  if (copies != (kernel.background_copies > 0))
    say("there are ", kernel.background_copies, " cp.async in its PTX, but ",
        copies ? "some are claimed." : "none is claimed.");
  return found;
}

/// Of all launches, on all architectures that the report is about and the tables know of.
[[nodiscard]] inline std::vector<std::string> violations(const Report& report,
                                                         const std::vector<recording::Launch>& launches,
                                                         bool tf32) {
  std::vector<std::string> found;
  for (const Multiprocessor& m : multiprocessors)
    for (const recording::Launch& launch : launches) {
      const auto kernels = report.find(m.architecture);
      if (kernels == report.end()) continue;
      if (!kernels->second.contains(launch.kernel)) {
        found.push_back(readable(launch.kernel) + " on sm_" + std::to_string(m.architecture) +
                        ": it is launched, but not in the compiler's report.");
        continue;
      }
      for (std::string& sentence : violations(m, launch, kernels->second.at(launch.kernel), tf32))
        found.push_back(std::move(sentence));
    }
  return found;
}

}  // namespace sdepth::resources
